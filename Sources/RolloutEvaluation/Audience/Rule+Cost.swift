extension Rule {
  /// Bytes that matching one user may look at, at most; about nanoseconds. Adds up, never
  /// overflows: what it counts is in memory.
  package var cost: Int {
    switch self {
    case .all(let rules): rules.reduce(Self.step) { $0 + $1.cost }
    case .attribute(let name, let condition):
      Self.step + name.utf8.count + Attributes.countMax + condition.cost
    }
  }

  /// What any step costs beside the bytes it looks at.
  fileprivate static let step = 16
}

extension Rule.Condition {
  fileprivate var cost: Int {
    switch self {
    case .isIn(let options), .isNotIn(let options):
      options.reduce(0) { sum, option in
        switch option {
        case .text(let text): sum + Rule.step + min(text.utf8.count, Attributes.valueSizeMax)
        case .number(let number): sum + 2 * Rule.step + number.size
        case .bool, .list: sum + 2 * Rule.step
        }
      }
    case .startsWith(let parts), .endsWith(let parts):
      parts.reduce(0) { $0 + Rule.step + min($1.utf8.count, Attributes.valueSizeMax) }
    case .contains(let parts):
      parts.reduce(0) { $0 + Rule.step + Attributes.valueSizeMax + $1.utf8.count }
    case .greaterThan(let limit), .atLeast(let limit), .lessThan(let limit), .atMost(let limit):
      2 * Rule.step + limit.size
    case .exists: 0
    }
  }
}
