package import RolloutEvaluation

/// What a plan watches, and what happens when it goes over its limit.
package struct Guard: Sendable, Equatable {
  package enum Metric: String, Sendable, CaseIterable {
    case errorRate = "error_rate"
    case degradedRate = "degraded_rate"
    case latencyMean = "latency_mean"
    case latencyP50 = "latency_p50"
    case latencyP95 = "latency_p95"
    case latencyP99 = "latency_p99"
    case costPerRequest = "cost_per_request"
    case tokensPerRequest = "tokens_per_request"
    case thumbsDownRate = "thumbs_down_rate"
    case regenerateRate = "regenerate_rate"
    case abandonRate = "abandon_rate"
    case prometheus
  }

  package enum Action: String, Sendable, CaseIterable {
    case rollback, pause, notify
  }

  package enum Limit: Sendable, Equatable {
    case share(Share)
    case time(TimeSpan)
    case money(Money)
    case number(Double)
    /// A multiple of the previous stage's mean, written `2x`.
    case multiple(Double)
  }

  package var metric: Metric
  package var limit: Limit
  package var action: Action
  /// The query of a `prometheus` guard, empty for the others.
  package var query = ""
  /// A lower limit at which the plan is held and people are told; never rolled back.
  package var investigate: Share?
  /// Requests of this stage that the threshold trigger looks back on.
  package var window = 500
  package var minRequests = 100
  /// The next four override the preset. Standard errors above the limit before the threshold
  /// trigger fires; 0 is word for word.
  package var margin: Double?
  package var sustain: TimeSpan?
  package var minAffectedUsers: Int?
  /// The score at which it fires.
  package var firingScore: Double?
  /// Which results count as bad, for rates over outcomes.
  package var counts: Set<Outcome.Result> = [.failed, .degradedFallback]
  package var dryRun = false
  /// Whether an automatic advance waits for it although nobody has voted yet.
  package var isRequired = false

  package init(_ metric: Metric, max limit: Limit, action: Action = .rollback) {
    self.metric = metric
    self.limit = limit
    self.action = action
  }

  /// What a plan without `guards` gets: 5 % errors, 5 s mean latency.
  package static let defaults: [Guard] = {
    var errors = Guard(.errorRate, max: .share(.percent(5)))
    errors.investigate = .percent(1)
    return [errors, Guard(.latencyMean, max: .time(.seconds(5)))]
  }()
}
