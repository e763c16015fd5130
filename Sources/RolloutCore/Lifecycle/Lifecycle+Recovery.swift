import DocumentKit
import RolloutEvaluation

/// What can be done when a disk or a stored plan is in a bad way.
extension Lifecycle {
  /// A person's new definition in place of a stored plan that cannot be read. It is no way around
  /// what the newest readable definition asks for, and nobody can approve a file for what cannot be
  /// read.
  package static func replace(
    _ unreadable: UnreadablePlan, with definition: PlanDefinition, _ context: CommandContext
  ) throws(Refusal) -> Change {
    let plan = unreadable.replaced(by: definition, at: context.now)
    let needed = AudienceChange(
      unreadable.placeholder(at: context.now), to: definition, index: plan.stageIndex
    ).approvals
    guard needed == 0 else {
      throw .approvalNeededFromAnother(
        "This file reaches people, or lowers approvals, that \(plan.feature) as it last could be "
          + "read leaves to \(needed + 1) people. Kill it, which makes that definition count again; "
          + "then others approve the file: rollout approve \(plan.feature) -f FILE.")
    }
    return change(unreadable, to: plan, .applied, context)
  }

  /// Only a kill can be carried out on what cannot be read: it makes the newest readable definition
  /// count again, killed.
  package static func perform(
    _ command: Command, onUnreadable unreadable: UnreadablePlan, _ context: CommandContext
  ) throws(Refusal) -> Change {
    guard command == .kill else {
      throw .invalidTransition(
        "The stored plan of \(unreadable.feature) cannot be read (\(unreadable.why)); apply it anew "
          + "with If-Match \"\(unreadable.version)\", or kill it.")
    }
    var plan = unreadable.placeholder(at: context.now)
    plan.version = unreadable.version.adding(1)
    plan.updatedAt = context.now
    return change(unreadable, to: plan, .killed, context)
  }

  private static func change(
    _ unreadable: UnreadablePlan, to plan: Plan, _ kind: PlanEvent.Kind, _ context: CommandContext
  ) -> Change {
    Change(
      plan: plan,
      event: PlanEvent(
        feature: plan.feature, version: plan.version, at: context.now.wall, kind: kind,
        actor: context.actor, reason: context.reason,
        from: .init(stage: unreadable.stage, status: unreadable.status), to: .init(plan),
        evidence: nil))
  }
}

extension Lifecycle.Change {
  /// Whether it takes the feature from people or keeps it from more, and gives it to nobody who
  /// does not have it: then it need not wait for a disk.
  package func lowersExposure(from before: Plan) -> Bool {
    switch event.kind {
    case .killed, .rolledBack, .paused, .held, .archived, .applied: break
    case .started, .advanced, .resumed, .released, .acknowledged, .approved, .completed,
      .unarchived, .restored:
      return false
    }
    if event.kind != .applied {
      guard plan.isServing else { return true }
      guard before.isServing else { return false }
    }
    // A completed plan serves its holdout too; another salt or bucketing draws everybody anew.
    guard plan.status != .completed || before.status == .completed,
      plan.definition.population.drawsAlike(before.definition.population)
    else { return false }
    return !AudienceChange(before, to: plan.definition, index: plan.stageIndex).widens
  }
}
