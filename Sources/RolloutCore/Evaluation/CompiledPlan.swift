package import RolloutEvaluation

/// A plan with its evaluator. Immutable, shared by all loops.
package final class CompiledPlan: Sendable {
  package let plan: Plan
  package let evaluator: Evaluator
  /// Whether it is archived and still answers as it did.
  package let bidsFarewell: Bool

  /// `members` gives the members of a cohort by name; what an archived plan still answers depends
  /// on `now`, a place on the steady timeline.
  package init(
    _ plan: Plan, at now: Instant = Instant(milliseconds: .max), members: (String) -> ByteSet
  ) {
    self.plan = plan
    bidsFarewell = plan.bidsFarewell(at: now)
    evaluator = Evaluator(plan.definition.audience, plan.standing(at: now), members: members)
  }
}

extension Plan {
  /// What deciding sees of where it stands; `now` is a place on the steady timeline.
  fileprivate func standing(at now: Instant) -> Standing {
    let bidsFarewell = bidsFarewell(at: now)
    if isServing || bidsFarewell && stageIndex >= 0 {
      return .serving(upTo: stageIndex, isComplete: status == .completed || bidsFarewell)
    }
    switch status {
    case .active, .paused, .completed: return .off(why: "the plan was rolled back to off")
    case .draft, .killed, .archived: return .off(why: "the plan is \(status.rawValue)")
    }
  }
}
