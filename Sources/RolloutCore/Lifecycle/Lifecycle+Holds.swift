/// Holds: who ends them, who passes them, and when.
extension Plan {
  /// How long an outage is waited for before a person may go on all the same.
  package static let outagePatience = TimeSpan.hours(1)

  /// When the cooldown of a rollback or alert hold ends, on the steady timeline; nil without such
  /// a hold.
  package var cooldownEnds: Instant? {
    guard let hold, hold.needsAcknowledgement else { return nil }
    return hold.since.steady + max(definition.cooldown, hold.cooldown ?? .zero)
  }

  /// Whether a person has seen why it is held and the cooldown is over, so that the hold may end by
  /// itself. `now` is a place on the steady timeline.
  package func isDueForRelease(at now: Instant) -> Bool {
    guard status == .active || status == .paused, hold?.acknowledged != nil, let cooldownEnds
    else { return false }
    return now >= cooldownEnds
  }

  /// From when on a person with a reason passes the hold, on the steady timeline; nil when nobody
  /// does.
  var holdPassableFrom: Instant? {
    guard let hold else { return nil }
    switch hold.cause {
    case .rollback, .alert: return nil
    case .outage: return hold.since.steady + Self.outagePatience
    case .investigate, .noTraffic, .manual: return hold.since.steady
    }
  }
}

extension Lifecycle {
  /// A file shortens no cooldown that is running: that takes force and a reason.
  static func keepCooldown(_ plan: inout Plan, of before: PlanDefinition) {
    guard let hold = plan.hold, hold.needsAcknowledgement else { return }
    let longest = max(before.cooldown, hold.cooldown ?? .zero)
    plan.hold?.cooldown = longest > plan.definition.cooldown ? longest : nil
  }

  /// Lets a person who gives a reason go past a hold that waits for a condition; `require_evidence`
  /// takes force as well. What needs acknowledging stops everybody, and every hold automation.
  static func passHold(_ plan: Plan, _ context: CommandContext) throws(Refusal) {
    guard let hold = plan.hold else { return }
    if context.actor.isPerson {
      // A person's own rollback asks for no second thought.
      if hold.cause == .manual { return }
      let isForced = context.force || !plan.definition.requireEvidence
      if let from = plan.holdPassableFrom, context.now.steady >= from, isForced,
        context.hasReason
      {
        return
      }
    }
    throw .held(hold, waitingOn: holdSentences(plan, context.now.steady))
  }

  static func acknowledge(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    guard var hold = plan.hold, hold.needsAcknowledgement else {
      throw .invalidTransition(
        plan.hold.map { notAcknowledged($0) }
          ?? "\(plan.feature) is not held; there is nothing to acknowledge.")
    }
    guard let ends = plan.cooldownEnds, context.now.steady < ends, !context.force else {
      plan.hold = nil
      return
    }
    if let seen = hold.acknowledged {
      throw .invalidTransition(
        "\(seen.name) has acknowledged it already; it is released by itself in "
          + "\(ends.since(context.now.steady).words) (force with a reason to end it now).")
    }
    hold.acknowledged = .init(by: context.actor.text, at: context.now)
    plan.hold = hold
  }

  private static func notAcknowledged(_ hold: Plan.Hold) -> String {
    hold.cause == .manual
      ? "A person rolled back; an advance ends that, and there is nothing to acknowledge."
      : "What is held \(hold.cause.words) ends by itself; there is nothing to acknowledge."
  }

  /// Ends a hold with its condition, or after its cooldown once somebody has seen it. False when
  /// it may not end yet.
  static func release(_ plan: inout Plan, _ now: Instant) -> Bool {
    guard let hold = plan.hold, hold.cause != .manual else { return false }
    guard !hold.needsAcknowledgement || plan.isDueForRelease(at: now) else { return false }
    plan.hold = nil
    return true
  }

  /// `now` is a place on the steady timeline.
  static func holdSentences(_ plan: Plan, _ now: Instant) -> [String] {
    guard let hold = plan.hold else { return [] }
    guard hold.needsAcknowledgement else {
      return hold.cause == .manual
        ? ["hold: a person rolled back (\(hold.reason))"]
        : ["hold: \(hold.cause.words) (\(hold.reason)); \(way(past: plan, now))"]
    }
    var sentences =
      hold.acknowledged == nil
      ? ["hold: \(hold.cause.words); a person must acknowledge it"] : []
    if let ends = plan.cooldownEnds, now < ends {
      sentences.append("cooldown: \(ends.since(now).words) left")
    } else if let seen = hold.acknowledged {
      let end = plan.isDueForRelease(at: now) ? "released in a moment" : "acknowledge it to end it"
      sentences.append("hold: acknowledged by \(seen.name), \(end)")
    }
    return sentences
  }

  private static func way(past plan: Plan, _ now: Instant) -> String {
    let condition = "it ends with its condition"
    guard let from = plan.holdPassableFrom else { return condition }
    let who =
      plan.definition.requireEvidence
      ? "require_evidence: a person passes it only with force and a reason"
      : "a person passes it with a reason"
    return now < from
      ? "\(condition); \(who), in \(from.since(now).words)" : "\(condition); \(who)"
  }

  /// What a person's step passes with a warning, all but the schedule with a reason; `waitingOn`
  /// names the same.
  package static func warnings(_ plan: Plan, _ context: CommandContext) -> [String] {
    let isAutomatic = plan.definition.advance == .automatic && !plan.automaticAdvanceOff
    let schedule = isAutomatic ? scheduleGates(plan, context.civil) : []
    return plan.definition.requireEvidence
      ? schedule
      : schedule + passableHold(plan, context.now.steady) + context.health.warnings
  }

  /// What a person's step that was carried out passed over although it was not open.
  package static func passedOver(
    _ plan: Plan, _ context: CommandContext, isRestore: Bool = false
  ) -> [String] {
    let hold = passableHold(plan, context.now.steady)
    if isRestore { return hold + (context.force ? restoreGates(plan, context) : []) }
    let before = scheduleGates(plan, context.civil) + hold
    guard context.force else { return before + context.health.warnings }
    let soak = [soakGate(plan, context.now.steady, byPerson: true)].compactMap { $0 }
    return before + soak + context.health.firing + context.health.warnings
  }

  private static func passableHold(_ plan: Plan, _ now: Instant) -> [String] {
    guard plan.hold?.cause != .manual, let from = plan.holdPassableFrom, now >= from else {
      return []
    }
    return holdSentences(plan, now)
  }
}
