extension Plan {
  /// The stage from which automation or an alert took a plan back, while a person may go there
  /// again in one step.
  package struct Incident: Sendable, Equatable {
    package var stage: String
    package var at: Moment
    /// Token names that approved going back there; they end with the stage being served.
    package var approvals: [String] = []

    package init(stage: String, at: Moment) {
      self.stage = stage
      self.at = at
    }
  }

  /// Where the stage before the incident stands; nil when there is none above the present one.
  var restoreIndex: Int? {
    guard let incident,
      let index = definition.stages.firstIndex(where: { $0.name == incident.stage })
    else { return nil }
    return index > stageIndex ? index : nil
  }

  /// The stage that a restore enters; nil when there is none.
  package var stageToRestore: Stage? { restoreIndex.map { definition.stages[$0] } }

  /// The most that a stage asks for on the way back.
  private var restoreNeeds: Int {
    guard let restoreIndex else { return 0 }
    return definition.stages[(stageIndex + 1)...restoreIndex].map(\.approvals).max() ?? 0
  }

  /// Who approved going back, and how many must; where that is one stage, who approved entering it
  /// did too.
  package var restoreApprovals: StepApprovals {
    var given = incident?.approvals ?? []
    if restoreIndex == stageIndex + 1 { given += approvals.filter { !given.contains($0) } }
    return StepApprovals(given: given, needed: restoreNeeds)
  }
}

/// Back to the stage before an incident, in one step: evidence earned before is not lost.
extension Lifecycle {
  static func restore(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    if plan.status == .paused {
      throw .invalidTransition("\(plan.feature) is paused; resume it first.")
    }
    try require(plan, in: [.active], "Only an active plan can be restored; \(advice(plan)).")
    guard context.actor.isPerson else {
      throw .invalidTransition("Only a person may restore \(plan.feature).")
    }
    guard let index = plan.restoreIndex else {
      throw .invalidTransition(
        "Nothing took \(plan.feature) back from a later stage that still stands as it did, so there "
          + "is nothing to restore; it is at stage \(plan.stageName).")
    }
    guard context.hasReason else {
      throw .reasonRequired("A restore needs a reason: say what was wrong, and why it is well now.")
    }
    try passHold(plan, context)
    let approvals = plan.restoreApprovals
    let approval = restoreApprovalGate(plan)
    if !context.force {
      let closed = restoreGates(plan, context)
      guard closed.isEmpty else { throw .gateClosed(waitingOn: closed + approval) }
    }
    guard approval.isEmpty else {
      throw .approvalNeededFromAnother("\(approval.joined(separator: "; ")).")
    }
    guard approvals.suffice(for: context.actor) else {
      throw .approvalNeededFromAnother(
        "Who approves may not be who restores: another person must approve or restore "
          + "\(plan.feature).")
    }
    enter(index, &plan, context.now)
    plan.hold = nil
    plan.automaticAdvanceOff = false
  }

  /// Approves entering the next stage by its name, or going back to the one before the incident.
  static func approve(
    stage name: String, _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) {
    if name == plan.stageToEnter?.name { return try approve(&plan, context) }
    guard name == plan.stageToRestore?.name, plan.status == .active || plan.status == .paused else {
      let ways = [plan.stageToEnter?.name, plan.stageToRestore?.name].compactMap { $0 }
      throw .invalidTransition(
        "No step leads from \(plan.stageName) to that stage; what can be approved: "
          + "\(ways.isEmpty ? "nothing" : ways.joined(separator: ", ")).")
    }
    let name = try approver(context)
    guard plan.incident?.approvals.contains(name) == false else {
      throw .invalidTransition("\(name) has already approved going back to it.")
    }
    plan.incident?.approvals.append(name)
  }

  /// Keeps the stage before an incident. One incident may take several steps: until somebody has
  /// seen the first, it stays the first one's.
  static func noteIncident(_ plan: inout Plan, from before: Plan, _ now: Moment) {
    let goesOn = before.hold?.needsAcknowledgement == true && before.hold?.acknowledged == nil
    if goesOn, plan.restoreIndex != nil { return }
    plan.incident = .init(stage: before.stageName, at: now)
  }

  /// Forgets the incident of a stage that is reached again, or that a file changed: whoever changes
  /// the way goes it stage by stage.
  static func settleIncident(_ plan: inout Plan, before: PlanDefinition? = nil) {
    plan.incident?.approvals = []
    guard let index = plan.restoreIndex else {
      plan.incident = nil
      return
    }
    guard let before else { return }
    let isSame = before.stages.prefix(index + 1) == plan.definition.stages.prefix(index + 1)
    if !isSame { plan.incident = nil }
  }

  /// What a restore waits for, hold and approvals apart.
  static func restoreGates(_ plan: Plan, _ context: CommandContext) -> [String] {
    guard plan.isServing else {
      return ["healthy evidence: nobody has the feature, so there is none"]
    }
    return context.health.recovery
  }

  private static func restoreApprovalGate(_ plan: Plan) -> [String] {
    guard let gate = plan.restoreApprovals.gate, let stage = plan.stageToRestore else { return [] }
    return ["\(gate) (rollout approve \(plan.feature) --to \(stage.name))"]
  }

  /// Everything that a restore waits for, for people to read.
  package static func restoreWaitsOn(_ plan: Plan, _ context: CommandContext) -> [String] {
    let hold = plan.hold?.cause == .manual ? [] : holdSentences(plan, context.now.steady)
    let pause = plan.status == .paused ? ["paused: resume it first"] : []
    return pause + hold + restoreGates(plan, context) + restoreApprovalGate(plan)
  }
}
