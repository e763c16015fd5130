import RolloutEvaluation

/// A condition as alternatives of conditions that must all hold, which is what a plan can say.
struct Alternatives {
  /// A plan's list of rules takes no more.
  static let termsMax = 100

  /// More alternatives than a plan takes.
  struct TooMany: Error {}

  private(set) var terms: [Term]
  /// What has no opposite that a rule can say, in words.
  private(set) var untold: [String] = []

  init(_ condition: Condition) throws(TooMany) {
    terms = []
    terms = try Self.terms(condition, isNegated: false, &untold)
    // Whoever everybody includes needs no list of their own.
    if terms.contains(where: \.isAlways) { terms = [Term()] }
  }

  private static func terms(
    _ condition: Condition, isNegated: Bool, _ untold: inout [String]
  ) throws(TooMany) -> [Term] {
    switch condition {
    case .always: return isNegated ? [] : [Term()]
    case .never: return isNegated ? [Term()] : []
    case .unknown: return []
    case .not(let inner): return try terms(inner, isNegated: !isNegated, &untold)
    case .users(let users):
      return [isNegated ? Term(exceptUsers: users) : Term(users: users)]
    case .attribute(let name, let condition):
      guard isNegated else { return [Term(attributes: [.attribute(name, condition)])] }
      return opposite(of: condition, name, &untold).map {
        Term(attributes: [.attribute(name, $0)])
      }
    case .all(let parts) where !isNegated, .any(let parts) where isNegated:
      return try product(parts, isNegated: isNegated, &untold)
    case .all(let parts), .any(let parts):
      var sum: [Term] = []
      for part in parts {
        for term in try terms(part, isNegated: isNegated, &untold) where !sum.contains(term) {
          sum.append(term)
        }
        guard sum.count <= termsMax else { throw TooMany() }
      }
      return sum
    }
  }

  private static func product(
    _ parts: [Condition], isNegated: Bool, _ untold: inout [String]
  ) throws(TooMany) -> [Term] {
    var product = [Term()]
    for part in parts {
      let more = try terms(part, isNegated: isNegated, &untold)
      guard product.count * more.count <= termsMax else { throw TooMany() }
      product = product.flatMap { term in more.map(term.joined) }
    }
    return product
  }

  /// What holds where a condition does not, absent attributes included; less where a rule cannot
  /// say it.
  private static func opposite(
    of condition: Rule.Condition, _ name: String, _ untold: inout [String]
  ) -> [Rule.Condition] {
    switch condition {
    case .isIn(let values): return [.isNotIn(values), .exists(false)]
    case .isNotIn(let values): return [.isIn(values), .exists(false)]
    case .exists(let wanted): return [.exists(!wanted)]
    case .greaterThan(let limit): return [.atMost(limit), .exists(false)]
    case .atLeast(let limit): return [.lessThan(limit), .exists(false)]
    case .lessThan(let limit): return [.atLeast(limit), .exists(false)]
    case .atMost(let limit): return [.greaterThan(limit), .exists(false)]
    case .startsWith, .endsWith, .contains:
      untold.append("a rule cannot say what \(name) does not begin with, end with or contain")
      return []
    }
  }
}
