import DocumentKit
import RolloutEvaluation

/// Who approved a step, and how many people must.
package struct StepApprovals: Sendable, Equatable {
  /// Token names.
  package var given: [String]
  package var needed: Int

  /// Whether enough people approved who are not `actor`.
  func suffice(for actor: Actor) -> Bool {
    needed == 0 || given.filter { .token($0) != actor }.count >= needed
  }

  /// Those whose own approval is needed, so that another must take the step.
  package var barred: [String] { given.filter { !suffice(for: .token($0)) } }

  /// What is missing, for people; nil when nothing is.
  var gate: String? {
    guard given.count < needed else { return nil }
    let missing = needed - given.count
    return "approval: \(missing) more \(missing == 1 ? "person" : "people") must approve"
  }
}

/// Files, and what two people must agree on.
extension Lifecycle {
  /// Approvals of files kept at most; more are a mistake.
  package static let fileApprovalsMax = 20

  /// Replaces the definition. A plan that is held takes only what narrows it, and what needs
  /// approvals only with them: a file is no way around a command. Returns who approved it, for the
  /// history; nil when nobody had to.
  static func apply(
    _ definition: PlanDefinition, _ digest: String, to plan: inout Plan,
    _ context: CommandContext
  ) throws(Refusal) -> Document? {
    guard definition.feature == plan.feature else {
      throw .invalidTransition("The file is for \(definition.feature), not \(plan.feature).")
    }
    try require(
      plan, in: [.draft, .active, .paused, .completed, .killed],
      "An archived plan cannot change; make a new feature.")
    let index = try stageIndex(of: plan, in: definition)
    let foreseen = context.audience.flatMap { $0.planVersion == plan.version ? $0 : nil }
    let change = foreseen ?? AudienceChange(plan, to: definition, index: index)
    if change.widens, let hold = plan.hold, hold.needsAcknowledgement {
      throw .held(hold, waitingOn: holdSentences(plan, context.now.steady))
    }
    let others = approvers(of: digest, plan).filter { .token($0) != context.actor }
    guard others.count >= change.approvals else {
      throw .approvalNeededFromAnother(
        "This file needs the approval of \(change.approvals) "
          + "\(change.approvals == 1 ? "person" : "people") other than you, and has "
          + "\(others.count): it reaches people, or lowers approvals, that the plan does not leave "
          + "to one. They approve with: rollout approve \(plan.feature) -f FILE.")
    }
    let before = plan.definition
    plan.stageIndex = index
    plan.definition = definition
    plan.appliedBy = context.actor.tokenName
    plan.approvals = []
    plan.fileApprovals = []
    keepCooldown(&plan, of: before)
    settleIncident(&plan, before: before)
    guard change.approvals > 0 else { return nil }
    return .object([
      "file": .string(digest), "approved_by": .array(others.map { .string($0) }),
    ])
  }

  /// Where the stage being served stands in another definition of the plan.
  package static func stageIndex(
    of plan: Plan, in definition: PlanDefinition
  ) throws(Refusal) -> Int {
    guard plan.status != .draft else { return plan.stageIndex }
    let (old, new) = (plan.definition.population, definition.population)
    guard ExactText(new.salt) == ExactText(old.salt) else {
      throw .invalidTransition(
        "The salt is fixed once a plan has started, or every user would be drawn anew; "
          + "keep salt: \(old.salt).")
    }
    guard new.bucketing == old.bucketing else {
      throw .invalidTransition(
        "The bucketing is fixed once a plan has started, or every user would be drawn anew; "
          + "keep bucketing: \(old.bucketing.rawValue).")
    }
    guard plan.stageIndex >= 0 else { return plan.stageIndex }
    guard let index = definition.stages.firstIndex(where: { $0.name == plan.stageName }) else {
      throw .invalidTransition("Stage \(plan.stageName) is being served and must stay in the plan.")
    }
    return index
  }

  /// Names of the tokens that approved a file.
  package static func approvers(of digest: String, _ plan: Plan) -> [String] {
    plan.fileApprovals.filter { $0.digest == digest }.map(\.name)
  }

  /// Of entering the next stage.
  package static func nextApprovals(_ plan: Plan) -> StepApprovals {
    StepApprovals(given: plan.approvals, needed: plan.stageToEnter?.approvals ?? 0)
  }

  /// What is missing for an advance by itself. Who lets a plan advance by itself is who advances
  /// it: their own approval does not count.
  package static func automationApprovalGate(_ plan: Plan) -> String? {
    let approvals = nextApprovals(plan)
    if let gate = approvals.gate { return gate }
    guard let applier = plan.appliedBy, !approvals.suffice(for: .token(applier)) else { return nil }
    return "approval: \(applier) applied the file by which the plan advances by itself, so another "
      + "person must approve, or advance it"
  }

  /// Whether enough people approved entering the next stage, and others than the one who enters it.
  static func checkApprovals(_ plan: Plan, _ context: CommandContext) throws(Refusal) {
    if let gate = approvalGate(plan) {
      throw .approvalNeededFromAnother(
        "\(gate). Another person does it with: rollout approve \(plan.feature).")
    }
    if context.actor == .monitor, let gate = automationApprovalGate(plan) {
      throw .approvalNeededFromAnother(gate)
    }
    guard nextApprovals(plan).suffice(for: context.actor) else {
      throw .approvalNeededFromAnother(
        "Who approves may not be who advances: another person must approve or advance "
          + "\(plan.feature).")
    }
  }

  static func approve(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    try require(
      plan, in: [.draft, .active, .paused],
      "Only a draft or a running plan can be approved; "
        + "\(advice(plan)).")
    guard let stage = plan.stageToEnter else {
      throw .invalidTransition("\(plan.feature) is at its last stage; there is nothing to approve.")
    }
    let name = try approver(context)
    guard !plan.approvals.contains(name) else {
      throw .invalidTransition("\(name) has already approved entering \(stage.name).")
    }
    plan.approvals.append(name)
  }

  static func approve(
    file digest: String, _ plan: inout Plan, _ context: CommandContext
  ) throws(Refusal) {
    try require(
      plan, in: [.draft, .active, .paused, .completed, .killed],
      "An archived plan cannot change, so no file for it can be approved.")
    let name = try approver(context)
    guard !approvers(of: digest, plan).contains(name) else {
      throw .invalidTransition("\(name) has already approved this file.")
    }
    guard plan.fileApprovals.count < fileApprovalsMax else {
      throw .invalidTransition(
        "\(fileApprovalsMax) approvals of files wait already; apply one of them first.")
    }
    plan.fileApprovals.append(.init(digest: digest, name: name))
  }

  static func approver(_ context: CommandContext) throws(Refusal) -> String {
    guard case .token(let name) = context.actor else {
      throw .approvalNeededFromAnother("An approval must come from a person with a token.")
    }
    return name
  }
}

extension Plan {
  /// The plan as it counts: whose token was revoked has not approved anything.
  package func counting(approvalsOf isTrusted: (_ name: String) -> Bool) -> Plan {
    var plan = self
    plan.approvals.removeAll { !isTrusted($0) }
    plan.fileApprovals.removeAll { !isTrusted($0.name) }
    plan.incident?.approvals.removeAll { !isTrusted($0) }
    return plan
  }
}
