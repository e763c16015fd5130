import DocumentKit
import RolloutCore
import RolloutGateway

/// What the header fields of an answer say of who answered and why.
extension AICall {
  typealias Headers = [(name: String, value: String)]

  func headers(_ answer: AIAnswer) -> Headers {
    switch answer {
    case .provider(let completion):
      let cost = completion.cost.map {
        [(name: "x-rollout-cost-usd", value: String($0.text.dropFirst()))]
      }
      return headers(
        Self.provider(completion.trail, dropped: completion.dropped) + (cost ?? []))
    case .fallback(_, let reason, let attempts):
      return headers([
        ("x-rollout-served-by", "fallback"), ("x-rollout-reason", reason.rawValue),
        ("x-rollout-attempts", String(attempts)), ("x-rollout-cost-usd", "0"),
      ])
    case .cached(let answer, let isStale, let age):
      return headers([
        ("x-rollout-served-by", isStale ? "stale_cache" : "cache"),
        ("x-rollout-provider", answer.provider), ("x-rollout-model", answer.model),
        ("x-rollout-attempts", "0"), ("x-rollout-cost-usd", "0"),
        ("Age", "\(age.milliseconds / 1000)"),
      ])
    case .none(let why):
      return headers(why.reason.map { [("x-rollout-reason", $0.rawValue)] } ?? [])
        + why.retryHeaders
    }
  }

  /// Of a stream, whose cost nobody knows yet.
  func headers(streamedBy trail: Gateway.Trail, dropped: [String]) -> Headers {
    headers(Self.provider(trail, dropped: dropped))
  }

  /// Bytes of a field that says what callers wrote.
  private static let fieldSizeMax = 512

  private static func provider(_ trail: Gateway.Trail, dropped: [String]) -> Headers {
    let served = [
      (name: "x-rollout-served-by", value: "provider"), ("x-rollout-provider", trail.provider),
      ("x-rollout-model", trail.model), ("x-rollout-attempts", String(trail.attempts)),
    ]
    guard !dropped.isEmpty else { return served }
    return served + [
      (
        "x-rollout-dropped-params",
        dropped.joined(separator: ", ").clipped(toBytes: fieldSizeMax)
      )
    ]
  }

  private func headers(_ served: Headers) -> Headers {
    let own = [
      (name: "x-request-id", value: requestID), ("x-rollout-feature", feature),
      ("x-rollout-enabled", isEnabled ? "true" : "false"),
    ]
    guard let allowance else { return own + served }
    return own + served + [
      ("x-ratelimit-limit-requests", "\(allowance.limit)"),
      ("x-ratelimit-remaining-requests", "\(allowance.remaining)"),
      ("x-ratelimit-reset-requests", "\(allowance.reset)ms"),
    ]
  }
}

extension NoAnswer {
  /// When to come again, and what stands in the way until then.
  fileprivate var retryHeaders: AICall.Headers {
    switch self {
    case .limited(let refusal):
      return [("Retry-After", "\(refusal.seconds)"), ("x-rollout-limit", refusal.name)]
    case .overBudget(_, let seconds): return seconds.map { [("Retry-After", "\($0)")] } ?? []
    case .exhausted(let exhausted):
      var headers = [(name: "x-rollout-attempts", value: String(exhausted.attempts))]
      if case .limited(let limit, _) = exhausted.last {
        headers.append(("x-rollout-limit", limit.rawValue))
      }
      if let seconds = exhausted.retryAfter { headers.append(("Retry-After", "\(seconds)")) }
      return headers
    case .userRequired, .notInRollout, .noRoute, .callerError, .givenUp, .tokenEnded: return []
    }
  }
}
