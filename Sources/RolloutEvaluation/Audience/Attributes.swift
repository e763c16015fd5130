/// A user's attributes; names are unique, the first of a name counts.
package struct Attributes: Sendable, ExpressibleByDictionaryLiteral {
  /// Attributes of one request; more are refused at the door.
  package static let countMax = 64
  /// Bytes of a name, and of a value that is text.
  package static let nameSizeMax = 256
  package static let valueSizeMax = 1024

  private var names: [String] = []
  private(set) var values: [AttributeValue] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, AttributeValue)...) {
    for (name, value) in elements { append(name, value) }
  }

  package var count: Int { names.count }

  /// In which way they are more than a request may bring.
  package enum Excess: Sendable, Equatable {
    case count
    case nameSize
    case valueSize(of: String)
  }

  /// nil when they are not more than a request may bring.
  package var excess: Excess? {
    guard count <= Self.countMax else { return .count }
    for index in names.indices {
      if names[index].utf8.count > Self.nameSizeMax { return .nameSize }
      if values[index].size > Self.valueSizeMax { return .valueSize(of: names[index]) }
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
  package func index(of name: String) -> Int? {
    for index in names.indices where names[index].hasSameBytes(as: name) { return index }
    return nil
  }

  package subscript(_ name: String) -> AttributeValue? { index(of: name).map { values[$0] } }
}
