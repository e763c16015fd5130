package import RolloutCore

/// Values that many tests need.
package enum Samples {
  package static let start = Instant(milliseconds: 1_800_000_000_000)

  package static func context(
    _ actor: Actor = .token("anna"), reason: String = "because", now: Instant = start
  ) -> CommandContext {
    CommandContext(actor: actor, reason: reason, now: now)
  }

  /// A plan with the default stages at the given one; -1 is off, nil a draft.
  package static func plan(_ feature: String = "ai-summary", atStage stage: Int?) -> Plan {
    var plan = Plan(PlanDefinition(feature: feature), at: Moment(start))
    if let stage {
      plan.status = .active
      plan.stageIndex = stage
      plan.stageEnteredAt = Moment(start)
      plan.version = 2
    }
    return plan
  }
}
