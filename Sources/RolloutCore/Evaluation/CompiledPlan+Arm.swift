package import RolloutEvaluation

extension CompiledPlan {
  /// Which arm an outcome belongs to, and whether the user's bucket put it there.
  package struct Membership: Sendable, Equatable {
    package var arm: Outcome.Arm
    /// Only drawn users are compared between the arms: who is on a list is unlike the others.
    package var isDrawn: Bool

    package init(arm: Outcome.Arm, isDrawn: Bool) {
      self.arm = arm
      self.isDrawn = isDrawn
    }
  }

  /// The arm of a user as far as it can be told. Where a rule looks at an attribute that was not
  /// sent, and no list, cohort or bucket decides anyway, it cannot: `unknown`. Without a user the
  /// feature itself is assumed, since that is what is being watched.
  package func membership(user: Span<UInt8>?, attributes: Attributes) -> Membership {
    guard user != nil, let decision = try? evaluator.decide(user: user, attributes: attributes)
    else {
      return Membership(arm: .treatment, isDrawn: false)
    }
    let isDrawn =
      switch decision.cause {
      case .bucketInside, .heldOut, .everyone: true
      case .inNoStage: plan.definition.stages.contains { $0.audience.percent != nil }
      default: false
      }
    let known = Membership(arm: decision.enabled ? .treatment : .control, isDrawn: isDrawn)
    switch decision.cause {
    case .notServing, .forcedOff, .forcedOn, .heldOut: return known
    case .notEligible:
      return isMissing(plan.definition.population.eligible ?? [], attributes)
        ? Membership(arm: .unknown, isDrawn: false) : known
    case .matchedRule, .member, .bucketInside, .everyone, .inNoStage:
      // Inside already: a rule of an open stage could not take it away.
      guard !decision.enabled, plan.stageIndex >= 0 else { return known }
      let open = plan.definition.stages.prefix(plan.stageIndex + 1).flatMap(\.audience.rules)
      return isMissing(open, attributes) ? Membership(arm: .unknown, isDrawn: false) : known
    }
  }

  private func isMissing(_ rules: [Rule], _ attributes: Attributes) -> Bool {
    rules.contains { $0.names.contains { attributes.index(of: $0) == nil } }
  }

  /// The attributes that the rules of open stages ask for: what an outcome must carry.
  package var attributesAsked: [String] {
    let open = plan.definition.stages.prefix(max(0, plan.stageIndex + 1)).flatMap(\.audience.rules)
    return Set(((plan.definition.population.eligible ?? []) + open).flatMap(\.names)).sorted()
  }
}
