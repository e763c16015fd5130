package import DocumentKit

/// What a guard concludes, in numbers and in one sentence.
package struct Verdict: Sendable, Equatable {
  package var state: Detector.State
  package var sentence: String
  /// Requests the threshold trigger looks back on.
  package var requests: Int
  package var errors: Int
  package var affectedUsers: Int
  /// How many they are when each weighs as much as their errors do.
  package var effectiveUsers: Double
  package var score: Double
  /// The share of bad requests, or the mean in the limit's unit as it was, uncapped; nil without
  /// requests.
  package var rate: Double?
  /// The mean that is compared with the limit, where a request counts as less than it was; nil
  /// where none does.
  package var cappedMean: Double?
  /// A 95 % interval of `rate`, for people; the triggers do not use it.
  package var low: Double?
  package var high: Double?
  /// How those without the feature fare beside those with it; nil without any.
  package var arms: String?

  package init(state: Detector.State, sentence: String) {
    self.state = state
    self.sentence = sentence
    requests = 0
    errors = 0
    affectedUsers = 0
    effectiveUsers = 0
    score = 0
  }
}

extension Detector {
  func verdict(_ now: Instant) -> Verdict {
    let affected = window.affected
    let (state, sentence) = judge(affected, now)
    var verdict = Verdict(state: state, sentence: sentence)
    verdict.requests = window.count
    verdict.errors = window.bad
    verdict.affectedUsers = affected.users
    verdict.effectiveUsers = affected.effective
    verdict.score = score.value
    verdict.arms = armWords
    guard window.count > 0 else { return verdict }
    switch measure {
    case .share:
      let interval = Estimate.share(window.bad, of: window.count)
      verdict.rate = window.rate
      verdict.low = interval.low
      verdict.high = interval.high
    case .amount(let limit, _):
      let unit = rule.unit(limit)
      let (mean, standardError) = window.uncapped
      let half = window.count > 1 ? 1.96 * standardError : mean
      verdict.rate = mean * unit
      verdict.low = max(0, mean - half) * unit
      verdict.high = (mean + half) * unit
      if window.isCapped { verdict.cappedMean = window.mean * unit }
    }
    return verdict
  }

  /// What an advance still lacks in evidence of health; nil when there is enough.
  package var missingHealth: String? { missingHealth(for: health.needed) }

  /// What is still lacking until the evidence of health is `enough`; nil when it is.
  package func missingHealth(for enough: Double) -> String? {
    guard health.value < enough else { return nil }
    let observed = health.count
    // At the pace so far; a stage above its limit never gets there.
    let pace = observed >= 20 ? window.mean : 0
    guard pace < 1, let clean = health.remaining(until: enough) else {
      return "healthy evidence: \(rule.metric.rawValue) is not below its limit"
    }
    let name = rule.metric == .errorRate ? "" : " (\(rule.metric.rawValue))"
    // What failed is no sample of health.
    guard pace > 0 || health.value < 1 else {
      return "healthy evidence: \(observed) of \(observed + clean) samples\(name)"
    }
    let alike = health.remaining(at: min(pace, 0.9), until: enough)
    return "healthy evidence: \(clean) more good samples"
      + (alike.map { $0 > clean ? ", or some \($0) like those so far" : "" } ?? "") + name
  }

  /// The numbers behind a verdict, for the event's `evidence`.
  package func evidenceDocument(_ verdict: Verdict) -> Document {
    .object([
      "guard": .string(rule.metric.rawValue),
      "limit": .string(rule.limit.text),
      "requests": .int(verdict.requests),
      "errors": .int(verdict.errors),
      "rate": verdict.rate.map { .double(micro($0)) },
      "low": verdict.low.map { .double(micro($0)) },
      "high": verdict.high.map { .double(micro($0)) },
      "capped_mean": verdict.cappedMean.map { .double(micro($0)) },
      "affected_users": .int(verdict.affectedUsers),
      "effective_users": .double((verdict.effectiveUsers * 100).rounded() / 100),
      "score": .double((verdict.score * 1000).rounded() / 1000),
      "score_threshold": .double(firingScore),
      "fresh_score": latchedAt == nil
        ? nil : .double((confirmation.value * 1000).rounded() / 1000),
      "fires_at": firesAt > 0 ? .int(firesAt) : nil,
      "recent_rate": .double(micro(recent.rate)),
      "control_rate": controlCount > 0 ? .double(micro(controlRecent.rate)) : nil,
      "comparison_score": controlCount > 0
        ? .double((comparison.value * 1000).rounded() / 1000) : nil,
      "sentence": .string(verdict.sentence),
    ])
  }
}

extension Guard {
  /// An amount in the words of its limit: `812 ms`, `$0.02`, `1,200 tokens`.
  func shown(_ amount: Double) -> String {
    switch metric {
    case .latencyMean, .latencyP50, .latencyP95, .latencyP99:
      amount < 1000
        ? "\(shortestText(of: amount.rounded())) ms"
        : "\(shortestText(of: (amount / 10).rounded() / 100)) s"
    case .costPerRequest:
      "$" + shortestText(of: (amount / 1e9 * 1e6).rounded() / 1e6)
    case .tokensPerRequest: "\(shortestText(of: amount.rounded())) tokens"
    default: shortestText(of: (amount * 1000).rounded() / 1000)
    }
  }

  /// What 1.0 of a ratio is in the unit that the API shows: milliseconds, dollars, tokens.
  func unit(_ limit: Double) -> Double { metric == .costPerRequest ? limit / 1e9 : limit }
}

func rounded(_ score: Double) -> String {
  score >= 1e15
    ? "over 1e15" : shortestText(of: score < 10 ? (score * 10).rounded() / 10 : score.rounded())
}

private func micro(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
