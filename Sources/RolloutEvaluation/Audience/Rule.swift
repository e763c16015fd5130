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
