import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// Plans: reading, applying, commanding.
struct PlanEndpoint: Sendable {
  let controller: PlanController
  let store: any PlanStore
  let ledger: OutcomeLedger
  let clock: any SteadyClock
  let settings: Current<ServerConfiguration>
  let asks: AskBook

  /// Names a plan's `route` may have.
  private var routeNames: Set<String> { Set(settings.value.gateway.routes.keys) }

  var routes: [Route] {
    func route(
      _ method: HTTPMethod, _ path: String, _ scope: Scope,
      _ answer: @escaping @Sendable (APIRequest) async throws -> HTTPResponse
    ) -> Route {
      Route(method, path, .scopes([scope]), featureLimit: .path, .task(answer))
    }
    return [
      Route(.get, "/v1/plans", .scopes([.view]), featureLimit: .respected, .task(list)),
      route(.get, "/v1/plans/{feature}", .view, show),
      route(.put, "/v1/plans/{feature}", .operate, apply),
      route(.get, "/v1/plans/{feature}/events", .view, events),
      route(.get, "/v1/plans/{feature}/health", .view, health),
      route(.get, "/v1/plans/{feature}/preview", .view, preview),
    ]
      + Command.names.map { name in
        route(.post, "/v1/plans/{feature}/\(name)", .operate) { try await command(name, $0) }
      }
  }

  // MARK: Reading

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let after = try request.queryValue("after") ?? ""
    let limit = try request.limit()
    let visible = await controller.allPlans().filter {
      $0.feature > after && request.principal.may(use: $0.feature)
    }
    let page = visible.prefix(limit)
    var views: [PlanView] = []
    for plan in page {
      views.append(await controller.view(plan, for: request.principal.actor))
    }
    let next = visible.count > limit ? page.last?.feature : nil
    return try .json(PlanList(plans: views, next: next))
  }

  private func plan(_ request: APIRequest) async throws -> Plan {
    try await controller.plan(request.parameters[0])
  }

  private func show(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try await answer(plan(request), to: request)
  }

  private func answer(
    _ plan: Plan, to request: APIRequest, status: Int = 200, warnings: [String] = [],
    audience: AudienceChange? = nil
  ) async throws -> HTTPResponse {
    try .json(
      await controller.view(
        plan, for: request.principal.actor, warnings: warnings, audience: audience),
      status: status, headers: [("ETag", "\"\(plan.version)\"")])
  }

  /// 202 says that it is done, and not on disk yet.
  private func answer(
    _ done: PlanController.Done, to request: APIRequest, status: Int = 200
  ) async throws -> HTTPResponse {
    try await answer(
      done.plan, to: request, status: done.isDurable ? status : 202, warnings: done.warnings,
      audience: done.audience)
  }

  private func events(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let plan = try await plan(request)
    let limit = try request.limit()
    let events = try await store.events(
      feature: plan.feature, before: try request.cursor(), limit: limit + 1)
    let page = events.prefix(limit)
    let next = events.count > limit ? page.last.map { String($0.id) } : nil
    return try .json(EventList(events: page.map(EventView.init), next: next))
  }

  private func health(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let plan = try await plan(request)
    let now = clock.steady
    guard let (health, assessment) = ledger.inspect(plan.feature, now: now) else {
      throw PlanController.UnknownFeature(feature: plan.feature)
    }
    return try .json(HealthView(health, assessment))
  }

  private func preview(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("stage")
    let plan = try await plan(request)
    let name = try request.queryValue("stage") ?? plan.nextStage?.name ?? plan.stageName
    var next = plan
    guard let index = plan.definition.stages.firstIndex(where: { $0.name == name }) else {
      let names = plan.definition.stages.map(\.name).joined(separator: ", ")
      throw Problem(.badRequest, "There is no stage \(quoted(name)); stages: \(names).")
    }
    next.stageIndex = index
    if !next.isServing { next.status = .active }
    let exposure = Exposure.between(plan, next)
    let projection = ledger.gates(plan.feature, now: clock.steady).projection
    var members = 0
    for cohort in Set(next.definition.stages.prefix(index + 1).compactMap(\.cohort)) {
      members += await controller.memberCount(of: cohort)
    }
    return try .json(
      PreviewView(
        feature: plan.feature, stage: name, served: Exposure.servedShare(next),
        joins: exposure.joins, leaves: exposure.leaves, members: members,
        projection: projection?.stage == name ? projection.map(ProjectionView.init) : nil))
  }

  // MARK: Applying

  private func definition(_ request: APIRequest) throws -> PlanDefinition {
    let type = request.field("content-type") ?? "application/json"
    let document =
      type.contains("yaml")
      ? try YAMLReader.read(request.body) : try JSONReader.read(request.body)
    return try definition(document, feature: request.parameters[0])
  }

  private func definition(_ document: Document, feature: String) throws -> PlanDefinition {
    let definition = try PlanDefinition(document)
    try definition.checkRuleCost()
    guard definition.feature == feature else {
      throw Problem(
        .invalidPlan,
        "The plan is for \(definition.feature), the path says \(quoted(feature)).")
    }
    if let route = definition.route, !routeNames.contains(route) {
      let known = routeNames.isEmpty ? "none" : routeNames.sorted().joined(separator: ", ")
      throw Problem(
        .invalidPlan,
        "There is no route \(quoted(route)) in the server's configuration; known: \(known).")
    }
    return definition
  }

  private func apply(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("dry_run")
    let feature = request.parameters[0]
    let definition = try definition(request)
    let existing = await controller.planIfAny(feature)
    if try request.queryValue("dry_run") == "true" {
      // What cannot be read cannot be compared with either.
      let readable = await controller.isUnreadable(feature) ? nil : existing
      try await controller.checkCohorts(of: definition, limit: request.principal.features)
      return try dryRun(definition, readable)
    }
    var expected: Int?
    if existing == nil {
      if let tag = request.field("if-match") {
        throw Problem(
          .staleVersion,
          "There is no plan \(feature) yet, so it has no version \(tag); "
            + "leave If-Match out to create it.")
      }
    } else if request.field("if-none-match") == "*" {
      throw Problem(
        .alreadyExists, "There is a plan \(feature) already; send If-Match to change it.")
    } else {
      expected = try request.expectedVersion()
    }
    let done = try await controller.apply(
      definition, expecting: expected, actor: request.principal.actor, reason: "applied",
      limit: request.principal.features)
    return try await answer(done, to: request, status: existing == nil ? 201 : 200)
  }

  private func dryRun(_ definition: PlanDefinition, _ existing: Plan?) throws -> HTTPResponse {
    guard let existing else {
      let context = CommandContext(actor: .anonymous, reason: "", now: clock.moment)
      let plan = Lifecycle.create(definition, context).plan
      return try .json(
        PlanDiff(
          changes: changes(.null, plan.definition.document), joins: 0, leaves: 0,
          file: definition.digest))
    }
    // Shown although it may not be applied: whoever is to approve it looks here first.
    let index = try Lifecycle.stageIndex(of: existing, in: definition)
    let audience = AudienceChange(existing, to: definition, index: index)
    var next = existing
    next.definition = definition
    next.stageIndex = index
    let exposure = Exposure.between(existing, next)
    return try .json(
      PlanDiff(
        changes: changes(existing.definition.document, definition.document),
        joins: exposure.joins, leaves: exposure.leaves, audience: audience,
        file: definition.digest, approvedBy: Lifecycle.approvers(of: definition.digest, existing),
        held: audience.widens && existing.hold?.needsAcknowledgement == true))
  }

  // MARK: Commands

  private func command(_ name: String, _ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let plan = try await plan(request)
    let body = try CommandMessage(try request.json(), name)
    guard var command = Command.named(name, to: body.to) else {
      throw Problem(.notFound, "There is no command \(name).")
    }
    if let file = body.file {
      guard body.to == nil else {
        throw Problem(.badRequest, "One approval is of a file or of a stage; send the other apart.")
      }
      let definition = try definition(file, feature: plan.feature)
      command = .approveFile(digest: definition.digest)
    }
    let version = try request.expectedVersion()
    var context = CommandContext(
      actor: request.principal.actor, reason: body.reason, now: clock.moment)
    context.force = body.force
    if case .archive = command {
      context.confirm = body.confirm
      let now = context.now.steady
      context.askers = asks.askers(of: plan.feature, now: now)
      // Who asked is forgotten with a restart; that somebody did is not.
      let last = asks.isYoung(now) ? ledger.lastTraffic(of: plan.feature) : nil
      context.wasAskedBefore = last.map { now.since($0) < AskBook.window } ?? false
    }
    guard let key = try request.idempotencyKey() else {
      let done = try await controller.perform(
        command, on: plan.feature, expecting: version, context)
      return try await answer(done, to: request)
    }
    let scope = "\(name) \(plan.feature) \(context.actor.text)"
    let hash = Digest.sha256(Array("\(version) ".utf8) + request.body)
    if let known = try await store.answer(scope: scope, key: key, now: clock.steady) {
      guard known.requestHash == hash else {
        throw Problem(
          .idempotencyKeyReused,
          "This Idempotency-Key was used for another request; take a new one.")
      }
      return HTTPResponse(status: 200, body: Array(known.answer.utf8))
    }
    let expires = clock.steady + .days(1)
    let done = try await controller.perform(
      command, on: plan.feature, expecting: version, context
    ) { view in
      StoredAnswer(
        scope: scope, key: key, requestHash: hash,
        answer: String(decoding: try WireEncoder.json(view), as: UTF8.self), expiresAt: expires)
    }
    return try await answer(done, to: request)
  }
}

/// The body of a command, strictly read.
private struct CommandMessage {
  var reason = ""
  var to: String?
  var force = false
  /// The file that is approved, with `approve`.
  var file: Document?
  var confirm: String?

  init(_ document: Document, _ name: String) throws(Problem) {
    do throws(DocumentError) {
      var reader = try ObjectReader(document)
      reason = try reader.string("reason") ?? ""
      if ["advance", "rollback", "approve"].contains(name) { to = try reader.text("to") }
      force = try reader.bool("force") ?? false
      if name == "approve" { file = reader.optional("definition") }
      if name == "archive" { confirm = try reader.string("confirm") }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    guard reason.utf8.count <= 2000 else {
      throw Problem(.badRequest, "A reason is at most 2000 bytes.")
    }
  }
}

/// What differs between two documents, by path, in the order of the newer one.
func changes(_ from: Document, _ to: Document, path: String = "") -> [PlanDiff.Change] {
  if from == to { return [] }
  if let old = from.members, let new = to.members {
    let keys = new.map(\.key) + old.map(\.key).filter { key in !new.contains { $0.key == key } }
    return keys.flatMap { key -> [PlanDiff.Change] in
      let inner = path.isEmpty ? key : "\(path).\(key)"
      guard let a = from[key], let b = to[key] else {
        return [PlanDiff.Change(path: inner, from: from[key], to: to[key])]
      }
      return changes(a, b, path: inner)
    }
  }
  if let old = from.array, let new = to.array, old.count == new.count {
    return zip(old, new).enumerated().flatMap { index, pair in
      changes(pair.0, pair.1, path: "\(path)[\(index)]")
    }
  }
  return [
    PlanDiff.Change(
      path: path.isEmpty ? "plan" : path, from: from.isNull ? nil : from, to: to)
  ]
}
