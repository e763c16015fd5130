import PlatformKit
import RolloutCore
import RolloutGateway

/// The limits of `rollout.yaml` on AI requests: of one user, and of one app.
struct RequestLimits: Sendable {
  private let user: RateLimiter?
  private let app: RateLimiter?

  /// A limit that `previous` had too goes on counting.
  init(_ configuration: GatewayConfiguration, after previous: RequestLimits? = nil) {
    func limiter(_ limit: RateLimit?, _ known: RateLimiter?) -> RateLimiter? {
      guard let limit else { return nil }
      if let known, known.limit == limit { return known }
      return RateLimiter(limit)
    }
    user = limiter(configuration.userLimit, previous?.user)
    app = limiter(configuration.appLimit, previous?.app)
  }

  /// What a limit leaves a caller.
  struct Allowance: Sendable, Equatable {
    var limit: Int
    var remaining: Int
    /// Milliseconds until all of it is there again.
    var reset: Int
  }

  /// A limit says no.
  struct Refusal: Error, Equatable {
    /// The limit's name and what it allows, in words.
    var name: String
    var text: String
    /// Milliseconds until it says yes.
    var retryAfter: Int

    /// The same in seconds, and in whole ones.
    var wait: Double { Double(retryAfter) / 1000 }
    var seconds: Int { max(1, (retryAfter + 999) / 1000) }
  }

  /// Counts the call, and notes in it what it is left. A call without a user id is counted as its
  /// app; a user of one app is not that of another.
  func check(_ call: inout AICall, now: MonotonicInstant) throws(Refusal) {
    for (name, limiter, user) in [("per_user", user, call.user ?? ""), ("per_app", app, "")] {
      guard let limiter else { continue }
      let allowance = limiter.admit(user, of: call.app, now: now)
      call.allowance = Allowance(
        limit: limiter.limit.count, remaining: allowance.remaining, reset: allowance.reset)
      guard allowance.isAllowed else {
        throw Refusal(name: name, text: limiter.limit.text, retryAfter: allowance.retryAfter)
      }
    }
  }
}
