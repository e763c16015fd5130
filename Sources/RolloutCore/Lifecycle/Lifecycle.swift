import DocumentKit

/// The plan's state machine: command + plan + context → the next plan and its event, or a refusal.
/// Pure: no clock, no store, no network.
package enum Lifecycle {
  package struct Change: Sendable, Equatable {
    package var plan: Plan
    package var event: PlanEvent
  }

  /// The first version of a new plan.
  package static func create(_ definition: PlanDefinition, _ context: CommandContext) -> Change {
    let plan = Plan(definition, at: context.now)
    let event = PlanEvent(
      feature: plan.feature, version: 1, at: context.now.wall, kind: .applied, actor: context.actor,
      reason: context.reason, from: nil, to: .init(plan), evidence: nil)
    return Change(plan: plan, event: event)
  }

  /// nil when the command would change nothing: applying an identical plan makes no version.
  package static func perform(
    _ command: Command, on plan: Plan, _ context: CommandContext
  ) throws(Refusal) -> Change? {
    if context.force, context.reason.allSatisfy(\.isWhitespace) {
      throw .reasonRequired("A forced command needs a reason; it is recorded. Say why.")
    }
    var next = plan
    var evidence = context.evidence
    let kind: PlanEvent.Kind
    switch command {
    case .apply(let definition, let digest):
      guard !definition.isIdentical(to: plan.definition) else { return nil }
      evidence = try apply(definition, digest, to: &next, context) ?? evidence
      kind = .applied
    case .start:
      try require(plan, in: [.draft], "Only a draft can be started; \(hint(plan)).")
      try checkApprovals(plan, context)
      enter(0, &next, context.now)
      next.status = .active
      kind = .started
    case .advance(let expected):
      try advance(&next, to: expected, context)
      kind = .advanced
    case .rollback(let target):
      try rollBack(&next, to: target, context)
      kind = .rolledBack
    case .restore:
      try restore(&next, context)
      kind = .restored
    case .pause:
      try require(plan, in: [.active], "Only an active plan can be paused; \(hint(plan)).")
      next.status = .paused
      next.pausedAt = context.now.steady
      kind = .paused
    case .resume:
      try resume(&next, context)
      kind = .resumed
    case .acknowledge:
      try acknowledge(&next, context)
      kind = .acknowledged
    case .approve:
      try approve(&next, context)
      kind = .approved
    case .approveStage(let name):
      try approve(stage: name, &next, context)
      evidence = .object(["stage": .string(name)])
      kind = .approved
    case .approveFile(let digest):
      try approve(file: digest, &next, context)
      evidence = .object(["file": .string(digest)])
      kind = .approved
    case .kill:
      if !plan.bidsFarewell(at: context.now.steady) {
        try require(
          plan, in: [.active, .paused, .completed],
          "Only a plan that serves can be killed; \(hint(plan)).")
      }
      next.archived = nil
      next.status = .killed
      kind = .killed
    case .complete:
      try complete(&next, context)
      kind = .completed
    case .archive:
      try archive(&next, context)
      kind = .archived
    case .unarchive:
      try unarchive(&next)
      kind = .unarchived
    case .hold(let cause):
      guard plan.hold == nil, plan.status == .active || plan.status == .paused else { return nil }
      next.hold = .init(cause: cause, reason: context.reason, since: context.now)
      kind = .held
    case .release:
      guard release(&next, context.now.steady) else { return nil }
      kind = .released
    }
    next.version = plan.version.adding(1)
    next.updatedAt = context.now
    let event = PlanEvent(
      feature: plan.feature, version: next.version, at: context.now.wall, kind: kind,
      actor: context.actor, reason: context.reason, from: .init(plan), to: .init(next),
      evidence: evidence)
    return Change(plan: next, event: event)
  }

  static func require(
    _ plan: Plan, in allowed: [Plan.Status], _ message: String
  ) throws(Refusal) {
    guard allowed.contains(plan.status) else { throw .invalidTransition(message) }
  }

  static func hint(_ plan: Plan) -> String {
    "\(plan.feature) is \(plan.status.rawValue)"
      + (plan.status == .draft ? "" : " at stage \(plan.stageName)")
  }

  static func enter(_ index: Int, _ plan: inout Plan, _ now: Moment) {
    plan.stageIndex = index
    plan.stageEnteredAt = now
    plan.pausedBefore = .zero
    plan.pausedAt = plan.status == .paused ? now.steady : nil
    plan.approvals = []
    plan.fileApprovals = []
    settleIncident(&plan)
  }

  private static func resume(
    _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) {
    try require(
      plan, in: [.paused, .killed], "Only a paused or killed plan can be resumed; \(hint(plan)).")
    if plan.status == .killed {
      guard !context.reason.allSatisfy(\.isWhitespace) else {
        throw .reasonRequired("Resuming a killed plan needs a reason: say why it is safe now.")
      }
      enter(plan.stageIndex, &plan, context.now)
    }
    plan.pausedBefore = plan.timePaused(context.now.steady)
    plan.pausedAt = nil
    plan.status = .active
  }

  private static func complete(
    _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) {
    try require(plan, in: [.active], "Only an active plan can be completed; \(hint(plan)).")
    guard plan.nextStage == nil else {
      throw .invalidTransition(
        "\(plan.feature) is at stage \(plan.stageName); advance to "
          + "\(plan.definition.stages.last?.name ?? "the last stage") first.")
    }
    try passHold(plan, context)
    plan.hold = nil
    plan.status = .completed
  }
}
