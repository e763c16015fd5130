package import DocumentKit

/// What the monitor does about what it found. Values, so that a test compares them and only the
/// shell performs them.
package enum MonitorAction: Sendable, Equatable {
  case command(Command, reason: String, guard: Int?)
  /// Told to people; changes nothing.
  case notice(Notice.Kind, sentence: String, guard: Int?)
}

/// Something people should hear of that is no change of a plan.
package struct Notice: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The overall verdict of a feature changed.
    case verdict
    /// A guard with `action: notify` fires.
    case `guard`
    /// A guard in dry run would have acted.
    case dryRun = "dry_run"
    /// The monitor wanted to act, and somebody else was faster.
    case overtaken
    /// A budget passed one of its marks.
    case budget
  }

  package var feature: String
  package var planVersion: Int
  package var at: Instant
  package var kind: Kind
  package var sentence: String
  package var evidence: Document?

  package init(
    feature: String, planVersion: Int, at: Instant, kind: Kind, sentence: String,
    evidence: Document?
  ) {
    self.feature = feature
    self.planVersion = planVersion
    self.at = at
    self.kind = kind
    self.sentence = sentence
    self.evidence = evidence
  }
}

/// How one feature does, at one moment.
package struct Assessment: Sendable {
  /// The verdict over all guards, in one word.
  package enum Word: String, Sendable {
    case notServing = "not_serving"
    case failing, pending, investigate, inconclusive, healthy
  }

  package var plan: Plan
  package var findings: [Finding]
  package var gates: HealthGates
  package var word: Word
  package var sentence: String
  package var lastTrafficAt: Instant?

  /// Whether this feature's users meet with errors now; what makes a provider suspicious.
  package var isFailing: Bool {
    findings.contains {
      $0.rule.metric == .errorRate
        && ($0.verdict.state == .firing || $0.verdict.state == .pending)
    }
  }
}

extension FeatureHealth {
  /// Judges everything at `now`.
  package mutating func assessment(now: Instant) -> Assessment {
    let findings = assess(now: now)
    let gates = gates(findings, now: now)
    let (word, sentence) = overall(findings)
    return Assessment(
      plan: plan, findings: findings, gates: gates, word: word, sentence: sentence,
      lastTrafficAt: lastTrafficAt)
  }

  private func overall(_ findings: [Finding]) -> (Assessment.Word, String) {
    guard plan.isServing else {
      return (.notServing, "\(plan.feature) serves nobody, so there is nothing to judge.")
    }
    func first(_ states: Detector.State...) -> String? {
      findings.first { states.contains($0.verdict.state) }?.verdict.sentence
    }
    if let sentence = first(.firing) { return (.failing, sentence) }
    if let sentence = first(.pending) { return (.pending, sentence) }
    if let sentence = first(.investigate) { return (.investigate, sentence) }
    if findings.isEmpty { return (.inconclusive, "No guard watches this plan.") }
    if let sentence = first(.inconclusive, .unavailable) { return (.inconclusive, sentence) }
    return (.healthy, "All guards are quiet at stage \(plan.stageName).")
  }
}

/// The one place where the monitor decides. Pure: the same assessment gives the same actions. `now`
/// is a place on the steady timeline.
package enum Judge {
  /// Without any traffic for so long a plan is held.
  package static let silenceMax = TimeSpan.hours(24)

  /// At most one command, and the notices. `sharedWith` names other features that fail on the same
  /// provider now, for plans without control traffic.
  package static func decide(
    _ assessment: Assessment, sharedWith: [String], now: Instant
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
    if let command = command(assessment, sharedWith, now) { actions.append(command) }
    return actions
  }

  private static func command(
    _ assessment: Assessment, _ sharedWith: [String], _ now: Instant
  ) -> MonitorAction? {
    let plan = assessment.plan
    if let action = firingAction(assessment, sharedWith) { return action }
    if plan.hold != nil { return release(assessment, now) }
    guard plan.status == .active || plan.status == .paused else { return nil }
    if let action = investigate(assessment) { return action }
    if let action = silence(assessment, now) { return action }
    guard plan.definition.advance == .automatic, plan.status == .active, plan.nextStage != nil,
      !plan.automaticAdvanceOff, assessment.gates.isOpen,
      Lifecycle.soakGate(plan, now) == nil, Lifecycle.approvalGate(plan) == nil
    else { return nil }
    let acting = assessment.findings.first { $0.rule.action != .notify && !$0.rule.dryRun }
    return .command(
      .advance(to: plan.nextStage?.name),
      reason: "soaked, and healthy by evidence. \(acting?.verdict.sentence ?? "")", guard: nil)
  }

  /// The guard that reduces exposure most decides.
  private static func firingAction(
    _ assessment: Assessment, _ sharedWith: [String]
  ) -> MonitorAction? {
    let plan = assessment.plan
    let acting = assessment.findings.enumerated().filter { item in
      item.element.verdict.state == .firing && item.element.rule.action != .notify
        && !item.element.rule.dryRun && !plan.definition.dryRun
    }
    if let (index, finding) = acting.first(where: { $0.element.rule.action == .rollback }) {
      return rollback(plan, finding, index, sharedWith)
    }
    guard let (index, finding) = acting.first, plan.status == .active else { return nil }
    return .command(.pause, reason: finding.verdict.sentence, guard: index)
  }

  private static func rollback(
    _ plan: Plan, _ finding: Finding, _ index: Int, _ sharedWith: [String]
  ) -> MonitorAction? {
    func hold(_ why: String) -> MonitorAction? {
      guard plan.hold == nil, plan.status != .completed else { return nil }
      let reason = "shared outage: \(why). \(finding.verdict.sentence)"
      return .command(.hold(.outage), reason: reason, guard: index)
    }
    let rollback = MonitorAction.command(
      .rollback(to: plan.definition.rollbackTarget.commandTarget(plan)),
      reason: finding.verdict.sentence, guard: index)
    guard plan.definition.attribution else { return rollback }
    switch finding.attribution {
    case .treatment: return rollback
    case .undecided: return nil
    case .sharedOutage: return hold("users without the feature meet with as many errors")
    case .incomparable:
      guard let other = sharedWith.first else { return rollback }
      return hold("\(other) fails on the same provider too")
    }
  }

  /// Holds that end with their condition.
  private static func release(_ assessment: Assessment, _ now: Instant) -> MonitorAction? {
    let states = assessment.findings.map(\.verdict.state)
    switch assessment.plan.hold?.cause {
    case .outage where !states.contains(.firing) && !states.contains(.pending):
      return .command(.release, reason: "the outage is over", guard: nil)
    case .investigate
    where !states.contains(.investigate) && !states.contains(.firing)
      && !states.contains(.pending):
      return .command(.release, reason: "back below the investigate limit", guard: nil)
    case .noTraffic where !isSilent(assessment, now):
      return .command(.release, reason: "there is traffic again", guard: nil)
    default: return nil
    }
  }

  private static func investigate(_ assessment: Assessment) -> MonitorAction? {
    let found = assessment.findings.enumerated().first {
      $0.element.verdict.state == .investigate && !$0.element.rule.dryRun
    }
    guard let found, !assessment.plan.definition.dryRun else { return nil }
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

extension PlanDefinition.RollbackTarget {
  /// Where a rollback of this plan goes: nil for one stage back.
  package func commandTarget(_ plan: Plan) -> String? {
    switch self {
    case .previous: nil
    case .off: "off"
    case .start: plan.stageIndex > 0 ? plan.definition.stages[0].name : "off"
    }
  }
}
