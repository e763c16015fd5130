import HTTPKit
import PlatformKit
import RolloutCore

/// What a provider allows: as `rollout.yaml` says, and as the provider's own answers say.
/// A value without a clock.
struct ProviderQuota: Sendable {
  /// One thing a provider counts, as its last answer told.
  struct Learnt: Sendable, Equatable {
    /// Of a minute, where the provider says.
    var limit: Int?
    var remaining: Int
    var resetAt: MonotonicInstant
  }

  /// Which of its limits keeps a call waiting.
  struct Shut: Sendable, Equatable {
    var limit: ProviderLimit
    /// Milliseconds until it opens.
    var wait: Int
  }

  /// No provider allows more; a larger number is not believed.
  private static let countMax = 1_000_000_000_000

  private let requestLimit: RateLimit?
  private let tokenLimit: RateLimit?
  private var requestRate = CellRate()
  private var tokenRate = CellRate()
  private(set) var requests: Learnt?
  private(set) var tokens: Learnt?
  /// The provider said 429 and how long.
  private var throttledUntil = MonotonicInstant.beginning

  init(requests: RateLimit?, tokens: RateLimit?) {
    requestLimit = requests
    tokenLimit = tokens
  }

  /// Whether the configuration says the same of both.
  func hasLimits(of other: ProviderQuota) -> Bool {
    requestLimit == other.requestLimit && tokenLimit == other.tokenLimit
  }

  /// What keeps a call of about so many tokens waiting; nil when nothing does.
  func shut(_ count: Int, now: MonotonicInstant) -> Shut? {
    var shut: Shut?
    func consider(_ limit: ProviderLimit, _ wait: Int) {
      if wait > shut?.wait ?? 0 { shut = Shut(limit: limit, wait: wait) }
    }
    consider(.requests, throttledUntil.milliseconds(since: now))
    if let requestLimit { consider(.requests, requestRate.wait(1, requestLimit, now: now)) }
    if let tokenLimit { consider(.tokens, tokenRate.wait(count, tokenLimit, now: now)) }
    if let requests, requests.remaining < 1 {
      consider(.requests, requests.resetAt.milliseconds(since: now))
    }
    if let tokens, tokens.remaining < min(count, tokens.limit ?? count) {
      consider(.tokens, tokens.resetAt.milliseconds(since: now))
    }
    return shut
  }

  mutating func take(_ count: Int, now: MonotonicInstant) {
    if let requestLimit { requestRate.take(1, requestLimit, now: now) }
    if let tokenLimit { tokenRate.take(count, tokenLimit, now: now) }
    requests?.remaining -= 1
    tokens?.remaining -= count
  }

  /// Corrects what `take` guessed.
  mutating func correct(_ guessed: Int, to actual: Int, now: MonotonicInstant) {
    if let tokenLimit { tokenRate.take(actual - guessed, tokenLimit, now: now) }
  }

  mutating func throttle(milliseconds: Int, now: MonotonicInstant) {
    throttledUntil = max(throttledUntil, now.after(milliseconds: milliseconds))
  }

  /// Reads the rate headers of OpenAI (`x-ratelimit-…`, spans) and Anthropic
  /// (`anthropic-ratelimit-…`, instants); what cannot be read is not believed. `wall` is the time
  /// of day in milliseconds since 1970.
  mutating func learn(_ head: HTTPAnswerHead, now: MonotonicInstant, wall: Int64) {
    func learnt(_ limit: String?, _ remaining: String?, _ reset: String?) -> Learnt? {
      guard let remaining = remaining.flatMap({ Int($0) }), (0...Self.countMax).contains(remaining),
        let reset = reset.flatMap({ RateReset.milliseconds($0, wall: wall) })
      else { return nil }
      let limit = limit.flatMap { Int($0) }.flatMap { (1...Self.countMax).contains($0) ? $0 : nil }
      return Learnt(limit: limit, remaining: remaining, resetAt: now.after(milliseconds: reset))
    }
    let fields = head.headers
    requests =
      learnt(
        fields["x-ratelimit-limit-requests"], fields["x-ratelimit-remaining-requests"],
        fields["x-ratelimit-reset-requests"])
      ?? learnt(
        fields["anthropic-ratelimit-requests-limit"],
        fields["anthropic-ratelimit-requests-remaining"],
        fields["anthropic-ratelimit-requests-reset"]) ?? requests
    tokens =
      learnt(
        fields["x-ratelimit-limit-tokens"], fields["x-ratelimit-remaining-tokens"],
        fields["x-ratelimit-reset-tokens"])
      ?? learnt(
        fields["anthropic-ratelimit-tokens-limit"],
        fields["anthropic-ratelimit-tokens-remaining"],
        fields["anthropic-ratelimit-tokens-reset"]) ?? tokens
  }

  /// What it allows in a minute, as far as anybody has said.
  var perMinute: (requests: Double?, tokens: Double?) {
    (
      requestLimit?.perMinute ?? requests?.limit.map(Double.init),
      tokenLimit?.perMinute ?? tokens?.limit.map(Double.init)
    )
  }
}

/// A limit of a provider.
package enum ProviderLimit: String, Sendable {
  /// Calls at once: the queue is full, or the turn did not come in time.
  case queue
  case requests = "provider_requests"
  case tokens = "provider_tokens"
}
