import DocumentKit

/// The one place where the monitor decides. Pure: the same assessment gives the same actions. `now`
/// is a place on the steady timeline.
package enum Judge {
  /// Without any traffic for so long a plan is held.
  package static let silenceMax = TimeSpan.hours(24)
  /// The investigate band holds, and tells, once in so long.
  private static let investigateEvery = TimeSpan.hours(24)

  /// At most one command, and the notices. `provider` is what is known of the one whose calls fail,
  /// `civil` the time as the plan's hours have it: without it a plan with hours waits.
  package static func decide(
    _ assessment: Assessment, provider: ProviderCondition = .none, now: Instant,
    civil: CivilClock? = nil
  ) -> [MonitorAction] {
    let plan = assessment.plan
    guard plan.isServing else { return [] }
    var actions: [MonitorAction] = []
    for (index, finding) in assessment.findings.enumerated()
    where finding.verdict.state == .firing {
      if plan.definition.dryRun || finding.rule.dryRun, finding.rule.action != .notify {
        let sentence =
          "Would have acted (\(finding.rule.action.rawValue)): \(finding.verdict.sentence)"
        actions.append(.notice(.dryRun, sentence: sentence, guard: index))
      } else if finding.rule.action == .notify {
        actions.append(.notice(.guard, sentence: finding.verdict.sentence, guard: index))
      }
    }
    if let command = command(assessment, provider, now, civil) { actions.append(command) }
    return actions
  }

  private static func command(
    _ assessment: Assessment, _ provider: ProviderCondition, _ now: Instant, _ civil: CivilClock?
  ) -> MonitorAction? {
    if let action = protect(assessment, provider) { return action }
    if let action = release(assessment, provider, now) { return action }
    let plan = assessment.plan
    guard plan.hold == nil, plan.status == .active || plan.status == .paused else { return nil }
    return investigate(assessment, now) ?? silence(assessment, now)
      ?? advance(assessment, now, civil)
  }

  private static func advance(
    _ assessment: Assessment, _ now: Instant, _ civil: CivilClock?
  ) -> MonitorAction? {
    let plan = assessment.plan
    guard plan.definition.advance == .automatic, plan.status == .active, plan.nextStage != nil,
      !plan.automaticAdvanceOff, assessment.gates.isOpen,
      Lifecycle.soakGate(plan, now, byPerson: false) == nil,
      Lifecycle.automationApprovalGate(plan) == nil, ScheduleStanding.isOpen(plan, civil)
    else { return nil }
    // A sentence that it has too little to judge by would contradict the evidence.
    let acting = assessment.findings.first {
      $0.rule.action != .notify && !$0.rule.dryRun && $0.verdict.state == .quiet
    }
    return .command(
      .advance(to: plan.nextStage?.name),
      reason: "soaked, and healthy by evidence."
        + (acting.map { " \($0.verdict.sentence)" } ?? ""), guard: nil)
  }

  /// Each firing guard is judged, and the strongest outcome wins: one that is undecided or held
  /// hides nobody.
  private static func protect(
    _ assessment: Assessment, _ provider: ProviderCondition
  ) -> MonitorAction? {
    let plan = assessment.plan
    var strongest: (strength: Int, action: MonitorAction)?
    for (index, finding) in assessment.findings.enumerated()
    where finding.verdict.state == .firing && finding.acts(in: plan) && finding.isCurrent {
      let reason = finding.verdict.sentence
      let outcome: (strength: Int, action: MonitorAction)?
      switch finding.rule.action {
      case .notify: outcome = nil
      case .pause:
        outcome =
          plan.status == .active
          ? (2, .command(.pause, reason: reason, guard: index)) : nil
      case .rollback:
        switch blame(finding, assessment, provider) {
        case .nobodyYet: outcome = nil
        case .feature:
          let isAsked =
            finding.rule.isAboutFailures && provider == .answers && plan.definition.attribution
          let reason = isAsked ? "\(reason) \(providerAnswers)" : reason
          let target = plan.definition.rollbackDestination.commandDestination(plan)
          outcome = (3, .command(.rollback(to: target), reason: reason, guard: index))
        case .others(let why):
          outcome =
            (plan.hold?.yieldsToOutage ?? true) && plan.status != .completed
            ? (
              1,
              .command(
                .hold(.outage), reason: "shared outage: \(why). \(reason)", guard: index)
            ) : nil
        }
      }
      if let outcome, outcome.strength > strongest?.strength ?? 0 { strongest = outcome }
    }
    return strongest?.action
  }

  private static let providerAnswers =
    "Its provider answers a neutral question: the trouble is the feature's own."

  private enum Blame {
    case feature
    case others(String)
    case nobodyYet
  }

  /// Whose fault a firing guard is. Of failing AI calls the provider is asked first: control that
  /// never calls it says nothing about it.
  private static func blame(
    _ finding: Finding, _ assessment: Assessment, _ provider: ProviderCondition
  ) -> Blame {
    guard assessment.plan.definition.attribution else { return .feature }
    if finding.rule.isAboutFailures {
      if let refuser = assessment.refuser {
        return .others("provider \(refuser) refuses our key")
      }
      // Throttling is never an outage, whatever it was before: fewer users are its cure.
      if assessment.isThrottled { return .feature }
      switch provider {
      case .none: break
      case .asking: return .nobodyYet
      case .answers: return .feature
      case .witnessed(let others):
        return .others("\(others.joined(separator: ", ")) began to fail on the same provider too")
      case .silent(let target):
        return .others("provider \(target) does not answer a neutral question either")
      }
    }
    switch finding.attribution {
    case .treatment: return .feature
    case .sharedOutage:
      let arms = finding.verdict.arms.map { ": \($0)" } ?? ""
      return .others("users without the feature are over the limit too\(arms)")
    // What it is held for is rolled back by evidence only; nothing else is excused by the hold.
    case .unopposed:
      let isExcused = assessment.plan.hold?.cause == .outage && finding.isHeldFor
      return isExcused ? .nobodyYet : .feature
    }
  }

  /// Why a hold ends that somebody has acknowledged.
  package static func releaseReason(_ plan: Plan) -> String {
    "acknowledged by \(plan.hold?.acknowledged?.name ?? "a person"), and the cooldown is over"
  }

  /// Holds that end with their condition.
  private static func release(
    _ assessment: Assessment, _ provider: ProviderCondition, _ now: Instant
  ) -> MonitorAction? {
    let states = assessment.findings.map(\.verdict.state)
    let isFailing = states.contains(.firing) || states.contains(.pending)
    switch assessment.plan.hold?.cause {
    case .outage where !isFailing && isWell(assessment):
      if case .silent = provider { return nil }
      return .command(.release, reason: "the outage is over", guard: nil)
    case .investigate where !states.contains(.investigate) && !isFailing:
      let isWatched = assessment.plan.definition.guards.contains { $0.investigate != nil }
      let reason =
        isWatched
        ? "well below the investigate limit again" : "no guard has an investigate limit any more"
      return .command(.release, reason: reason, guard: nil)
    case .noTraffic where !isSilent(assessment, now):
      return .command(.release, reason: "there is traffic again", guard: nil)
    default: return nil
    }
  }

  /// Whether what an outage holds the plan for is seen to be well since. Guards that have met
  /// with nothing are no evidence of it.
  private static func isWell(_ assessment: Assessment) -> Bool {
    let heldFor = assessment.findings.filter(\.isHeldFor)
    let seen = (heldFor.isEmpty ? assessment.findings : heldFor).compactMap(\.isWell)
    return !seen.isEmpty && seen.allSatisfy { $0 }
  }

  private static func investigate(_ assessment: Assessment, _ now: Instant) -> MonitorAction? {
    let found = assessment.findings.enumerated().first {
      $0.element.verdict.state == .investigate && !$0.element.rule.dryRun
    }
    guard let found, !assessment.plan.definition.dryRun else { return nil }
    // Once a day at most: until then the gate alone stops automation.
    if let last = assessment.investigatedAt, now.since(last) < investigateEvery { return nil }
    return .command(
      .hold(.investigate), reason: found.element.verdict.sentence, guard: found.offset)
  }

  private static func silence(_ assessment: Assessment, _ now: Instant) -> MonitorAction? {
    guard isSilent(assessment, now) else { return nil }
    return .command(
      .hold(.noTraffic), reason: "no traffic for \(silenceMax.words); nobody can tell how it does",
      guard: nil)
  }

  private static func isSilent(_ assessment: Assessment, _ now: Instant) -> Bool {
    guard let entered = assessment.plan.stageEnteredAt?.steady else { return false }
    return now.since(max(entered, assessment.lastTrafficAt ?? entered)) >= silenceMax
  }
}
