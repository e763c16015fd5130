/// Reads an object member by member and refuses what nobody asked for.
///
/// Every typed read notes its key; `finish` names the first key that was not read, with the
/// nearest known one. Errors carry place and path.
package struct ObjectReader {
  private let members: [Document.Member]
  private var known: [String] = []
  package let path: String
  package let position: Position
  /// Whether this was accepted before and is read back: what only the door asks does not apply, or
  /// a rule made today would make unreadable what was taken yesterday.
  package let isStored: Bool

  /// Throws when `document` is not an object.
  package init(
    _ document: Document, path: String = "", isStored: Bool = false
  ) throws(DocumentError) {
    guard case .object(let members) = document.value else {
      throw DocumentError(
        "Expected an object, found \(document.kind).", at: document.position, path: path)
    }
    self.members = members
    self.path = path
    self.isStored = isStored
    position = document.position
  }

  /// `stages` + `percent` → `stages.percent`.
  package func path(to key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  /// nil when absent or null.
  package mutating func optional(_ key: String) -> Document? {
    known.append(key)
    guard let value = members.first(where: { $0.key == key })?.value, !value.isNull else {
      return nil
    }
    return value
  }

  package mutating func required(_ key: String) throws(DocumentError) -> Document {
    if let value = optional(key) { return value }
    // A misspelt key is the likelier cause than a forgotten one.
    if let near = members.first(where: { !known.contains($0.key) && editDistance($0.key, key) <= 2 }
    ) {
      throw DocumentError(
        "Unknown key \(quoted(near.key)); did you mean \(quoted(key))?", at: near.keyPosition,
        path: path)
    }
    throw DocumentError("\(quoted(key)) is missing.", at: position, path: path)
  }

  package func error(_ key: String, _ message: String) -> DocumentError {
    let at = members.first { $0.key == key }?.value.position ?? position
    return DocumentError(message, at: at, path: path(to: key))
  }

  /// Any scalar's text, so that `name: 25` means `"25"`.
  package mutating func text(_ key: String) throws(DocumentError) -> String? {
    guard let value = optional(key) else { return nil }
    guard let text = value.scalarText else { throw wrong(value, key, "text") }
    return text
  }

  /// A string and nothing else.
  package mutating func string(_ key: String) throws(DocumentError) -> String? {
    guard let value = optional(key) else { return nil }
    guard let text = value.string else { throw wrong(value, key, "a string") }
    return text
  }

  package mutating func requiredText(_ key: String) throws(DocumentError) -> String {
    _ = try required(key)
    guard let text = try text(key) else { throw error(key, "Expected text.") }
    return text
  }

  package mutating func bool(_ key: String) throws(DocumentError) -> Bool? {
    guard let value = optional(key) else { return nil }
    guard let flag = value.bool else { throw wrong(value, key, "true or false") }
    return flag
  }

  package mutating func int(
    _ key: String, in range: ClosedRange<Int>
  ) throws(DocumentError) -> Int? {
    guard let value = optional(key) else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw wrong(value, key, "a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  package mutating func double(
    _ key: String, in range: ClosedRange<Double>
  ) throws(DocumentError) -> Double? {
    guard let value = optional(key) else { return nil }
    guard let number = value.double, range.contains(number) else {
      let bounds = "\(shortestText(of: range.lowerBound)) to \(shortestText(of: range.upperBound))"
      throw wrong(value, key, "a number from \(bounds)")
    }
    return number
  }

  /// The elements with the path of each; nil when absent.
  package mutating func list(
    _ key: String
  ) throws(DocumentError) -> [(element: Document, path: String)]? {
    guard let value = optional(key) else { return nil }
    guard let elements = value.array else { throw wrong(value, key, "a list") }
    let path = path(to: key)
    return elements.enumerated().map { ($0.element, "\(path)[\($0.offset)]") }
  }

  /// A list of texts; nil when absent.
  package mutating func texts(_ key: String) throws(DocumentError) -> [String]? {
    guard let elements = try list(key) else { return nil }
    var texts: [String] = []
    for (element, path) in elements {
      guard let text = element.scalarText else {
        throw DocumentError(
          "Expected text, found \(element.kind).", at: element.position, path: path)
      }
      texts.append(text)
    }
    return texts
  }

  /// One text or a list of them; nil when absent.
  package mutating func textOrTexts(_ key: String) throws(DocumentError) -> [String]? {
    let isList = members.contains { $0.key == key && $0.value.array != nil }
    return isList ? try texts(key) : try text(key).map { [$0] }
  }

  /// One of `Choice`'s raw values; the error lists them.
  package mutating func choice<Choice>(
    _ key: String, of type: Choice.Type = Choice.self
  ) throws(DocumentError) -> Choice?
  where Choice: CaseIterable & RawRepresentable, Choice.RawValue == String {
    guard let value = optional(key) else { return nil }
    guard let text = value.scalarText, let choice = Choice(rawValue: text) else {
      let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
      throw DocumentError(
        "Expected one of \(names)\(value.scalarText.map { ", found \(quoted($0))" } ?? "").",
        at: value.position, path: path(to: key))
    }
    return choice
  }

  package mutating func object(_ key: String) throws(DocumentError) -> ObjectReader? {
    guard let value = optional(key) else { return nil }
    return try ObjectReader(value, path: path(to: key), isStored: isStored)
  }

  /// All members, for objects whose keys are names; nothing is unknown afterwards.
  package mutating func all() -> [Document.Member] {
    known += members.map(\.key)
    return members
  }

  /// Refuses the first key that was never read.
  package func finish() throws(DocumentError) {
    guard let stranger = members.first(where: { !known.contains($0.key) }) else { return }
    let near = known.min {
      editDistance($0, stranger.key) < editDistance($1, stranger.key)
    }
    let hint =
      near.flatMap { editDistance($0, stranger.key) <= 3 ? $0 : nil }
      .map { "did you mean \(quoted($0))?" }
      ?? "known here: \(Set(known).sorted().joined(separator: ", "))."
    throw DocumentError(
      "Unknown key \(quoted(stranger.key)); \(hint)", at: stranger.keyPosition, path: path)
  }

  private func wrong(_ value: Document, _ key: String, _ wanted: String) -> DocumentError {
    DocumentError(
      "Expected \(wanted), found \(value.kind).", at: value.position, path: path(to: key))
  }
}

/// Levenshtein distance over UTF-8, for "did you mean"; inputs over 64 bytes count as far apart.
package func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a.utf8)
  let b = Array(b.utf8)
  guard a.count <= 64, b.count <= 64 else { return 64 }
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
      diagonal = row[j + 1]
      row[j + 1] = cost
    }
  }
  return row[b.count]
}
