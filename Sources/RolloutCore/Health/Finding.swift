/// What one guard of a plan concludes.
package struct Finding: Sendable, Equatable {
  package var rule: Guard
  package var verdict: Verdict
  /// Whom to blame if it fires.
  package var attribution: Detector.Attribution
  /// The score at which evidence triggers.
  package var threshold: Double
  /// Since when it is over its mark; nil while it is not.
  package var failingSince: Instant?
  /// Whether it is over its mark and acts when it goes on: it stops people like one that fires.
  package var isGoingOn = false
  /// Whether requests still come in: what it found minutes ago is nothing to act on.
  package var isCurrent = true
  /// Whether the outage that holds the plan is about it.
  package var isHeldFor = false
  /// Whether it has seen enough requests that are well; nil where outcomes do not feed it.
  package var isWell: Bool?
}

extension Finding {
  /// Whether it keeps people, too, from giving the feature to more.
  var stopsPeople: Bool {
    verdict.state == .firing || verdict.state == .pending && isGoingOn
  }

  /// Whether it leads to something when it fires, and not only to a notice.
  package func acts(in plan: Plan) -> Bool {
    rule.action != .notify && !rule.dryRun && !plan.definition.dryRun
  }

  init(_ rule: Guard, _ verdict: Verdict, of detector: Detector, now: Instant) {
    self.init(
      rule: rule, verdict: verdict, attribution: detector.attribution,
      threshold: detector.firingScore)
    failingSince = detector.failingSince
    isGoingOn = detector.isGoingOn(now)
    isCurrent = detector.isCurrent(now)
    isHeldFor = detector.isHeldFor
    isWell = detector.requests > 0 || detector.isHeldFor ? detector.isWell : nil
  }
}
