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
    var plan = Plan(definition, at: context.now)
    plan.appliedBy = context.actor.tokenName
    let event = PlanEvent(
      feature: plan.feature, version: 1, at: context.now.wall, kind: .applied, actor: context.actor,
      reason: context.reason, from: nil, to: .init(plan), evidence: nil)
    return Change(plan: plan, event: event)
  }

  /// nil when the command would change nothing: applying an identical plan makes no version.
  package static func perform(
    _ command: Command, on plan: Plan, _ context: CommandContext
  ) throws(Refusal) -> Change? {
    if context.force, !context.hasReason {
      throw .reasonRequired("A forced command needs a reason; it is recorded. Say why.")
    }
    var next = plan
    guard let done = try transition(command, &next, context) else { return nil }
    next.version = plan.version.adding(1)
    next.updatedAt = context.now
    let event = PlanEvent(
      feature: plan.feature, version: next.version, at: context.now.wall, kind: done.kind,
      actor: context.actor, reason: context.reason, from: .init(plan), to: .init(next),
      evidence: done.evidence ?? context.evidence)
    return Change(plan: next, event: event)
  }

  /// Changes the plan as the command says; nil where nothing changes.
  private static func transition(
    _ command: Command, _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) -> (kind: PlanEvent.Kind, evidence: Document?)? {
    switch command {
    case .apply(let definition, let digest):
      guard !definition.isIdentical(to: plan.definition) else { return nil }
      return (.applied, try apply(definition, digest, to: &plan, context))
    case .approve, .approveStage, .approveFile:
      return (.approved, try approval(command, &plan, context))
    case .hold(let cause):
      let isFree = plan.hold.map { $0.yieldsToOutage && cause == .outage } ?? true
      guard isFree, plan.status == .active || plan.status == .paused else { return nil }
      plan.hold = .init(cause: cause, reason: context.reason, since: context.now)
      return (.held, nil)
    case .release: return release(&plan, context.now.steady) ? (.released, nil) : nil
    default: return (try move(command, &plan, context), nil)
    }
  }

  /// Where a command leads that moves the plan.
  private static func move(
    _ command: Command, _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) -> PlanEvent.Kind {
    switch command {
    case .start:
      try start(&plan, context)
      return .started
    case .advance(let expected):
      try advance(&plan, to: expected, context)
      return .advanced
    case .rollback(let target):
      try rollBack(&plan, to: target, context)
      return .rolledBack
    case .restore:
      try restore(&plan, context)
      return .restored
    case .pause:
      try pause(&plan, context)
      return .paused
    case .resume:
      try resume(&plan, context)
      return .resumed
    case .acknowledge:
      try acknowledge(&plan, context)
      return .acknowledged
    case .kill:
      try kill(&plan, context)
      return .killed
    case .complete:
      try complete(&plan, context)
      return .completed
    case .archive:
      try archive(&plan, context)
      return .archived
    case .unarchive:
      try unarchive(&plan)
      return .unarchived
    case .apply, .approve, .approveStage, .approveFile, .hold, .release:
      throw .invalidTransition("That does not move a plan.")
    }
  }

  /// An approval, and what it is for where that is not the next stage.
  private static func approval(
    _ command: Command, _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) -> Document? {
    switch command {
    case .approveStage(let name):
      try approve(stage: name, &plan, context)
      return .object(["stage": .string(name)])
    case .approveFile(let digest):
      try approve(file: digest, &plan, context)
      return .object(["file": .string(digest)])
    default:
      try approve(&plan, context)
      return nil
    }
  }

  private static func start(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    try require(plan, in: [.draft], "Only a draft can be started; \(advice(plan)).")
    try checkApprovals(plan, context)
    enter(0, &plan, context.now)
    plan.status = .active
  }

  private static func pause(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    let standing = plan.status == .paused ? hint(plan) : advice(plan)
    try require(plan, in: [.active], "Only an active plan can be paused; \(standing).")
    plan.status = .paused
    plan.pausedAt = context.now.steady
  }

  private static func kill(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    if !plan.bidsFarewell(at: context.now.steady) {
      try require(
        plan, in: [.active, .paused, .completed],
        "Only a plan that serves can be killed; \(hint(plan)), and nobody has it.")
    }
    plan.archived = nil
    plan.status = .killed
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

  /// How a plan stands and what to do first: `dr is draft: start it (rollout start dr)`.
  static func advice(_ plan: Plan) -> String {
    let way: (words: String, line: String)
    switch plan.status {
    case .draft: way = ("start it", "start \(plan.feature)")
    case .active where plan.nextStage == nil: way = ("complete it", "complete \(plan.feature)")
    case .active: way = ("advance it", "advance \(plan.feature)")
    case .paused: way = ("resume it first", "resume \(plan.feature)")
    case .killed: way = ("resume it first", "resume \(plan.feature) --reason TEXT")
    case .completed: way = ("it only goes back from there", "rollback \(plan.feature)")
    case .archived: way = ("bring it back first", "unarchive \(plan.feature)")
    }
    return "\(hint(plan)): \(way.words) (rollout \(way.line))"
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
      plan, in: [.paused, .killed],
      "Only a paused or killed plan can be resumed; \(advice(plan)).")
    if plan.status == .killed {
      guard context.hasReason else {
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
    try require(plan, in: [.active], "Only an active plan can be completed; \(advice(plan)).")
    guard plan.nextStage == nil else {
      throw .invalidTransition(
        "\(plan.feature) is at stage \(plan.stageName); advance to "
          + "\(plan.definition.stages.last?.name ?? "the last stage") first.")
    }
    try passHold(plan, context)
    guard context.force || context.health.firing.isEmpty else {
      throw .gateClosed(waitingOn: context.health.firing)
    }
    plan.hold = nil
    plan.status = .completed
  }
}
