package import RolloutEvaluation

/// A rule made ready for being compared with many others: which users it can match, told from how
/// it is written. Texts count byte by byte, as in matching.
package indirect enum RuleExtent: Sendable, Equatable {
  case all([RuleExtent])
  case attribute(ExactText, Condition)

  package enum Condition: Sendable, Equatable {
    case isIn(ExactValues)
    case isNotIn(ExactValues)
    case startsWith(PrefixSet)
    /// Of the texts turned round.
    case endsWith(PrefixSet)
    case contains(ExactValues)
    case above(Numeral, orEqual: Bool)
    case below(Numeral, orEqual: Bool)
    case exists(Bool)
  }

  /// O(n log n) in the values that the rule names.
  package init(_ rule: Rule) {
    switch rule {
    case .all(let rules): self = .all(rules.map(RuleExtent.init))
    case .attribute(let name, let condition):
      self = .attribute(ExactText(name), Condition(condition))
    }
  }

  /// Whether nobody matches this rule who does not match `other`; false where how they are written
  /// does not show it. Linear in the values that both name.
  package func isNarrower(than other: RuleExtent) -> Bool {
    switch (self, other) {
    case (_, .all(let wider)):
      return !wider.isEmpty && wider.allSatisfy { isNarrower(than: $0) }
    case (.all(let rules), _):
      // One condition that is narrower is enough: the others only take people away.
      return rules.contains { $0.isNarrower(than: other) }
    case (.attribute(let name, let condition), .attribute(let otherName, let wider)):
      return name == otherName && condition.isNarrower(than: wider)
    }
  }
}

extension RuleExtent.Condition {
  init(_ condition: Rule.Condition) {
    switch condition {
    case .isIn(let options): self = .isIn(ExactValues(options))
    case .isNotIn(let options): self = .isNotIn(ExactValues(options))
    case .startsWith(let parts): self = .startsWith(PrefixSet(parts.map { Array($0.utf8) }))
    case .endsWith(let parts): self = .endsWith(PrefixSet(parts.map { $0.utf8.reversed() }))
    case .contains(let parts): self = .contains(ExactValues(parts.map { .text($0) }))
    case .greaterThan(let limit): self = .above(limit, orEqual: false)
    case .atLeast(let limit): self = .above(limit, orEqual: true)
    case .lessThan(let limit): self = .below(limit, orEqual: false)
    case .atMost(let limit): self = .below(limit, orEqual: true)
    case .exists(let wanted): self = .exists(wanted)
    }
  }

  /// A list matches `in` when one of its elements does, and `not_in` only when none is in: so no
  /// `in` is narrower than a `not_in`, however far apart their values are.
  func isNarrower(than other: Self) -> Bool {
    switch (self, other) {
    case (.exists(let has), .exists(let wanted)): has == wanted
    // Every other condition fails without a value.
    case (.exists(false), _), (_, .exists(false)): false
    case (_, .exists(true)): true
    case (.isIn(let few), .isIn(let many)), (.isNotIn(let many), .isNotIn(let few)),
      (.contains(let few), .contains(let many)):
      few.isSubset(of: many)
    case (.startsWith(let long), .startsWith(let short)),
      (.endsWith(let long), .endsWith(let short)):
      long.isCovered(by: short)
    case (.above(let a, let with), .above(let b, let orEqual)):
      a > b || a == b && (orEqual || !with)
    case (.below(let a, let with), .below(let b, let orEqual)):
      a < b || a == b && (orEqual || !with)
    default: false
    }
  }
}

/// A text that equals another of the same bytes only; `String` takes canonically equivalent ones
/// for the same.
package struct ExactText: Sendable, Hashable, Comparable {
  private let bytes: [UInt8]

  package init(_ text: String) { bytes = Array(text.utf8) }

  package var text: String { String(decoding: bytes, as: UTF8.self) }

  package static func < (a: Self, b: Self) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
}
