import RolloutEvaluation

/// How many users have both of two features by their percentages, and how many one of them.
package struct Overlap: Sendable, Equatable {
  /// Of all users, from 0 to 1; the four add up to 1.
  package let both: Double
  package let first: Double
  package let second: Double
  package let neither: Double
  /// How the draws of two plans hang together.
  package enum Kinship: Sendable, Equatable {
    /// Other hashes: they meet by chance.
    case independent
    /// The same hash: the smaller share lies within the larger.
    case nested
    /// The same hash, counted from its other end: they meet only where they are more than all.
    case opposed
  }

  package let kinship: Kinship

  package init(_ first: Plan, _ second: Plan) {
    let (a, b) = (Self.share(first), Self.share(second))
    let (one, other) = (first.definition.population, second.definition.population)
    let isOneSalt = ExactText(one.salt) == ExactText(other.salt)
    let isReversed =
      one.bucketing.rawValue == other.bucketing.rawValue + "-reversed"
      || other.bucketing.rawValue == one.bucketing.rawValue + "-reversed"
    kinship =
      one.drawsAlike(other) ? .nested : isOneSalt && isReversed ? .opposed : .independent
    let open =
      switch kinship {
      case .independent: a.open * b.open
      case .nested: min(a.open, b.open)
      case .opposed: max(0, a.open + b.open - 1)
      }
    // The holdout is a hash of its own, by the salt alone.
    let kept =
      isOneSalt ? 1 - max(a.holdout, b.holdout) : (1 - a.holdout) * (1 - b.holdout)
    both = open * kept
    self.first = max(0, a.open * (1 - a.holdout) - both)
    self.second = max(0, b.open * (1 - b.holdout) - both)
    neither = max(0, 1 - both - self.first - self.second)
  }

  private static func share(_ plan: Plan) -> (open: Double, holdout: Double) {
    guard plan.isServing, plan.stageIndex >= 0 else { return (0, 0) }
    let stages = plan.definition.stages.prefix(plan.stageIndex + 1)
    let share = stages.compactMap(\.audience.percent).last?.thousandths ?? 0
    let holdout =
      plan.status == .completed ? 0 : plan.definition.population.holdout.thousandths
    return (Double(share) / 100_000, Double(holdout) / 100_000)
  }
}
