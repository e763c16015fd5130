import DocumentKit
import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutGateway
import RolloutStore
import YAMLKit

/// Plans: reading, applying, commanding.
struct PlanEndpoint: Sendable {
  let controller: PlanController
  let store: any PlanStore
  let telemetry: any TelemetryStore
  let ledger: OutcomeLedger
  let clock: any SteadyClock
  let settings: Current<ServerConfiguration>
  let asks: AskBook

  /// Names a plan's `route` may have.
  private var routeNames: Set<String> { Set(settings.value.gateway.routes.keys) }

  var routes: [Route] {
    func route(
      _ method: HTTPMethod, _ path: String, _ scope: Scope,
      isLong: @escaping @Sendable (RequestView) -> Bool = { _ in false },
      _ answer: @escaping @Sendable (APIRequest) async throws -> HTTPResponse
    ) -> Route {
      Route(
        method, path, .scopes([scope]), featureLimit: .path, isLong: isLong, .task(answer))
    }
    // A large file takes long to read, and what it changes takes long to tell.
    let hasFile: @Sendable (RequestView) -> Bool = {
      $0.body.count > LongWork.loopBodyMax || $0.contentCoding != nil
    }
    return [
      Route(.get, "/v1/plans", .scopes([.view]), featureLimit: .respected, .task(list)),
      Route(
        .post, "/v1/plans", .scopes([.operate]), featureLimit: .respected,
        bodySizeMax: Self.folderSizeMax, isLong: hasFile, .task(applyAll)),
      route(.get, "/v1/plans/{feature}", .view, show),
      route(
        .put, "/v1/plans/{feature}", .operate,
        isLong: { hasFile($0) || !$0.query.isEmpty }, apply),
      route(.get, "/v1/plans/{feature}/events", .view, events),
      route(.get, "/v1/plans/{feature}/health", .view, health),
      route(.get, "/v1/plans/{feature}/preview", .view, isLong: { _ in true }, preview),
      Route(
        .post, "/v1/plans/{feature}/preview", .scopes([.view]), featureLimit: .path,
        bodySizeMax: 8 << 20, isLong: { _ in true }, .task(previewUsers)),
    ]
      + Command.names.map { name in
        route(
          .post, "/v1/plans/{feature}/\(name)", .operate,
          isLong: { name == "approve" && hasFile($0) }
        ) { try await command(name, $0) }
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
      let status = await controller.status(of: plan)
      views.append(PlanView(status, for: request.principal.actor))
    }
    let next = visible.count > limit ? page.last?.feature : nil
    return try .json(PlanList(plans: views, next: next))
  }

  func plan(_ request: APIRequest) async throws -> Plan {
    try await controller.plan(request.parameters[0])
  }

  private func show(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    return try await answer(plan(request), to: request)
  }

  private func answer(
    _ plan: Plan, to request: APIRequest, status: Int = 200, passedOver: [String] = [],
    audience: AudienceChange? = nil
  ) async throws -> HTTPResponse {
    try .json(
      PlanView(
        await controller.status(of: plan), for: request.principal.actor, passedOver: passedOver,
        audience: audience),
      status: status, headers: [("ETag", "\"\(plan.version)\"")])
  }

  /// 202 says that it is done, and not on disk yet.
  func answer(
    _ done: PlanController.Done, to request: APIRequest, status: Int = 200
  ) async throws -> HTTPResponse {
    try await answer(
      done.plan, to: request, status: done.isDurable ? status : 202, passedOver: done.warnings,
      audience: done.audience)
  }

  private func events(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let plan = try await plan(request)
    let limit = try request.limit()
    let cursor = try request.cursor()
    let events = try await store.events(feature: plan.feature, before: cursor, limit: limit + 1)
    let page = events.prefix(limit)
    let next = events.count > limit ? page.last.map { String($0.id) } : nil
    // What is in force is history too, though nobody can continue behind it.
    let unwritten = cursor == nil ? await controller.unwrittenEvents(of: plan.feature) : []
    return try .json(
      EventList(
        events: unwritten.map { EventView(unwritten: $0) } + page.map { EventView($0) },
        next: next))
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

  // MARK: Applying

  private func definition(_ request: APIRequest) throws -> PlanDefinition {
    let type = request.field("content-type") ?? "application/json"
    let document =
      type.contains("yaml")
      ? try YAMLReader.read(request.body) : try JSONReader.read(request.body)
    return try definition(document, feature: request.parameters[0])
  }

  func definition(_ document: Document, feature: String) throws -> PlanDefinition {
    let definition = try PlanDefinition(document)
    try definition.checkRuleCost()
    try controller.zones.check(document)
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
    try request.allowQuery("dry_run", "reason")
    let feature = request.parameters[0]
    let reason = try request.queryValue("reason") ?? "applied"
    try ChangeReason.check(reason)
    let definition = try await compute(request) { try self.definition(request) }
    let existing = await controller.planIfAny(feature)
    if try request.queryValue("dry_run") == "true" {
      // What cannot be read cannot be compared with either.
      let readable = await controller.isUnreadable(feature) ? nil : existing
      try await controller.checkCohorts(of: definition, limit: request.principal.features)
      return try await QuietThreads.reads.result { try dryRun(definition, readable) }
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
    let (digest, audience) = try await compute(request) { () -> (String, AudienceChange?) in
      let index = existing.flatMap { try? Lifecycle.stageIndex(of: $0, in: definition) }
      let audience = existing.flatMap { plan in
        index.map { AudienceChange(plan, to: definition, index: $0) }
      }
      return (definition.digest, audience)
    }
    let done = try await controller.apply(
      definition, expecting: expected, actor: request.principal.actor, reason: reason,
      digest: digest, audience: audience, by: request.principal)
    return try await answer(done, to: request, status: existing == nil ? 201 : 200)
  }

  /// Of a large file on the threads of the long reads, where it may take its time.
  func compute<Value: Sendable>(
    _ request: APIRequest, _ work: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    guard request.body.count > LongWork.loopBodyMax else { return try work() }
    return try await QuietThreads.reads.result(work)
  }

  private func dryRun(_ definition: PlanDefinition, _ existing: Plan?) throws -> HTTPResponse {
    guard let existing else {
      return try .json(PlanDiff(creating: definition, file: definition.digest))
    }
    // Shown although it may not be applied: whoever is to approve it looks here first.
    let index = try Lifecycle.stageIndex(of: existing, in: definition)
    return try .json(PlanDiff(existing, to: definition, index: index, file: definition.digest))
  }
}
