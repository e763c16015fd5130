import DocumentKit

/// A value of a user's attribute, as a request states it.
package enum AttributeValue: Sendable, Equatable {
  case text(String)
  case number(Numeral)
  case bool(Bool)
  /// Of the others, none of them a list.
  case list([AttributeValue])

  /// Elements of one list; more are refused at the door.
  package static let elementsMax = 100

  private static let numberSizeMax = 64

  /// Bytes of text in it.
  fileprivate var size: Int {
    switch self {
    case .text(let text): text.utf8.count
    case .number, .bool: 0
    case .list(let elements): elements.reduce(0) { max($0, $1.size) }
    }
  }

  /// The number it is or spells: attributes of a query string are all text.
  var asNumber: Numeral? {
    switch self {
    case .number(let number): number
    // No number is that long, and reading one that is would cost more than the rule allows for.
    case .text(let text): text.utf8.count <= Self.numberSizeMax ? Numeral(text) : nil
    case .bool, .list: nil
    }
  }
}

/// A condition on one attribute, or several that must all hold.
///
/// An absent attribute matches nothing but `exists: false`: a rule fails closed, `not_in` too. A
/// list matches when one of its elements does, and `not_in` when none of them is in; `exists` is
/// about the attribute, so an empty list exists.
package indirect enum Rule: Sendable, Equatable {
  case all([Rule])
  case attribute(String, Condition)

  package enum Condition: Sendable, Equatable {
    case isIn([AttributeValue])
    case isNotIn([AttributeValue])
    case startsWith([String])
    case endsWith([String])
    case contains([String])
    case greaterThan(Numeral)
    case atLeast(Numeral)
    case lessThan(Numeral)
    case atMost(Numeral)
    case exists(Bool)
  }

  package func matches(_ attributes: Attributes) -> Bool {
    switch self {
    case .all(let rules):
      // No rules is an empty audience: nobody.
      return !rules.isEmpty && rules.allSatisfy { $0.matches(attributes) }
    case .attribute(let name, let condition):
      guard let index = attributes.index(of: name) else { return condition.matches(nil) }
      return condition.matches(attributes.values[index])
    }
  }
}

extension Rule.Condition {
  func matches(_ value: AttributeValue?) -> Bool {
    if case .exists(let wanted) = self { return (value != nil) == wanted }
    guard let value else { return false }
    guard case .list(let elements) = value else { return matches(value) }
    if case .isNotIn = self { return elements.allSatisfy(matches) }
    return elements.contains(where: matches)
  }

  private func matches(_ value: AttributeValue) -> Bool {
    switch self {
    case .isIn(let options): return options.contains { equal($0, value) }
    case .isNotIn(let options): return !options.contains { equal($0, value) }
    case .startsWith(let parts): return matchesText(value, parts) { $0.holds($1, at: 0) }
    case .endsWith(let parts):
      return matchesText(value, parts) { $0.holds($1, at: $0.utf8.count - $1.utf8.count) }
    case .contains(let parts): return matchesText(value, parts) { $0.holds($1) }
    case .greaterThan(let limit): return value.asNumber.map { $0 > limit } ?? false
    case .atLeast(let limit): return value.asNumber.map { $0 >= limit } ?? false
    case .lessThan(let limit): return value.asNumber.map { $0 < limit } ?? false
    case .atMost(let limit): return value.asNumber.map { $0 <= limit } ?? false
    case .exists(let wanted): return wanted
    }
  }

  /// Same kind, or a text that spells the rule's number or boolean.
  private func equal(_ option: AttributeValue, _ value: AttributeValue) -> Bool {
    switch (option, value) {
    case (.text(let a), .text(let b)): a.hasSameBytes(as: b)
    case (.number(let a), _): value.asNumber == a
    case (.bool(let a), .bool(let b)): a == b
    case (.bool(let a), .text(let b)): b == (a ? "true" : "false")
    case (.text(let a), .number(let b)): Numeral(a) == b
    case (.text(let a), .bool(let b)): a == (b ? "true" : "false")
    default: false
    }
  }

  private func matchesText(
    _ value: AttributeValue, _ parts: [String],
    _ test: (String, String) -> Bool
  ) -> Bool {
    guard case .text(let text) = value else { return false }
    return parts.contains { test(text, $0) }
  }
}

extension String {
  /// Byte by byte; `==` would take canonically equivalent texts for the same.
  fileprivate func hasSameBytes(as other: String) -> Bool {
    utf8.count == other.utf8.count && holds(other, at: 0)
  }

  /// Whether the bytes of `part` stand at `offset`; false where they do not fit.
  fileprivate func holds(_ part: String, at offset: Int) -> Bool {
    guard offset >= 0, offset + part.utf8.count <= utf8.count else { return false }
    let whole = utf8.span
    let wanted = part.utf8.span
    for index in wanted.indices where whole[offset + index] != wanted[index] { return false }
    return true
  }
}

extension String {
  /// Whether the bytes of `part` stand anywhere in it. Linear whatever they are (Rabin and Karp):
  /// the plain way would look at each of them for every byte of `part`.
  fileprivate func holds(_ part: String) -> Bool {
    let text = utf8.span
    let wanted = part.utf8.span
    guard !wanted.isEmpty, wanted.count <= text.count else { return wanted.isEmpty }
    let base: UInt64 = 0x9E37_79B9_7F4A_7C15
    var (sought, rolling, top): (UInt64, UInt64, UInt64) = (0, 0, 1)
    for index in wanted.indices {
      sought = sought &* base &+ UInt64(wanted[index])
      rolling = rolling &* base &+ UInt64(text[index])
      if index > 0 { top = top &* base }
    }
    for end in wanted.count..<text.count {
      let start = end - wanted.count
      if rolling == sought, holds(part, at: start) { return true }
      rolling = (rolling &- UInt64(text[start]) &* top) &* base &+ UInt64(text[end])
    }
    return rolling == sought && holds(part, at: text.count - wanted.count)
  }
}

/// A user's attributes; names are unique, the first of a name counts.
package struct Attributes: Sendable, ExpressibleByDictionaryLiteral {
  /// Attributes of one request; more are refused at the door.
  package static let countMax = 64
  /// Bytes of a name, and of a value that is text.
  package static let nameSizeMax = 256
  package static let valueSizeMax = 1024

  private var names: [String] = []
  fileprivate private(set) var values: [AttributeValue] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, AttributeValue)...) {
    for (name, value) in elements { append(name, value) }
  }

  package var count: Int { names.count }

  /// Why they are more than a request may bring; nil when they are not.
  package var excess: String? {
    guard count <= Self.countMax else { return "At most \(Self.countMax) attributes." }
    for index in names.indices {
      if names[index].utf8.count > Self.nameSizeMax {
        return "The name of an attribute is at most \(Self.nameSizeMax) bytes."
      }
      if values[index].size > Self.valueSizeMax {
        return "The attribute \(quoted(names[index])) is longer than \(Self.valueSizeMax) bytes."
      }
    }
    return nil
  }

  /// How many times as much as `Rule.cost` says matching these may take: lists are looked at
  /// element by element.
  package var weight: Int {
    values.reduce(1) { weight, value in
      if case .list(let elements) = value { max(weight, elements.count) } else { weight }
    }
  }

  package mutating func append(_ name: String, _ value: AttributeValue) {
    names.append(name)
    values.append(value)
  }

  /// Where the value of a name stands; nil when there is none. O(attributes).
  func index(of name: String) -> Int? {
    for index in names.indices where names[index].hasSameBytes(as: name) { return index }
    return nil
  }

  package subscript(_ name: String) -> AttributeValue? { index(of: name).map { values[$0] } }
}
