package import DocumentKit

/// Watches one rate of one stage: two triggers, the affected-user rule, then sustain.
///
/// A value without a clock: the caller says when things happened. Rules and numbers:
/// `docs/ROLLBACK.md`.
package struct RateGuard: Sendable, Equatable {
  package enum State: String, Sendable {
    /// Too few requests to say anything; never taken for healthy.
    case inconclusive
    case quiet
    /// A trigger is over its mark, and something still holds it back.
    case pending
    case firing
  }

  package struct Verdict: Sendable, Equatable {
    package var state: State
    package var sentence: String
    package var requests: Int
    package var errors: Int
    package var affectedUsers: Int
    package var score: Double
  }

  /// Errors of one user within this of each other, with nobody in between, count once.
  package static let runGap = TimeSpan.seconds(30)

  package let limit: Double
  package let rule: Guard
  package let evidence: Double
  package let sustain: TimeSpan
  package let minAffectedUsers: Int

  var window: ThresholdWindow
  var score: EvidenceScore
  var recent = RecentRate()
  /// The user whose error was the stream's last outcome, and when.
  var lastError: (user: UInt64, at: Instant)?
  var latchedAt: Instant?
  var calmSince: Instant?
  package internal(set) var requests = 0
  package internal(set) var errors = 0

  /// nil for guards whose limit is not a share.
  package init?(_ rule: Guard, preset: Preset) {
    guard case .share(let share) = rule.limit else { return nil }
    limit = share.fraction
    self.rule = rule
    evidence = rule.evidence ?? preset.evidence
    sustain = rule.sustain ?? preset.sustain
    minAffectedUsers = rule.minAffectedUsers ?? preset.minAffectedUsers
    window = ThresholdWindow(size: rule.window)
    score = EvidenceScore(limit: limit)
  }

  package static func == (a: RateGuard, b: RateGuard) -> Bool {
    a.rule == b.rule && a.window == b.window && a.score == b.score && a.recent == b.recent
      && a.latchedAt == b.latchedAt && a.calmSince == b.calmSince && a.requests == b.requests
  }

  package mutating func record(bad: Bool, user: UInt64?, at: Instant) {
    requests += 1
    if bad { errors += 1 }
    recent.record(bad: bad, at: at)
    if bad, let user {
      let repeats = lastError.map { $0.user == user && at.since($0.at) <= Self.runGap } ?? false
      lastError = (user, at)
      if repeats { return }
    } else {
      lastError = nil
    }
    window.record(bad: bad, user: user)
    score.observe(bad: bad)
  }

  private var firesAt: Int {
    ThresholdWindow.firesAt(count: window.count, limit: limit, margin: rule.margin)
  }

  private var thresholdTriggered: Bool {
    window.count >= rule.minRequests && window.bad >= firesAt
  }

  private var triggered: Bool { thresholdTriggered || score.value >= evidence }

  /// Judges at `now`; moves the sustain latch, and nothing else.
  package mutating func assess(now: Instant) -> Verdict {
    recent.prune(now: now)
    if triggered, latchedAt == nil { latchedAt = now }
    if latchedAt != nil { settleLatch(now) }
    let affected = window.affectedUsers
    let (state, sentence) = judge(affected: affected, now: now)
    return Verdict(
      state: state, sentence: sentence, requests: window.count, errors: window.bad,
      affectedUsers: affected, score: score.value)
  }

  /// Recovery for as long as `sustain` clears the latch and the score.
  private mutating func settleLatch(_ now: Instant) {
    guard recent.rate <= limit else {
      calmSince = nil
      return
    }
    let calm = calmSince ?? now
    calmSince = calm
    if sustain > .zero, now.since(calm) >= sustain {
      latchedAt = nil
      calmSince = nil
      score.reset()
    }
  }

  private func judge(affected: Int, now: Instant) -> (State, String) {
    let name = rule.metric.rawValue
    let summary = "\(percent(window.rate)) of the last \(window.count) requests"
    guard let latchedAt else {
      if window.count < rule.minRequests {
        return (
          .inconclusive,
          "\(name): \(window.count) of \(rule.minRequests) requests needed to judge."
        )
      }
      if window.rate > limit {
        return (
          .quiet,
          "\(name): \(summary), above \(percent(limit)) but within noise; "
            + "fires at \(firesAt) of \(window.count)."
        )
      }
      return (.quiet, "\(name): \(summary), under the limit of \(percent(limit)).")
    }
    if affected < minAffectedUsers {
      return (
        .pending,
        "\(name): \(errors) errors, all from \(affected) user\(affected == 1 ? "" : "s"); "
          + "needs \(minAffectedUsers)."
      )
    }
    let waited = now.since(latchedAt)
    if waited < sustain {
      let left = TimeSpan(milliseconds: sustain.milliseconds - waited.milliseconds)
      return (.pending, "\(name): \(summary), over \(percent(limit)); acts in \(left.words).")
    }
    if recent.rate <= limit {
      return (.pending, "\(name): \(summary), but the last requests are within the limit again.")
    }
    return (
      .firing,
      "\(name): \(summary) failed for \(affected) users, clearly over the limit of "
        + "\(percent(limit)); \(firedBy)."
    )
  }

  private var firedBy: String {
    let threshold = "threshold: \(window.bad) bad, fires at \(firesAt)"
    let evidence = "evidence score \(rounded(score.value)) of \(rounded(self.evidence))"
    if thresholdTriggered {
      return score.value >= self.evidence ? "\(threshold); \(evidence)" : threshold
    }
    return evidence
  }

  /// The numbers behind a verdict, for the event's `evidence`.
  package func evidenceDocument(_ verdict: Verdict) -> Document {
    .object([
      "guard": .string(rule.metric.rawValue),
      "limit": .double(limit),
      "requests": .int(verdict.requests),
      "errors": .int(verdict.errors),
      "rate": .double(verdict.requests == 0 ? 0 : (window.rate * 1e6).rounded() / 1e6),
      "affected_users": .int(verdict.affectedUsers),
      "score": .double((verdict.score * 1000).rounded() / 1000),
      "score_threshold": .double(evidence),
      "fires_at": .int(firesAt),
      "recent_rate": .double((recent.rate * 1e6).rounded() / 1e6),
      "sentence": .string(verdict.sentence),
    ])
  }
}

/// `0.0612` → `6.1 %`.
package func percent(_ fraction: Double) -> String {
  shortestText(of: (fraction * 1000).rounded() / 10) + " %"
}

private func rounded(_ score: Double) -> String {
  score >= 1e15
    ? "over 1e15" : shortestText(of: score < 10 ? (score * 10).rounded() / 10 : score.rounded())
}
