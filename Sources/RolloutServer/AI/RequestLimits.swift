import RolloutAPI
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

  /// What the limits say to one request.
  struct Answer: Sendable {
    /// nil when it may go on.
    var problem: Problem?
    /// The limit that said no; empty when none did.
    var limit = ""
    /// Seconds until it says yes.
    var retryAfter: Double?
    var headers: [(name: String, value: String)] = []
  }

  /// Counts the request. A request without a user id is counted as its app; a user of one app is
  /// not that of another.
  func check(_ call: ChatCall, now: Int) -> Answer {
    var answer = Answer()
    for (name, limiter, user) in [("per_user", user, call.user ?? ""), ("per_app", app, "")] {
      guard let limiter else { continue }
      let allowance = limiter.admit(user, of: call.app, now: now)
      answer.headers = [
        ("x-ratelimit-limit-requests", "\(limiter.limit.count)"),
        ("x-ratelimit-remaining-requests", "\(allowance.remaining)"),
        ("x-ratelimit-reset-requests", "\(allowance.reset)ms"),
      ]
      guard !allowance.isAllowed else { continue }
      let seconds = max(1, (allowance.retryAfter + 999) / 1000)
      answer.headers.append(("Retry-After", "\(seconds)"))
      answer.headers.append(("x-rollout-limit", name))
      answer.limit = name
      answer.retryAfter = Double(allowance.retryAfter) / 1000
      answer.problem = Problem(
        .rateLimited, "The limit \(name) of \(limiter.limit.text) is reached; wait \(seconds) s.")
      return answer
    }
    return answer
  }
}
