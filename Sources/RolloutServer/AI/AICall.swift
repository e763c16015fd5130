import DigestKit
import DocumentKit
import PlatformKit
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore
import Synchronization

/// An AI request under way: what was asked, and what the evaluator says.
struct AICall: Sendable {
  let compiled: CompiledPlan
  var request: ChatRequest
  let app: String
  let user: String?
  let isStreamed: Bool
  let isBatch: Bool
  /// Whether who asks would be let in still.
  let isInForce: @Sendable () -> Bool
  /// nil when a percentage would have to decide and there is no user: outside.
  let decision: Decision?
  let arrivedAt: Moment
  let started: MonotonicInstant
  let requestID = newRequestID()
  /// What a limit leaves its caller; nil where none is asked.
  var allowance: RequestLimits.Allowance?

  var feature: String { compiled.plan.feature }
  var isEnabled: Bool { decision?.enabled == true }
  /// Who it is to limits and queues.
  var caller: Caller {
    Caller(app: app, user: user ?? "", isBatch: isBatch, isInForce: isInForce)
  }

  init(_ request: AIRequest, _ decision: Decision?, by clock: any ServerClock) {
    compiled = request.compiled
    self.request = request.chat
    app = request.app
    user = request.context.user
    isStreamed = request.isStreamed
    isBatch = request.isBatch
    isInForce = request.isInForce
    self.decision = decision
    arrivedAt = clock.moment
    started = clock.monotonic
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
    guard var route = compiled.plan.definition.route.flatMap({ configuration.routes[$0] }) else {
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
}
