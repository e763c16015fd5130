/// Watches one metric of one stage: two triggers, the affected-user rule, sustain, the investigate
/// band, attribution, and the evidence that all is well.
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

  /// Errors of one user within this of each other, with nobody in between, count once.
  package static let runGap = TimeSpan.seconds(30)
  /// A recovery must last so long, or as long as `sustain` when that is longer.
  static let recovery = TimeSpan.seconds(10)
  /// A of the investigate band: it only holds, so it may be quick.
  static let investigateThreshold = 1e4
  /// Requests of the treatment that attribution may wait for before it rolls back.
  static let undecidedMax = 50

  package let rule: Guard
  package let measure: Measure
  package let evidence: Double
  package let sustain: TimeSpan
  package let minAffectedUsers: Int

  var window: ThresholdWindow
  package internal(set) var score: EvidenceScore
  var recent = RecentLevel()
  package internal(set) var health: HealthyEvidence
  var band: EvidenceScore?
  var bandLatched = false
  var control: EvidenceScore
  package internal(set) var controlCount = 0
  var split = ErrorSplit()
  /// The user whose error was the stream's last outcome, and when.
  var lastError: LastError?
  var latchedAt: Instant?
  var requestsSinceLatch = 0
  var calmSince: Instant?
  package internal(set) var requests = 0
  package internal(set) var errors = 0

  struct LastError: Sendable, Equatable {
    var user: UInt64
    var at: Instant
  }

  package init(_ rule: Guard, measure: Measure, preset: Preset) {
    self.rule = rule
    self.measure = measure
    evidence = rule.evidence ?? preset.evidence
    sustain = rule.sustain ?? preset.sustain
    minAffectedUsers = rule.minAffectedUsers ?? preset.minAffectedUsers
    window = ThresholdWindow(size: rule.window)
    health = HealthyEvidence(ratioMax: measure.ratioMax)
    switch measure {
    case .share(let share):
      score = EvidenceScore(share: share)
      band = rule.investigate.map { EvidenceScore(share: $0.fraction) }
    case .amount: score = .ofAmounts
    }
    control = score
  }

  /// For 0/1 metrics without a baseline: most tests and simulations.
  package init?(_ rule: Guard, preset: Preset) {
    guard let measure = rule.measure(baseline: nil) else { return nil }
    self.init(rule, measure: measure, preset: preset)
  }

  // MARK: Recording

  /// An outcome of the treatment arm. `share` is the treatment's measured share of requests.
  package mutating func record(
    _ reading: Reading, user: UInt64?, at: Instant, share: Double? = nil
  ) {
    requests += 1
    if reading.bad { errors += 1 }
    if latchedAt != nil { requestsSinceLatch += 1 }
    recent.record(ratio: reading.ratio, bad: reading.bad, at: at)
    if reading.bad, let share { split.observe(treatment: true, share: share) }
    if reading.bad, let user {
      let repeats =
        lastError.map { $0.user == user && at.since($0.at) <= Self.runGap } ?? false
      lastError = LastError(user: user, at: at)
      if repeats { return }
    } else {
      lastError = nil
    }
    window.record(ratio: reading.ratio, bad: reading.bad, user: user)
    score.observe(ratio: reading.ratio)
    health.observe(ratio: reading.ratio)
    if let low = rule.investigate {
      band?.observe(ratio: reading.bad ? 1 / low.fraction : 0)
    }
  }

  /// For 0/1 metrics.
  package mutating func record(bad: Bool, user: UInt64?, at: Instant) {
    record(Reading(ratio: bad ? measure.ratioMax : 0, bad: bad), user: user, at: at)
  }

  /// An outcome of the control arm.
  package mutating func recordControl(_ reading: Reading, share: Double?) {
    controlCount += 1
    control.observe(ratio: reading.ratio)
    if reading.bad, let share { split.observe(treatment: false, share: share) }
  }

  // MARK: Triggers

  /// What the threshold trigger compares: bad requests for shares, the mean's ratio for amounts.
  var thresholdTriggered: Bool {
    guard window.count >= rule.minRequests else { return false }
    switch measure {
    case .share: return window.bad >= firesAt
    case .amount: return window.mean > 1 + rule.margin * window.standardError
    }
  }

  var firesAt: Int {
    guard case .share(let share) = measure else { return 0 }
    return ThresholdWindow.firesAt(count: window.count, limit: share, margin: rule.margin)
  }

  var evidenceTriggered: Bool { score.value >= evidence }

  /// Whether either trigger is over its mark, before affected users and sustain.
  package var isTriggered: Bool { thresholdTriggered || evidenceTriggered }

  /// Whether the last seconds are over the limit.
  var isRecentlyOver: Bool {
    switch measure {
    case .share(let share): recent.rate > share
    case .amount: recent.mean > 1
    }
  }

  /// Judges at `now`; moves the latches, and nothing else.
  package mutating func assess(now: Instant) -> Verdict {
    recent.prune(now: now)
    if isTriggered, latchedAt == nil, isRecentlyOver {
      latchedAt = now
      requestsSinceLatch = 0
      calmSince = nil
    }
    if latchedAt != nil { settleLatch(now) }
    settleBand()
    return verdict(now)
  }

  /// Recovery for long enough clears the latch and the score.
  private mutating func settleLatch(_ now: Instant) {
    guard !isRecentlyOver else {
      calmSince = nil
      return
    }
    let calm = calmSince ?? now
    calmSince = calm
    if now.since(calm) >= max(sustain, Self.recovery) {
      latchedAt = nil
      calmSince = nil
      score.reset()
      split.reset()
    }
  }

  /// The band opens by evidence and closes when the whole window is below it again.
  private mutating func settleBand() {
    guard let low = rule.investigate, let band else { return }
    if band.value >= Self.investigateThreshold, window.affectedUsers >= minAffectedUsers {
      bandLatched = true
    }
    if bandLatched, window.count >= rule.minRequests, window.rate <= low.fraction {
      bandLatched = false
      self.band?.reset()
    }
  }

  // MARK: Attribution

  package enum Attribution: Sendable, Equatable {
    /// The treatment is to blame, or nothing speaks against it.
    case treatment
    /// The control arm is as sick.
    case sharedOutage
    /// So many more requests may pass before it counts as the treatment's.
    case undecided(left: Int)
    /// There is no control traffic to compare with.
    case incomparable
  }

  /// Whom a firing guard blames. `share` is the treatment's measured share.
  package func attribution(share: Double?) -> Attribution {
    guard let share, share <= 0.8, controlCount > 0 else { return .incomparable }
    if split.value >= ErrorSplit.decisive { return .treatment }
    if control.value >= ErrorSplit.decisive { return .sharedOutage }
    let left = Self.undecidedMax - requestsSinceLatch
    return left > 0 ? .undecided(left: left) : .treatment
  }
}
