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

  /// Bytes that comparing it may look at.
  var size: Int {
    switch self {
    case .text(let text): text.utf8.count
    case .number(let number): number.size
    case .bool: 0
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
