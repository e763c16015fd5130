extension Rule {
  /// Whether nobody matches this rule who does not match `other`. Decided from how they are
  /// written: false where that does not show it.
  package func isNarrower(than other: Rule) -> Bool {
    if self == other { return true }
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

extension Rule.Condition {
  fileprivate func isNarrower(than other: Rule.Condition) -> Bool {
    switch (self, other) {
    case (.exists(false), _), (_, .exists(false)): self == other
    // Every other condition fails without a value.
    case (_, .exists(true)): true
    case (.isIn(let few), .isIn(let many)): few.allSatisfy(many.contains)
    case (.isIn(let few), .isNotIn(let out)): few.allSatisfy { !Self.isIn([$0]).meets(out) }
    case (.isNotIn(let many), .isNotIn(let few)): few.allSatisfy(many.contains)
    case (.startsWith(let long), .startsWith(let short)):
      long.allSatisfy { part in short.contains { part.utf8.starts(with: $0.utf8) } }
    case (.endsWith(let long), .endsWith(let short)):
      long.allSatisfy { part in
        short.contains { part.utf8.reversed().starts(with: $0.utf8.reversed()) }
      }
    case (.contains(let few), .contains(let many)): few.allSatisfy(many.contains)
    case (.greaterThan(let a), .greaterThan(let b)), (.greaterThan(let a), .atLeast(let b)),
      (.atLeast(let a), .atLeast(let b)):
      a >= b
    case (.atLeast(let a), .greaterThan(let b)): a > b
    case (.lessThan(let a), .lessThan(let b)), (.lessThan(let a), .atMost(let b)),
      (.atMost(let a), .atMost(let b)):
      a <= b
    case (.atMost(let a), .lessThan(let b)): a < b
    default: false
    }
  }

  /// Whether any of `values` might match: texts may spell numbers and booleans, so only two plain
  /// texts are surely apart.
  private func meets(_ values: [AttributeValue]) -> Bool {
    guard case .isIn(let own) = self else { return true }
    return own.contains { a in
      values.contains { b in
        guard case .text(let left) = a, case .text(let right) = b else { return true }
        return left.utf8.elementsEqual(right.utf8)
      }
    }
  }
}
