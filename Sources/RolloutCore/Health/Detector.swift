import RolloutEvaluation

/// Watches one metric of one stage: two triggers, the affected-user rule, fresh evidence before
/// acting, the investigate band, the comparison with control, and the evidence that all is well.
///
/// A value without a clock: the caller says when things happened. Rules and numbers:
/// `docs/ROLLBACK.md`.
package struct Detector: Sendable, Equatable {
  package enum State: String, Sendable {
    /// Nothing measures it; never taken for healthy.
    case unavailable
    /// Too few requests to say anything; never taken for healthy.
    case inconclusive
    case quiet
    /// Above the lower limit at which people should look.
    case investigate
    /// A trigger is over its mark, and something still holds it back.
    case pending
    case firing
  }

  /// A recovery must last so long, or as long as `sustain` when that is longer.
  static let recovery = TimeSpan.seconds(10)
  /// A of the investigate band: it only holds, so it may be quick.
  static let investigateThreshold = 1e4

  package let rule: Guard
  package let measure: Measure
  package let firingScore: Double
  package let margin: Double
  package let sustain: TimeSpan
  package let minAffectedUsers: Int

  var runs = ErrorRuns()
  var window: ThresholdWindow
  package internal(set) var score: AlarmScore
  package internal(set) var confirmation: FreshScore
  var recent = RecentLevel()
  package internal(set) var health: HealthScore
  var band: Band?
  var controlRuns = ErrorRuns()
  var controlRecent = RecentLevel()
  package internal(set) var controlCount = 0
  package internal(set) var comparison = ArmComparison()
  var latchedAt: Instant?
  /// Since when it looks bad: at the latest since the trigger.
  package internal(set) var suspectedAt: Instant?
  /// Whether what its marks still show has been over for as long as a recovery takes.
  var hasEnded = false
  /// Whether what arrives now is fresh evidence.
  var isConfirming = false
  var calmSince: Instant?
  /// Whether the outage that holds the plan is about this guard: until the hold ends only the
  /// comparison with control rolls back for it.
  package internal(set) var isHeldFor = false
  package internal(set) var requests = 0
  package internal(set) var errors = 0
  /// What was seen at the last look, and when a look last found more: what it says is about now
  /// only while requests go on. Not kept: after a restart it waits for the first one.
  var lookedAt = 0
  private var heardAt: Instant?

  /// The limit at which people should look: latches by evidence, and ends by evidence that it is
  /// well again, so that a feature that lives between the limits does not flap.
  struct Band: Sendable, Equatable {
    let low: Share
    var score: AlarmScore
    var isLatched = false
    /// Started with the latch.
    var health: HealthScore

    init(_ low: Share) {
      self.low = low
      score = AlarmScore(share: low.fraction)
      health = HealthScore(ratioMax: 1 / low.fraction)
    }

    func ratio(_ bad: Bool) -> Double { bad ? 1 / low.fraction : 0 }
  }

  /// `neededHealth` is the healthy evidence that the next advance asks for.
  package init(
    _ rule: Guard, measure: Measure, preset: Preset,
    neededHealth: Double = HealthScore.enough
  ) {
    self.rule = rule
    self.measure = measure
    firingScore = rule.firingScore ?? preset.firingScore
    margin = rule.margin ?? preset.margin
    sustain = rule.sustain ?? preset.sustain
    minAffectedUsers = rule.minAffectedUsers ?? preset.minAffectedUsers
    window = ThresholdWindow(size: rule.window)
    health = HealthScore(ratioMax: measure.ratioMax, needed: neededHealth)
    switch measure {
    case .share(let share):
      score = AlarmScore(share: share)
      band = rule.investigate.map(Band.init)
    case .amount: score = .ofAmounts
    }
    confirmation = FreshScore(score: score, window: rule.window)
  }

  /// For 0/1 metrics without a baseline: most tests and simulations.
  package init?(_ rule: Guard, preset: Preset) {
    guard let measure = rule.measure(baseline: nil) else { return nil }
    self.init(rule, measure: measure, preset: preset)
  }

  // MARK: Recording

  /// An outcome of the treatment arm.
  ///
  /// - `isDrawn`: whether the user's bucket decided; only those are compared with control.
  /// - `provesHealth`: whether it may be evidence of health, were it good.
  package mutating func record(
    _ reading: Reading, user: UInt64?, at: Instant, isDrawn: Bool = true,
    provesHealth: Bool = true
  ) {
    requests += 1
    if reading.bad { errors += 1 }
    recent.record(ratio: reading.ratio, bad: reading.bad, at: at)
    // Nothing is dropped here: one user's run of errors is no sign of health.
    // What was given up may have taken any time: the least of it speaks against the feature, and
    // nothing of it for its health.
    if provesHealth || reading.bad {
      health.observe(ratio: reading.isAtLeast ? measure.ratioMax : reading.ratio)
    }
    if var band {
      if band.isLatched { band.health.observe(ratio: band.ratio(reading.bad)) }
      self.band = band
    }
    // In the order of arrival: an app may report a minute late.
    if isConfirming { confirmation.record(reading, user: user, at: at) }
    guard runs.scores(bad: reading.bad, user: user, at: at) else { return }
    window.record(reading, user: user)
    score.observe(ratio: reading.ratio)
    if let ratio = band?.ratio(reading.bad) { band?.score.observe(ratio: ratio) }
    if isDrawn { comparison.observe(reading.ratio / measure.ratioMax, .treatment) }
  }

  /// For 0/1 metrics.
  package mutating func record(bad: Bool, user: UInt64?, at: Instant) {
    record(Reading(ratio: bad ? measure.ratioMax : 0, bad: bad), user: user, at: at)
  }

  /// An outcome of the control arm.
  package mutating func recordControl(
    _ reading: Reading, user: UInt64?, at: Instant, isDrawn: Bool = true
  ) {
    controlCount += 1
    controlRecent.record(
      ratio: reading.ratio, bad: reading.bad, at: at, keeping: recent.startsAt)
    guard isDrawn, controlRuns.scores(bad: reading.bad, user: user, at: at) else { return }
    comparison.observe(reading.ratio / measure.ratioMax, .control)
  }

  /// Evidence of health starts anew: what a shared outage left behind says nothing.
  package mutating func restartHealth() { health.reset() }

  /// A failure that is no evidence against the stage is none for its health either.
  mutating func doubtHealth() { health.observe(ratio: measure.ratioMax) }

  /// The band of a guard that begins anew goes on from where the one before it was: what ends it is
  /// evidence of health.
  mutating func keepInvestigating() {
    band?.isLatched = true
    band?.health.reset()
  }

  // MARK: Triggers

  /// What the threshold trigger compares: bad requests for shares, the mean's ratio for amounts.
  private func isOverThreshold(margin: Double) -> Bool {
    guard window.count >= rule.judgedFrom else { return false }
    switch measure {
    case .share: return window.bad >= firesAt(margin: margin)
    case .amount: return window.mean > 1 + margin * window.standardError
    }
  }

  private func firesAt(margin: Double) -> Int {
    guard case .share(let share) = measure else { return 0 }
    return ThresholdWindow.firesAt(count: window.count, limit: share, margin: margin)
  }

  var firesAt: Int { firesAt(margin: margin) }

  /// Whether either trigger is over its mark, before affected users and fresh evidence.
  package var isTriggered: Bool {
    hasVotes && (isOverThreshold(margin: margin) || score.value >= firingScore)
  }

  /// A few thumbs are nobody's opinion, however they point.
  private var hasVotes: Bool {
    rule.metric != .thumbsDownRate || window.count >= rule.judgedFrom
  }

  /// Whether it begins to look bad: the marks of the next quicker preset. Fresh evidence is
  /// gathered from then on, so that a slow decline is not waited for twice.
  private var isSuspicious: Bool {
    isOverThreshold(margin: max(0, margin - 1)) || score.value >= firingScore / 100
  }

  /// Whether a look could find anything but a quiet guard.
  package var needsLook: Bool { isSuspicious || suspectedAt != nil }

  /// Whether the last seconds are over the limit.
  var isRecentlyOver: Bool {
    switch measure {
    case .share(let share): recent.rate > share
    case .amount: recent.mean > 1
    }
  }

  /// When evidence begins to be fresh; nil while nothing looks bad.
  private var freshFrom: Instant? {
    suspectedAt.map { $0 + TimeSpan(milliseconds: sustain.milliseconds / 2) }
  }

  /// Whether what came in since it began says so too. Without `sustain` nothing is waited for.
  func isConfirmed(_ now: Instant) -> Bool {
    guard sustain > .zero, let freshFrom else { return true }
    return now >= freshFrom && confirmation.isEnough && isWidelyConfirmed
  }

  /// Whether what goes on hurts enough people, too.
  var isWidelyConfirmed: Bool { confirmation.isWidespread(minAffectedUsers) }

  /// Whether enough people are hurt, or it goes on without those who are hurt most.
  var isWidespread: Bool { window.isWidespread(minAffectedUsers) }

  /// Whether what triggered it hurts enough people and goes on, and only fresh evidence is waited
  /// for.
  func isGoingOn(_ now: Instant) -> Bool {
    latchedAt != nil && isRecentlyOver && !isConfirmed(now) && isWidespread
  }

  /// After so long without a request nothing it says is about now. Longer than it takes to ask a
  /// provider a neutral question.
  static let currentFor = TimeSpan.seconds(30)

  /// Whether a request came lately; of what has ended nobody is protected by acting.
  func isCurrent(_ now: Instant) -> Bool {
    heardAt.map { now.since($0) <= Self.currentFor } ?? false
  }

  /// Whether it has seen as many requests as speak of now, and they are well.
  var isWell: Bool {
    latchedAt == nil && !isRecentlyOver && recent.count >= RecentLevel.requests
  }

  /// Whether it is over its mark and control is as sick.
  var isShared: Bool { latchedAt != nil && attribution == .sharedOutage }

  /// Whether an outage for which the plan is held now is about it. A provider's is about failures.
  var isInOutage: Bool { isShared || latchedAt != nil && rule.isAboutFailures }

  /// When it began to fail; nil while it does not.
  package var failingSince: Instant? { latchedAt }

  /// Judges at `now`; moves the latches, and nothing else.
  package mutating func assess(now: Instant) -> Verdict {
    if requests != lookedAt {
      lookedAt = requests
      heardAt = now
    }
    recent.prune(now: now)
    controlRecent.prune(now: now, keeping: recent.startsAt)
    if isRecentlyOver {
      if suspectedAt == nil, isSuspicious {
        suspectedAt = now
        isConfirming = false
        confirmation.reset()
      }
      if latchedAt == nil, isTriggered { latchedAt = now }
    }
    if latchedAt != nil || !isTriggered { hasEnded = false }
    if needsLook { settleLatch(now) } else { calmSince = nil }
    isConfirming = freshFrom.map { now >= $0 } ?? false
    settleBand()
    return verdict(now)
  }

  /// Recovery for long enough clears the latch, and the score that led to it. What only looked bad
  /// keeps its score.
  private mutating func settleLatch(_ now: Instant) {
    guard !isRecentlyOver else {
      calmSince = nil
      return
    }
    let calm = calmSince ?? now
    calmSince = calm
    if now.since(calm) >= max(sustain, Self.recovery) {
      if latchedAt != nil || score.value >= firingScore { score.reset() }
      hasEnded = isTriggered
      latchedAt = nil
      suspectedAt = nil
      calmSince = nil
      confirmation.reset()
    }
  }

  /// The band opens by evidence of trouble and closes by evidence of health.
  private mutating func settleBand() {
    guard let band else { return }
    if !band.isLatched, band.score.value >= Self.investigateThreshold,
      hasVotes, isWidespread
    {
      self.band?.isLatched = true
      self.band?.health.reset()
    } else if band.isLatched, band.health.isEnough {
      self.band = Band(band.low)
    }
  }

  // MARK: Attribution

  package enum Attribution: Sendable, Equatable {
    /// Control shows that it is the feature.
    case treatment
    /// The control arm is as sick.
    case sharedOutage
    /// Control is well, or there is none: nothing speaks for the feature.
    case unopposed
  }

  /// Whom a firing guard blames, as far as control can tell.
  package var attribution: Attribution {
    if comparison.value >= ArmComparison.decisive { return .treatment }
    return isControlOver ? .sharedOutage : .unopposed
  }

  /// Control is over the limit in its own last seconds, or over the span that ours look back on.
  private var isControlOver: Bool {
    guard let own = controlRecent.startsAt else { return false }
    if controlRecent.isOver(since: own) { return true }
    return recent.startsAt.map { controlRecent.isOver(since: $0) } ?? false
  }
}
