import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway

extension ChatEndpoint {
  /// Who asks for what, and what the evaluator says; a call that will go to a provider runs from
  /// now on, as the monitor sees it.
  func call(
    _ request: APIRequest, _ chat: ChatRequest, isBatch: Bool = false
  ) throws(Problem) -> ChatCall {
    let plan = try plan(request)
    let arrivedAt = clock.moment
    // An empty one means none, and leaves the word to the next.
    let user = [
      request.field("x-rollout-user"), chat["user"]?.string, chat["safety_identifier"]?.string,
      chat["metadata"]?["user_id"]?.string,
    ].lazy.compactMap { $0 }.first { !$0.isEmpty }
    var context = EvaluationContext(user: user)
    if let text = request.field("x-rollout-attributes") {
      context.attributes = try Self.attributes(text)
    }
    try context.check()
    let decision = try? plan.decide(context)
    let isEnabled = decision?.enabled == true
    metrics.evaluations.counter(plan.plan.feature).countShared(
      enabled: isEnabled, for: request.principal.account)
    let hasRoute =
      plan.plan.definition.route.map { gateway.configuration.routes[$0] != nil } ?? false
    let running =
      isEnabled && hasRoute
      ? ledger.begin(
        plan.plan.feature, user: context.user.map { Outcome.hash(user: $0) }, at: clock.steady)
      : nil
    return ChatCall(
      chat, plan: plan, app: request.principal.tokenID ?? "anonymous", user: context.user,
      decision: decision, running: running, arrivedAt: arrivedAt, isBatch: isBatch)
  }

  /// `X-Rollout-Attributes: {"email":"a@acme.com"}`, for rules of a plan's stages.
  static func attributes(_ text: String) throws(Problem) -> Attributes {
    guard let members = try? JSONReader.read(Array(text.utf8)).members else {
      throw Problem(.badRequest, "X-Rollout-Attributes must be a JSON object.")
    }
    return try EvaluationContext(attributes: members, path: "X-Rollout-Attributes").attributes
  }
}
