/// What can be done when a disk or a stored plan is in a bad way.
extension Lifecycle {
  /// A person's new definition in place of a stored plan that cannot be read.
  package static func replace(
    _ unreadable: UnreadablePlan, with definition: PlanDefinition, _ context: CommandContext
  ) -> Change {
    change(unreadable, to: unreadable.replaced(by: definition, at: context.now), .applied, context)
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
    plan.version = unreadable.version + 1
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
    guard plan.isServing else { return true }
    guard before.isServing, plan.stageIndex <= before.stageIndex else { return false }
    // A completed plan serves its holdout too.
    guard plan.status != .completed || before.status == .completed else { return false }
    return plan.definition.serves(noMoreThan: before.definition, upTo: plan.stageIndex)
  }
}

extension PlanDefinition {
  /// Whether everybody who has the feature by this definition at a stage has it by `other` too.
  /// False where that cannot be seen.
  fileprivate func serves(noMoreThan other: PlanDefinition, upTo stage: Int) -> Bool {
    func exact(_ users: [String]) -> Set<ExactText> { Set(users.map(ExactText.init)) }
    func extents(_ rules: [Rule]?) -> [RuleExtent]? { rules?.map(RuleExtent.init) }
    guard salt == other.salt, valueOff.hasSameValue(as: other.valueOff),
      other.eligible == nil || extents(eligible) == extents(other.eligible),
      exact(other.forceOn).isSuperset(of: exact(forceOn)),
      exact(forceOff).isSuperset(of: exact(other.forceOff)),
      holdout >= other.holdout, stages.count > stage, other.stages.count > stage
    else { return false }
    return (0...max(0, stage)).allSatisfy { index in
      let (new, old) = (stages[index], other.stages[index])
      let known = old.rules.map(RuleExtent.init)
      return new.rules.allSatisfy { known.contains(RuleExtent($0)) }
        && (new.cohort == nil || new.cohort == old.cohort)
        && (new.percent ?? .none) <= (old.percent ?? .none)
    }
  }
}
