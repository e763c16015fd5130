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
  private static let populationMax = 10_000_000_000
  /// Users with the feature are looked for in so long, if the stage is as old.
  private static let seenFor = TimeSpan.days(7)

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

  /// A draft has its first stage before it.
  private func usual(_ plan: Plan) -> String? {
    plan.status == .draft ? plan.definition.stages[0].name : nil
  }

  /// The plan that `with` names, as it stands or at the stage of `with_stage`; nil without.
  private func other(_ request: APIRequest) async throws -> Plan? {
    let stage = try request.queryValue("with_stage")
    guard let feature = try request.queryValue("with") else {
      guard stage == nil else {
        throw Problem(.badRequest, "with_stage is a stage of another feature: name it in with.")
      }
      return nil
    }
    guard request.principal.may(use: feature) else {
      throw Problem(.forbidden, "The token is limited to other features than \(feature).")
    }
    guard feature != request.parameters[0] else {
      throw Problem(.badRequest, "with names another feature than the one that is looked at.")
    }
    let plan = try await controller.plan(feature)
    guard let stage = stage ?? usual(plan) else { return plan }
    return try planned(plan, at: stage)
  }

  // MARK: Without a list

  func preview(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("stage", "population", "with", "with_stage")
    let plan = try await plan(request)
    let next = try planned(plan, at: request.queryValue("stage") ?? usual(plan))
    let other = try await other(request)
    let given = try population(request)
    let projection = ledger.gates(of: plan, now: clock.steady).projection
    var last = next
    last.stageIndex = plan.definition.stages.count - 1
    let names = await controller.named(by: [last, other].compactMap { $0 })
    let all = await controller.compiled(last)
    let beside: CompiledPlan? = if let other { await controller.compiled(other) } else { nil }
    let (stage, count) = (next.stageIndex, plan.definition.stages.count)
    let named = try await QuietThreads.reads.result {
      NamedUsers(names ?? [], all.evaluator, beside?.evaluator, upTo: stage, of: count)
    }
    var crowd = given.map { Crowd(given: $0) }
    var unknown: String?
    if crowd == nil {
      do throws(Crowd.Unknown) { crowd = try await seen(plan, named) } catch { unknown = error.why }
    }
    var members = 0
    let open = next.definition.stages.prefix(next.stageIndex + 1)
    for cohort in Set(open.compactMap(\.audience.cohort)) {
      members += await controller.memberCount(of: cohort)
    }
    var view = PreviewView(of: next, after: plan, members: members, projection: projection)
    view.count(crowd, unknown: unknown, named, of: next, membersLookedAt: names != nil)
    if let other { view.compare(next, other, crowd, named) }
    return try .json(view)
  }

  private func population(_ request: APIRequest) throws -> Int? {
    guard let text = try request.queryValue("population") else { return nil }
    guard let count = Int(text), (1...Self.populationMax).contains(count) else {
      throw Problem(
        .badRequest,
        "population is a whole number of users from 1 to \(Self.populationMax), such as 100000.")
    }
    return count
  }

  /// How many users there are, from those who were seen with the feature at its stage.
  private func seen(_ plan: Plan, _ named: NamedUsers) async throws(Crowd.Unknown) -> Crowd {
    guard plan.isServing, let entered = plan.stageEnteredAt?.steady else {
      throw Crowd.Unknown(why: "nobody has it at present")
    }
    let open = plan.definition.stages.prefix(plan.stageIndex + 1)
    guard open.allSatisfy(\.audience.rules.isEmpty) else {
      throw Crowd.Unknown(
        why: "rules let in more than the percentage, so those seen say nothing of all users")
    }
    let now = clock.steady
    let from = max(entered, now - Self.seenFor)
    var sketch = UserSketch()
    do {
      let cells = try await telemetry.series(
        plan.feature, from: from, to: now + .seconds(1), step: .hour)
      for (key, cell) in cells where key.arm == .treatment { sketch.merge(cell.users) }
    } catch { throw Crowd.Unknown(why: "what was measured cannot be read at present") }
    return try Crowd(
      seen: sketch.estimate, share: Double(Exposure.servedShare(plan)) / 100_000,
      named: named.count(upTo: plan.stageIndex), over: now.since(from))
  }

  // MARK: Of a list

  /// `{"users":[{"id","attributes"}]}`: each of them, now and then. Draws nothing and counts nobody.
  func previewUsers(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("stage", "with", "with_stage")
    let plan = try await plan(request)
    let next = try planned(plan, at: request.queryValue("stage") ?? usual(plan))
    let other = try await other(request)
    let body = request.body
    let (now, then) = await (controller.compiled(plan), controller.compiled(next))
    let beside: CompiledPlan? = if let other { await controller.compiled(other) } else { nil }
    return try await QuietThreads.reads.result {
      var reader = try ObjectReader(JSONReader.read(body))
      guard let users = try reader.list("users") else {
        throw Problem(.badRequest, "users is missing: send {\"users\":[{\"id\":\"…\"}]}.")
      }
      try reader.finish()
      let cost = max(then.evaluator.cost, beside?.evaluator.cost ?? 0)
      let usersMax = min(Self.previewedMax, LongWork.costMax / cost)
      guard users.count <= usersMax else {
        throw Problem(
          .tooMany, "At most \(usersMax) users of this plan in one call; split the list.")
      }
      let names = plan.definition.stages.map(\.name)
      let found = try users.map { entry in
        try Self.previewed(EvaluationContext(native: entry.element), now, then, beside, names)
      }
      return try .json(
        UserPreviewView(
          feature: plan.feature, stage: next.stageName, planVersion: plan.version, stages: names,
          other: other.map { .init(feature: $0.feature, stage: $0.stageName) }, users: found))
    }
  }

  private static func previewed(
    _ context: EvaluationContext, _ now: CompiledPlan, _ then: CompiledPlan,
    _ other: CompiledPlan?, _ stages: [String]
  ) throws -> UserPreviewView.User {
    guard let user = context.user else {
      throw Problem(.userRequired, "Every user needs an id.")
    }
    let decision = try then.decide(context)
    return try UserPreviewView.User(
      user: user, bucket: decision.bucket ?? 0,
      cohort: decision.entryStage.map { stages[$0] } ?? "none", now: now.decide(context).enabled,
      then: decision.enabled, other: other?.decide(context).enabled,
      because: then.evaluator.because(decision))
  }
}
