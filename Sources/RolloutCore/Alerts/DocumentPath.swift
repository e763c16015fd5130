package import DocumentKit

/// A place in a payload of somebody else's form: `$.alert.details.feature`, `$.items[0]`, and with
/// `#feature` at its end the tag of that name there.
package struct DocumentPath: Sendable, Equatable {
  private enum Step: Sendable, Equatable {
    case member(String)
    case element(Int)
  }

  private static let sizeMax = 256
  private static let stepsMax = 16
  /// Tags that are looked through, and characters of a text that holds some.
  private static let tagsMax = 1000
  private static let textMax = 10_000

  package let text: String
  private var steps: [Step] = []
  /// nil for what stands there itself.
  private var tag: String?

  /// nil for what is no such path.
  package init?(_ text: String) {
    guard text.hasPrefix("$"), text.utf8.count <= Self.sizeMax else { return nil }
    self.text = text
    let parts = text.dropFirst().split(
      separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2 {
      guard !parts[1].isEmpty else { return nil }
      tag = String(parts[1])
    }
    var rest = parts.first ?? ""
    while let first = rest.popFirst() {
      let end: Character = first == "[" ? "]" : "."
      let name = rest.prefix { $0 != end && (first == "[" || $0 != "[") }
      rest = rest.dropFirst(name.count)
      switch first {
      case "." where !name.isEmpty: steps.append(.member(String(name)))
      case "[" where rest.popFirst() == "]":
        guard let index = Int(name), index >= 0 else { return nil }
        steps.append(.element(index))
      default: return nil
      }
    }
    guard steps.count <= Self.stepsMax else { return nil }
  }

  /// What stands there; nil for nothing, and for null.
  package func find(in document: Document) -> Document? {
    var place = document
    for step in steps {
      let next =
        switch step {
        case .member(let name): place[name]
        case .element(let index):
          place.array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
        }
      guard let next else { return nil }
      place = next
    }
    if let tag { return Self.value(of: tag, in: place) }
    return place.isNull ? nil : place
  }

  /// The text of a scalar there; nil for anything else, and for none at all.
  package func text(in document: Document) -> String? {
    find(in: document)?.scalarText.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The value of a tag, in any form that tags come in: members of an object, `name:value` in a
  /// list or among the words of a text, or pairs of the two.
  private static func value(of tag: String, in place: Document) -> Document? {
    if place.members != nil { return place[tag].flatMap { $0.isNull ? nil : $0 } }
    if let text = place.string {
      let words = text.prefix(textMax).split { $0.isWhitespace || ",;[](){}".contains($0) }
      return words.prefix(tagsMax).lazy.compactMap { value(of: tag, word: $0) }.first
    }
    return (place.array ?? []).prefix(tagsMax).lazy.compactMap { element in
      if let word = element.string { return value(of: tag, word: word.prefix(textMax)) }
      if let pair = element.array, pair.count == 2 { return pair[0].string == tag ? pair[1] : nil }
      let name = element["key"]?.string ?? element["name"]?.string
      return name == tag ? element["value"] : nil
    }.first
  }

  private static func value(of tag: String, word: Substring) -> Document? {
    guard let mark = word.firstIndex(where: { $0 == ":" || $0 == "=" }), word[..<mark] == tag else {
      return nil
    }
    let value = word[word.index(after: mark)...]
    return value.isEmpty ? nil : .string(String(value))
  }
}
