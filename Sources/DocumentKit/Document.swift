/// A value read from JSON or YAML, with the place it stood at, so that an error can point to it.
///
/// Numbers keep their source text: nothing is rounded before the reader says which type it wants.
package struct Document: Sendable {
  /// One member of an object. Keys are unique within an object; order is the source's.
  package struct Member: Sendable {
    package var key: String
    package var keyPosition: Position
    package var value: Document

    package init(key: String, keyPosition: Position = .unknown, value: Document) {
      self.key = key
      self.keyPosition = keyPosition
      self.value = value
    }
  }

  package enum Value: Sendable {
    case null
    case bool(Bool)
    /// The number as written, valid by the JSON grammar (or YAML's core schema).
    case number(String)
    case string(String)
    case array([Document])
    case object([Member])
  }

  package var value: Value
  package var position: Position

  package init(_ value: Value, at position: Position = .unknown) {
    self.value = value
    self.position = position
  }

  /// What the value is, in the words of an error message.
  package var kind: String {
    switch value {
    case .null: "null"
    case .bool: "a boolean"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// The member named `key` of an object; nil for other kinds and absent keys. O(members).
  package subscript(_ key: String) -> Document? {
    guard case .object(let members) = value else { return nil }
    return members.first { $0.key == key }?.value
  }

  package var string: String? {
    guard case .string(let text) = value else { return nil }
    return text
  }

  /// The whole number that it is, in any spelling: `2`, `2.0`, `2e0`. nil for other kinds, for
  /// what is not whole, and for what does not fit.
  package var int: Int? {
    guard case .number(let text) = value else { return nil }
    return Int(text) ?? wholeNumber(text)
  }

  /// nil for other kinds and for numbers that a `Double` cannot hold finitely.
  package var double: Double? {
    guard case .number(let text) = value, let number = Double(text), number.isFinite else {
      return nil
    }
    return number
  }

  package var bool: Bool? {
    guard case .bool(let flag) = value else { return nil }
    return flag
  }

  package var array: [Document]? {
    guard case .array(let elements) = value else { return nil }
    return elements
  }

  package var members: [Member]? {
    guard case .object(let members) = value else { return nil }
    return members
  }

  package var isNull: Bool {
    if case .null = value { return true }
    return false
  }
}

extension Document: Equatable {
  /// Compares values, not places. Members must stand in the same order.
  package static func == (a: Document, b: Document) -> Bool {
    switch (a.value, b.value) {
    case (.null, .null): true
    case (.bool(let x), .bool(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.string(let x), .string(let y)): x == y
    case (.array(let x), .array(let y)): x == y
    case (.object(let x), .object(let y)):
      x.count == y.count && zip(x, y).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    default: false
    }
  }
}

extension Document {
  package static let null = Document(.null)

  package static func string(_ text: String) -> Document { Document(.string(text)) }
  package static func bool(_ flag: Bool) -> Document { Document(.bool(flag)) }
  package static func int(_ number: some BinaryInteger) -> Document {
    Document(.number(String(number)))
  }
  /// Non-finite numbers become null: JSON has no word for them.
  package static func double(_ number: Double) -> Document {
    number.isFinite ? Document(.number(shortestText(of: number))) : .null
  }
  package static func array(_ elements: [Document]) -> Document { Document(.array(elements)) }
  /// Members whose value is nil are left out.
  package static func object(_ members: KeyValuePairs<String, Document?>) -> Document {
    Document(
      .object(members.compactMap { key, value in value.map { Member(key: key, value: $0) } }))
  }

  /// Sets or adds a member of an object; no effect on other kinds.
  package mutating func set(_ key: String, _ new: Document) {
    guard case .object(var members) = value else { return }
    if let index = members.firstIndex(where: { $0.key == key }) {
      members[index].value = new
    } else {
      members.append(Member(key: key, value: new))
    }
    value = .object(members)
  }

  /// Removes a member of an object; no effect when it is absent.
  package mutating func remove(_ key: String) {
    guard case .object(var members) = value else { return }
    members.removeAll { $0.key == key }
    value = .object(members)
  }
}

/// `5.0` is written `5`: whole numbers need no point, and people read these.
package func shortestText(of number: Double) -> String {
  if number == number.rounded(), abs(number) < 1e15 { return String(Int(number)) }
  return number.description
}

extension Document {
  /// The text of a scalar as written: `25` and `"25"` name the same stage. nil for the rest.
  package var scalarText: String? {
    switch value {
    case .string(let text), .number(let text): text
    case .bool(let flag): flag ? "true" : "false"
    case .null, .array, .object: nil
    }
  }
}

/// The whole number that JSON spells with a point or an exponent, exactly; nil for what is not
/// whole, and for what does not fit.
private func wholeNumber(_ text: String) -> Int? {
  let parts = text.split { $0 == "e" || $0 == "E" }
  let sides = parts[0].split(separator: ".")
  var digits = sides.joined()
  guard digits.contains(where: { $0 != "0" && $0 != "-" }) else { return 0 }
  // Nobody means more, and it could not be added to.
  guard let power = parts.count == 2 ? Int(parts[1]) : 0, power.magnitude < 1_000_000_000 else {
    return nil
  }
  var exponent = power - (sides.count == 2 ? sides[1].utf8.count : 0)
  while digits.hasSuffix("0") {
    digits.removeLast()
    exponent += 1
  }
  guard (0...18).contains(exponent) else { return nil }
  return Int(digits + String(repeating: "0", count: exponent))
}
