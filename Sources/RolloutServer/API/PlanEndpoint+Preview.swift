import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// Who would have a feature at a stage.
extension PlanEndpoint {
  /// Users of one call.
  private static let previewedMax = 10_000

  /// The plan as it would be at the stage that was asked for, or the next one.
  func planned(_ plan: Plan, at name: String?) throws(Problem) -> Plan {
    let name = name ?? plan.nextStage?.name ?? plan.stageName
    guard let index = plan.definition.stages.firstIndex(where: { $0.name == name }) else {
      let names = plan.definition.stages.map(\.name).joined(separator: ", ")
      throw Problem(.badRequest, "There is no stage \(quoted(name)); stages: \(names).")
    }
    var next = plan
    next.stageIndex = index
    if !next.isServing { next.status = .active }
    return next
  }

  func preview(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("stage")
    let plan = try await plan(request)
    let next = try planned(plan, at: request.queryValue("stage"))
    let projection = ledger.gates(of: plan, now: clock.steady).projection
    var members = 0
    let open = next.definition.stages.prefix(next.stageIndex + 1)
    for cohort in Set(open.compactMap(\.audience.cohort)) {
      members += await controller.memberCount(of: cohort)
    }
    return try .json(
      PreviewView(of: next, after: plan, members: members, projection: projection))
  }

  /// `{"users":[{"id","attributes"}]}`: each of them, now and then. Draws nothing and counts nobody.
  func previewUsers(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("stage")
    let plan = try await plan(request)
    // A draft has its first stage before it.
    let usual = plan.status == .draft ? plan.definition.stages[0].name : nil
    let next = try planned(plan, at: request.queryValue("stage") ?? usual)
    let body = request.body
    let (now, then) = await (controller.compiled(plan), controller.compiled(next))
    return try await QuietThreads.reads.result {
      var reader = try ObjectReader(JSONReader.read(body))
      guard let users = try reader.list("users") else {
        throw Problem(.badRequest, "users is missing: send {\"users\":[{\"id\":\"…\"}]}.")
      }
      try reader.finish()
      let usersMax = min(Self.previewedMax, LongWork.costMax / then.evaluator.cost)
      guard users.count <= usersMax else {
        throw Problem(
          .tooMany, "At most \(usersMax) users of this plan in one call; split the list.")
      }
      let names = plan.definition.stages.map(\.name)
      let found = try users.map { entry in
        try Self.previewed(EvaluationContext(native: entry.element), now, then, names)
      }
      return try .json(
        UserPreviewView(
          feature: plan.feature, stage: next.stageName, planVersion: plan.version, users: found))
    }
  }

  private static func previewed(
    _ context: EvaluationContext, _ now: CompiledPlan, _ then: CompiledPlan, _ stages: [String]
  ) throws -> UserPreviewView.User {
    guard let user = context.user else {
      throw Problem(.userRequired, "Every user needs an id.")
    }
    let decision = try then.decide(context)
    return try UserPreviewView.User(
      user: user, bucket: decision.bucket ?? 0,
      cohort: decision.entryStage.map { stages[$0] } ?? "none", now: now.decide(context).enabled,
      then: decision.enabled, because: then.evaluator.because(decision))
  }
}
