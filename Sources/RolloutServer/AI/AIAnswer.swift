import RolloutCore
import RolloutGateway

/// How a call ends that is not streamed.
enum AIAnswer: Sendable {
  /// Why it was not a provider's usual answer; the words are what clients read.
  enum Reason: String, Sendable {
    case limit, budget
    case unknownPrice = "unknown_price"
    case userRequired = "user_required"
    case notInRollout = "not_in_rollout"
    case noRoute = "no_route"
    case callerError = "caller_error"
    case breakerOpen = "breaker_open"
    case allTargetsFailed = "all_targets_failed"
  }

  case provider(Gateway.Completion)
  /// Given before, so long ago; a stale one stands in for providers that fail.
  case cached(CachedAnswer, isStale: Bool, age: TimeSpan)
  /// The plan's own words, and after how many tries.
  case fallback(text: String, reason: Reason, attempts: Int)
  case none(NoAnswer)

  /// Seconds after which there may be room; nil when the answer stands. Who is not in a hurry can
  /// wait where others would rather have the fallback.
  var wait: Double? {
    switch self {
    case .fallback(_, .limit, _): 1
    case .none(.limited(let refusal)): refusal.wait
    case .none(.exhausted(let exhausted)):
      if case .limited = exhausted.last { exhausted.retryAfter.map(Double.init) } else { nil }
    case .provider, .cached, .fallback, .none: nil
    }
  }
}
