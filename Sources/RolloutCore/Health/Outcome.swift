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
  }

  package var result: Result
  package var arm: Arm
  /// A hash of the user id; nil when the request had none. The id itself is not kept.
  package var user: UInt64?
  /// A place on the steady timeline.
  package var at: Instant
  /// Milliseconds; nil when unknown.
  package var latency: Double?
  package var inputTokens: Int
  package var outputTokens: Int
  package var cost: Money

  package init(
    result: Result, arm: Arm, user: UInt64?, at: Instant, latency: Double? = nil,
    inputTokens: Int = 0, outputTokens: Int = 0, cost: Money = .zero
  ) {
    self.result = result
    self.arm = arm
    self.user = user
    self.at = at
    self.latency = latency
    self.inputTokens = inputTokens
    self.outputTokens = outputTokens
    self.cost = cost
  }

  /// FNV-1a, 64 bits: enough to tell a window's users apart, too little to name them.
  package static func hash(user: String) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in user.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return hash
  }
}
