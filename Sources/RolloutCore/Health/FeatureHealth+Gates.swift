extension FeatureHealth {
  /// The gates of the next advance, from what `assess` found. A completion waits for guards that
  /// act and for nothing else.
  package func gates(_ findings: [Finding], now: Instant) -> HealthGates {
    var gates = HealthGates()
    guard plan.isServing else { return gates }
    guard let next = plan.nextStage else {
      gates.firing = findings.filter { $0.acts(in: plan) && $0.stopsPeople }
        .map(\.verdict.sentence)
      return gates
    }
    if let projection, projection.stage == next.name { gates.projection = projection }
    gates.freshness = freshness(now)
    var isMeasured = false
    for (index, finding) in findings.enumerated() {
      guard finding.acts(in: plan), isJudging(index) else { continue }
      isMeasured = true
      switch finding.verdict.state {
      case .firing: gates.firing.append(finding.verdict.sentence)
      case .unavailable where isOptional(finding.rule): continue
      case .pending where finding.isGoingOn: gates.firing.append(finding.verdict.sentence)
      case .pending, .investigate, .unavailable:
        gates.unsettled.append(finding.verdict.sentence)
      case .quiet, .inconclusive:
        guard let detector = detector(index) else { continue }
        if let missing = detector.missingHealth { gates.unproven.append(missing) }
        if let missing = detector.missingHealth(for: HealthScore.enough) {
          gates.recovery.append(missing)
        }
      }
    }
    if !isMeasured {
      gates.unproven = [
        findings.isEmpty
          ? "healthy evidence: no guard watches this plan"
          : findings.contains { $0.acts(in: plan) }
            ? "healthy evidence: what acts compares with the stage before, and this is the first"
            : "healthy evidence: the guards of this plan only tell, and none acts"
      ]
      gates.recovery = gates.unproven
    }
    if let missing = missingUsers {
      gates.unproven.append(missing)
      gates.recovery.append(missing)
    }
    gates.recovery = gates.freshness + gates.firing + gates.unsettled + gates.recovery
    return gates
  }

  /// Requests of a stage from which votes are missed where nobody has voted.
  private static let votesMissedFrom = 2000

  /// Votes are rare: a young stage does not wait for them, unless the plan says so.
  private func isOptional(_ rule: Guard) -> Bool {
    rule.isVoted && !rule.isRequired && treatment.requests < Self.votesMissedFrom
      && !isMostlyUnattributed
  }

  /// One person's traffic is no evidence for everybody.
  private var missingUsers: String? {
    // Without any request the guards say so.
    guard users.distinct > 0, users.effective < StageUsers.enough else { return nil }
    let seen = users.distinct == 1 ? "1 person" : "\(users.distinct) people"
    // Where the stage is a short list, half of it is all there can be.
    if let listedMembers, listedMembers <= StageUsers.shortList {
      if users.effective * 2 >= Double(listedMembers) { return nil }
      return "healthy evidence: the requests are those of \(seen); half of the \(listedMembers) on "
        + "the list are needed"
    }
    return "healthy evidence: the requests are those of \(seen); three that use it alike are needed"
  }

  private func freshness(_ now: Instant) -> [String] {
    if let staleness = staleness(now) { return ["outcomes: \(staleness)"] }
    guard let last = lastOutcomeAt else { return ["outcomes: none of this stage yet"] }
    let age = now.since(last)
    guard age > HealthGates.freshnessMax else { return [] }
    return ["outcomes: the last one of this stage is \(age.words) old"]
  }
}
