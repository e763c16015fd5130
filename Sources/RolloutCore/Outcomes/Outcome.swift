import DocumentKit

/// What one request was like for its user, after retries and fallbacks.
package struct Outcome: Sendable, Equatable {
  package enum Result: String, Sendable, CaseIterable {
    case ok
    case degradedModel = "degraded_model"
    case degradedCache = "degraded_cache"
    case degradedFallback = "degraded_fallback"
    case failed
    /// The client went away, our own limits said no, or the caller erred: never counted.
    case excluded
  }

  package enum Arm: String, Sendable, CaseIterable {
    case treatment, control
    /// The plan's rules ask for attributes that were not sent: kept in totals, scored in no arm.
    case unknown
  }

  package var result: Result
  package var arm: Arm
  /// A hash of the user id; nil when the request had none. The id itself is not kept.
  package var user: UInt64?
  /// A place on the steady timeline.
  package var at: Instant
  /// When it was decided who serves the request: it belongs to the stage in force then.
  package var beganAt: Instant
  /// Milliseconds; nil when unknown.
  package var latency: Double?
  /// nil when nobody said, as with `cost`.
  package var inputTokens: Int?
  package var outputTokens: Int?
  package var cost: Money?
  /// Whether the user's bucket decided: only those are compared between the arms.
  package var isDrawn = true
  /// Excluded because its user did not wait: it took at least as long as `latency`.
  package var isGivenUp = false
  /// Of a bad outcome of the AI path.
  package var origin: FailureOrigin?
  /// Whether nobody said when it was, nor by which version it was decided: it arrived at `at`.
  package var isUndated = false
  /// Answered from a cache, which says nothing about the provider's health.
  package var isFromCache = false

  /// `beganAt` is `at` less the latency where nothing else is said.
  package init(
    result: Result, arm: Arm, user: UInt64?, at: Instant, beganAt: Instant? = nil,
    latency: Double? = nil, inputTokens: Int? = nil, outputTokens: Int? = nil, cost: Money? = nil
  ) {
    self.result = result
    self.arm = arm
    self.user = user
    self.at = at
    let ran = Int64(min(max(latency ?? 0, 0), 86_400_000))
    self.beganAt = beganAt ?? Instant(milliseconds: at.milliseconds &- ran)
    self.latency = latency
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.cost = cost
  }

  /// Both ways together; nil when nobody said.
  package var tokens: Int? {
    guard inputTokens != nil || outputTokens != nil else { return nil }
    return (inputTokens ?? 0).adding(outputTokens ?? 0)
  }

  /// Whether, being good, it is evidence that the feature is well.
  package var provesHealth: Bool { (result == .ok || result == .degradedModel) && !isFromCache }

  /// FNV-1a, 64 bits: enough to tell a window's users apart, too little to name them.
  package static func hash(user: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in user.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
