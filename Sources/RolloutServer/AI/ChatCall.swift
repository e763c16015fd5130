import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore
import Synchronization

/// One AI request: who asks for what, and what the evaluator says.
struct ChatCall: Sendable {
  /// Who answered, for the headers.
  enum Served {
    case provider(Gateway.Trail, Money?, dropped: [String])
    case fallback(String, Int)
    case cache(CachedAnswer, isStale: Bool, age: TimeSpan)
    case refused(String)
  }

  let plan: CompiledPlan
  /// As the caller wrote it.
  var request: ChatRequest
  /// The token's id: which app asks.
  let app: String
  let arrivedAt: Moment
  let user: String?
  /// nil when a percentage would have to decide and there is no user: outside.
  let decision: Decision?
  let requestID: String
  /// Milliseconds of the monotonic clock.
  let started = monotonicMilliseconds()
  /// The request among those that the monitor sees running; nil when no provider is called.
  let running: Int?
  /// What the limits say, for the answer.
  var limitHeaders: [(name: String, value: String)] = []
  /// Seconds until a limit lets the call go on; nil when none is in its way.
  var retryAfter: Double?

  /// Whether nobody waits for the answer in person.
  let isBatch: Bool

  /// Who it is to limits and queues.
  var caller: Caller { Caller(app: app, user: user ?? "", isBatch: isBatch) }

  var shapes: ChatShapes { ChatShapes(dialect: request.dialect) }

  init(
    _ request: ChatRequest, plan: CompiledPlan, app: String, user: String?, decision: Decision?,
    running: Int?, arrivedAt: Moment, isBatch: Bool
  ) {
    self.request = request
    self.plan = plan
    self.app = app
    self.user = user
    self.decision = decision
    self.running = running
    self.arrivedAt = arrivedAt
    self.isBatch = isBatch
    requestID = Self.newRequestID()
  }

  /// Drawn at the start: two processes do not meet.
  private static let requestPrefix = "req_" + Digest.hexadecimal(Digest.random(8))
  private static let requestCount = Atomic<Int>(0)

  /// Unlike any other; nothing depends on nobody guessing it.
  private static func newRequestID() -> String {
    let number = requestCount.wrappingAdd(1, ordering: .relaxed).newValue
    return requestPrefix + String(number, radix: 36)
  }

  /// The plan's route; a model that the caller names and the route lists is asked first.
  func route(_ configuration: GatewayConfiguration) -> GatewayConfiguration.Route? {
    guard var route = plan.plan.definition.route.flatMap({ configuration.routes[$0] }) else {
      return nil
    }
    if route.targets.count > 1, let model = request["model"]?.string,
      route.targets.contains(where: { $0.model == model })
    {
      route.targets =
        route.targets.filter { $0.model == model } + route.targets.filter { $0.model != model }
    }
    return route
  }

  func headers(_ served: Served) -> [(name: String, value: String)] {
    var headers = [
      (name: "x-request-id", value: requestID),
      (name: "x-rollout-feature", value: plan.plan.feature),
      (name: "x-rollout-enabled", value: decision?.enabled == true ? "true" : "false"),
    ]
    switch served {
    case .provider(let trail, let cost, let dropped):
      headers += [
        ("x-rollout-served-by", "provider"), ("x-rollout-provider", trail.provider),
        ("x-rollout-model", trail.model), ("x-rollout-attempts", String(trail.attempts)),
      ]
      if !dropped.isEmpty {
        headers.append(("x-rollout-dropped-params", dropped.joined(separator: ", ")))
      }
      if let cost { headers.append(("x-rollout-cost-usd", String(cost.text.dropFirst()))) }
    case .fallback(let reason, let attempts):
      headers += [
        ("x-rollout-served-by", "fallback"), ("x-rollout-reason", reason),
        ("x-rollout-attempts", String(attempts)), ("x-rollout-cost-usd", "0"),
      ]
    case .cache(let answer, let isStale, let age):
      headers += [
        ("x-rollout-served-by", isStale ? "stale_cache" : "cache"),
        ("x-rollout-provider", answer.provider), ("x-rollout-model", answer.model),
        ("x-rollout-attempts", "0"), ("x-rollout-cost-usd", "0"),
        ("Age", "\(age.milliseconds / 1000)"),
      ]
    case .refused(let reason): headers.append(("x-rollout-reason", reason))
    }
    return headers + limitHeaders
  }
}
