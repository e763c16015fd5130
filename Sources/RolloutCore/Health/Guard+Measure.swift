import RolloutEvaluation

/// How a guard turns outcomes into observations.
package enum Measure: Sendable, Equatable {
  /// 0/1 observations of which at most `share`, a fraction in (0, 1), may be bad.
  case share(Double)
  /// Amounts whose mean may be at most `limit`; one observation counts as `cap` limits at most, so
  /// that no single outlier decides.
  case amount(limit: Double, cap: Double)

  /// The limit of a rate; nil for amounts.
  var share: Double? {
    if case .share(let share) = self { share } else { nil }
  }

  /// The largest ratio that one observation can have.
  var ratioMax: Double {
    switch self {
    case .share(let share): 1 / share
    case .amount(_, let cap): cap
    }
  }
}

/// One observation of one guard.
package struct Reading: Sendable, Equatable {
  /// Over the limit: 0 when nothing was wrong, above 1 when worse than allowed. Capped.
  package var ratio: Double
  /// The same without the cap, for people; where a share of the latencies may be slower, how many
  /// limits it took.
  package var amount: Double
  package var bad: Bool
  /// Whether nobody waited for the end, so that it would have been more.
  var isAtLeast = false

  package init(ratio: Double, bad: Bool) {
    self.ratio = ratio
    amount = ratio
    self.bad = bad
  }
}

/// Means per request of one stage, for guards that compare with the stage before.
package struct StageMeans: Sendable, Equatable {
  /// Requests below which a mean says too little to compare with.
  package static let requestsMin = 50

  package var requests = 0
  /// Nano-dollars.
  package var cost = 0.0
  package var tokens = 0.0

  package init() {}

  mutating func record(_ outcome: Outcome) {
    requests += 1
    cost += Double(outcome.cost?.nanodollars ?? 0)
    tokens += Double(outcome.tokens ?? 0)
  }
}

extension Guard {
  /// Latencies count as six limits at most: 30 s at the default of 5 s.
  static let latencyCap = 6.0
  static let amountCap = 10.0

  /// nil for `prometheus`, and for a multiple of a stage that was not measured.
  package func measure(baseline: StageMeans?) -> Measure? {
    if let quantile { return .share(quantile.slower) }
    switch (metric, limit) {
    case (.prometheus, _): return nil
    case (_, .share(let share)): return .share(share.fraction)
    case (_, .time(let span)):
      return .amount(limit: Double(span.milliseconds), cap: Self.latencyCap)
    case (_, .money(let money)):
      return .amount(limit: Double(money.nanodollars), cap: Self.amountCap)
    case (_, .number(let number)): return .amount(limit: number, cap: Self.amountCap)
    case (_, .multiple(let factor)):
      guard let baseline, baseline.requests >= StageMeans.requestsMin else { return nil }
      let total = metric == .costPerRequest ? baseline.cost : baseline.tokens
      guard total > 0 else { return nil }
      return .amount(limit: total / Double(baseline.requests) * factor, cap: Self.amountCap)
    }
  }

  /// What this outcome says to the guard; nil when it says nothing. `feedback` is a vote of the
  /// guard's kind that waited for a request to be counted with.
  func reading(_ outcome: Outcome, _ measure: Measure, feedback: Bool) -> Reading? {
    switch metric {
    case .errorRate: return flag(counts.contains(outcome.result), measure)
    case .degradedRate:
      return flag(
        outcome.result == .degradedModel || outcome.result == .degradedCache
          || outcome.result == .degradedFallback, measure)
    case .latencyP50, .latencyP95, .latencyP99:
      guard let latency = outcome.latency, case .time(let span) = limit else { return nil }
      var reading = flag(latency > Double(span.milliseconds), measure)
      reading.amount = latency / Double(max(span.milliseconds, 1))
      return reading
    case .latencyMean: return outcome.latency.flatMap { amount($0, measure) }
    case .costPerRequest: return outcome.cost.flatMap { amount(Double($0.nanodollars), measure) }
    case .tokensPerRequest: return outcome.tokens.flatMap { amount(Double($0), measure) }
    case .regenerateRate, .abandonRate: return flag(feedback, measure)
    case .thumbsDownRate, .prometheus: return nil
    }
  }

  private func flag(_ bad: Bool, _ measure: Measure) -> Reading {
    Reading(ratio: bad ? measure.ratioMax : 0, bad: bad)
  }

  private func amount(_ value: Double, _ measure: Measure) -> Reading? {
    guard case .amount(let limit, let cap) = measure else { return nil }
    let ratio = max(value, 0) / limit
    var reading = Reading(ratio: min(ratio, cap), bad: ratio > 1)
    reading.amount = ratio
    return reading
  }

  /// What a vote by itself says to the guard: thumbs are counted over thumbs.
  func reading(_ feedback: Feedback, _ measure: Measure) -> Reading? {
    guard metric == .thumbsDownRate, feedback.kind == .thumbsDown || feedback.kind == .thumbsUp
    else { return nil }
    return flag(feedback.kind == .thumbsDown, measure)
  }

  /// The quantile of the latency that it is about, by its name, and the share of requests that may
  /// be slower; nil for other metrics.
  var quantile: (name: String, slower: Double)? {
    switch metric {
    case .latencyP50: ("p50", 0.5)
    case .latencyP95: ("p95", 0.05)
    case .latencyP99: ("p99", 0.01)
    default: nil
    }
  }

  /// Feedback that makes the request it follows bad for this guard.
  package var feedbackKind: Feedback.Kind? {
    switch metric {
    case .regenerateRate: .regenerate
    case .abandonRate: .abandon
    default: nil
    }
  }

  /// Whether people's feedback feeds it.
  package var isVoted: Bool { metric == .thumbsDownRate || feedbackKind != nil }

  /// Requests, or votes for what is counted over votes, below which nothing is said.
  package var judgedFrom: Int {
    metric == .thumbsDownRate ? min(minRequests, Self.votesMin) : minRequests
  }
  private static let votesMin = 20

  /// What outcomes must carry for it; nil when any outcome says something.
  var carrier: String? {
    switch metric {
    case .latencyMean, .latencyP50, .latencyP95, .latencyP99: "latency_ms"
    case .costPerRequest: "cost_usd"
    case .tokensPerRequest: "input_tokens or output_tokens"
    default: nil
    }
  }

  func isCarried(by outcome: Outcome) -> Bool {
    switch metric {
    case .latencyMean, .latencyP50, .latencyP95, .latencyP99: outcome.latency != nil
    case .costPerRequest: outcome.cost != nil
    case .tokensPerRequest: outcome.tokens != nil
    default: true
    }
  }

  /// Whether it is about requests that failed or were degraded: what a provider's outage explains.
  var isAboutFailures: Bool { metric == .errorRate || metric == .degradedRate }

  var isLatency: Bool {
    switch metric {
    case .latencyMean, .latencyP50, .latencyP95, .latencyP99: true
    default: false
    }
  }
}
