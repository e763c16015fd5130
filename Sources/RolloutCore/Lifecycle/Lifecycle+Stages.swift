extension Lifecycle {
  /// One stage further: refused by a hold, then by gates (unless forced), then by approvals.
  static func advance(
    _ plan: inout Plan, to expected: String?, _ context: CommandContext
  ) throws(Refusal) {
    if plan.status == .paused {
      throw .invalidTransition("\(plan.feature) is paused; resume it first.")
    }
    try require(plan, in: [.active], "Only an active plan can advance; \(advice(plan)).")
    guard let stage = plan.nextStage else {
      throw .invalidTransition("\(plan.feature) is at its last stage; complete it instead.")
    }
    if let expected, expected != stage.name { throw .unexpectedStage(next: stage.name) }
    try passHold(plan, context)
    if !context.actor.isPerson {
      guard plan.definition.advance == .automatic, !plan.automaticAdvanceOff else {
        throw .invalidTransition("Only a person may advance \(plan.feature).")
      }
    }
    if !context.force {
      let closed = gates(plan, context)
      let approval = [approvalGate(plan)].compactMap { $0 }
      guard closed.isEmpty else { throw .gateClosed(waitingOn: closed + approval) }
      let unproven = context.health.warnings
      guard unproven.isEmpty || context.hasReason else {
        throw .reasonAwaited(waitingOn: unproven + approval)
      }
    }
    try checkApprovals(plan, context)
    enter(plan.stageIndex + 1, &plan, context.now)
    plan.hold = nil
    // A person takes it into their hands: automation may go on from there.
    if context.actor.isPerson { plan.automaticAdvanceOff = false }
  }

  /// Down to an earlier stage or off. Automation and alerts leave a hold that a person must
  /// acknowledge; a person's rollback leaves a `manual` one, which their advance clears.
  static func rollBack(
    _ plan: inout Plan, to target: String?, _ context: CommandContext
  ) throws(Refusal) {
    try require(
      plan, in: [.active, .paused, .completed],
      "Only a plan that serves can be rolled back; \(advice(plan)).")
    let index = try rollbackIndex(plan, target)
    let before = plan
    enter(index, &plan, context.now)
    if plan.status == .completed { plan.status = .active }
    if !context.actor.isPerson { noteIncident(&plan, from: before, context.now) }
    switch context.actor {
    case .monitor:
      plan.hold = .init(cause: .rollback, reason: context.reason, since: context.now)
      plan.recentRollbacks =
        plan.recentRollbacks.filter { context.now.steady.since($0) < .hours(24) }
        + [context.now.steady]
      if plan.recentRollbacks.count >= 2 { plan.automaticAdvanceOff = true }
    case .alert, .server, .unknown:
      plan.hold = .init(cause: .alert, reason: context.reason, since: context.now)
    case .token, .anonymous:
      // A person's rollback never weakens a hold that waits for acknowledgement.
      if plan.hold?.needsAcknowledgement != true {
        plan.hold = .init(cause: .manual, reason: context.reason, since: context.now)
        plan.incident = nil
      }
    }
  }

  private static func rollbackIndex(_ plan: Plan, _ target: String?) throws(Refusal) -> Int {
    guard plan.stageIndex >= 0 else {
      throw .invalidTransition("\(plan.feature) is already off.")
    }
    guard let target else { return plan.stageIndex - 1 }
    if target == "off" { return -1 }
    let earlier = plan.definition.stages.prefix(plan.stageIndex).map(\.name)
    guard let index = earlier.firstIndex(of: target) else {
      throw .invalidTransition(
        "\(quotedName(target)) is not before stage \(plan.stageName); roll back to "
          + (earlier.isEmpty ? "off." : "one of off, \(earlier.joined(separator: ", "))."))
    }
    return index
  }

  private static func quotedName(_ text: String) -> String { isName(text) ? text : "That stage" }

  /// What an advance of this actor waits for, hold and approvals apart. A person who says why
  /// passes missing evidence, unless the plan requires it.
  static func gates(_ plan: Plan, _ context: CommandContext) -> [String] {
    let isPerson = context.actor.isPerson
    let soak = [soakGate(plan, context.now.steady, byPerson: isPerson)].compactMap { $0 }
    let health = context.health
    let needsEvidence = plan.definition.requireEvidence || !context.actor.isPerson
    let schedule = isPerson ? [] : scheduleGates(plan, context.civil)
    return needsEvidence
      ? soak + schedule + health.freshness + health.firing + health.unsettled + health.unproven
        + health.capacity
      : soak + health.firing
  }

  /// `now` is a place on the steady timeline, as in all that follows.
  static func soakGate(_ plan: Plan, _ now: Instant, byPerson: Bool) -> String? {
    guard plan.definition.stages.indices.contains(plan.stageIndex),
      let entered = plan.stageEnteredAt
    else { return nil }
    let unstated = byPerson ? TimeSpan.zero : Stage.automaticSoak
    let soak = plan.definition.stages[plan.stageIndex].soak ?? unstated
    // Time spent paused is no soaking.
    let ends = entered.steady + soak + plan.timePaused(now)
    return now < ends ? "soak: \(ends.since(now).words) left" : nil
  }

  static func approvalGate(_ plan: Plan) -> String? { nextApprovals(plan).gate }

  /// Everything the next advance or completion waits for, for people to read.
  package static func waitingOn(_ plan: Plan, _ context: CommandContext) -> [String] {
    if plan.status == .draft { return [approvalGate(plan)].compactMap { $0 } }
    guard plan.status == .active else { return [] }
    let health = context.health
    var sentences = plan.hold?.cause == .manual ? [] : holdSentences(plan, context.now.steady)
    // A completion waits for nothing else.
    guard plan.nextStage != nil else { return sentences + health.firing }
    let isManual = plan.definition.advance == .manual || plan.automaticAdvanceOff
    if let soak = soakGate(plan, context.now.steady, byPerson: isManual) { sentences.append(soak) }
    // Nobody but automation waits for it.
    if !isManual { sentences += scheduleGates(plan, context.civil) }
    if plan.automaticAdvanceOff, plan.definition.advance == .automatic {
      sentences.append(
        "automatic advance: off after two rollbacks in a day; a person's advance turns it on")
    }
    sentences += health.freshness + health.firing + health.unsettled + health.unproven
    sentences += health.capacity
    if let gate = isManual ? approvalGate(plan) : automationApprovalGate(plan) {
      sentences.append(gate)
    }
    return sentences
  }
}
