import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// What happened to all plans, and what their files said then.
struct ActivityEndpoint: Sendable {
  let controller: PlanController
  let store: any ActivityStore

  var routes: [Route] {
    [
      Route(
        .get, "/v1/activity", .scopes([.view]), featureLimit: .respected, isLong: { _ in true },
        .task(activity)),
      Route(
        .get, "/v1/plans/{feature}/versions/{version}", .scopes([.view]), featureLimit: .path,
        .task(version)),
    ]
  }

  private func activity(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("feature", "type", "actor", "after", "limit")
    let limit = try request.limit()
    let messages = try await store.activity(
      ActivityQuery(
        before: try place(request), features: try features(request),
        kind: try request.queryValue("type"), actor: try request.queryValue("actor"),
        limit: limit + 1))
    let page = messages.prefix(limit)
    return try .json(
      ActivityList(
        activity: page.map(ActivityView.init),
        next: messages.count > limit ? page.last?.place.text : nil))
  }

  private func place(_ request: APIRequest) throws(Problem) -> MessagePlace? {
    guard let text = try request.queryValue("after") else { return nil }
    guard let place = MessagePlace(text) else {
      throw Problem(.badRequest, "after must be the next of an earlier answer.")
    }
    return place
  }

  /// Those that were asked for and may be seen; nil for all.
  private func features(_ request: APIRequest) throws(Problem) -> Set<String>? {
    let limit = request.principal.features
    guard let feature = try request.queryValue("feature") else { return limit }
    return request.principal.may(use: feature) ? [feature] : []
  }

  private func version(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let plan = try await controller.plan(request.parameters[0])
    guard let number = Int(request.parameters[1]), number > 0,
      let definition = try await store.definition(feature: plan.feature, version: number)
    else {
      throw Problem(
        .notFound, "\(plan.feature) has no version \(quoted(request.parameters[1])) to read.")
    }
    return try .json(
      PlanVersionView(feature: plan.feature, version: number, definition: definition))
  }
}
