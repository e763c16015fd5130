import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore

/// `POST /v1/plans`: many files in one call, all or nothing.
extension PlanEndpoint {
  static let folderSizeMax = 16 << 20
  private static let folderCountMax = 1000

  func applyAll(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let body = try request.json()
    let (wishes, leaving) = try await compute(request) { try read(body) }
    let reason = try text(body, "reason")
    for feature in wishes.map(\.definition.feature) + leaving.map(\.feature)
    where !request.principal.may(use: feature) {
      throw Problem(.forbidden, "The token is limited to other features than \(feature).")
    }
    let context = CommandContext(
      actor: request.principal.actor, reason: reason ?? "applied", now: clock.moment)
    let farewells = leaving.map { plan in
      var own = context
      own.reason = reason ?? "has no file any more"
      own.confirm = plan.confirm
      ask(about: plan.feature, &own)
      return PlanController.Farewell(
        feature: plan.feature, version: plan.version, context: own)
    }
    let done = try await controller.apply(
      all: wishes, archiving: farewells, context, limit: request.principal.features)
    var views: [PlanView] = []
    for one in done {
      views.append(
        PlanView(
          await controller.status(of: one.plan), for: request.principal.actor,
          audience: one.audience))
    }
    return try .json(PlanList(plans: views, next: nil))
  }

  private struct Leaving {
    var feature: String
    var version: Int
    var confirm: String?
  }

  private func text(_ body: Document, _ key: String) throws(Problem) -> String? {
    guard let value = body[key], !value.isNull else { return nil }
    guard let text = value.string, text.utf8.count <= 2000 else {
      throw Problem(.badRequest, "\(key) is a text of at most 2000 bytes.")
    }
    return text
  }

  private func read(
    _ body: Document
  ) throws -> ([PlanController.Wish], [Leaving]) {
    var wishes: [PlanController.Wish] = []
    var leaving: [Leaving] = []
    do throws(DocumentError) {
      var reader = try ObjectReader(body)
      let files = try reader.list("plans") ?? []
      let others = try reader.list("archive") ?? []
      _ = try reader.string("reason")
      try reader.finish()
      guard files.count + others.count <= Self.folderCountMax else {
        throw reader.error("plans", "At most \(Self.folderCountMax) plans in one call.")
      }
      for (element, path) in files { wishes.append(try wish(element, path)) }
      for (element, path) in others { leaving.append(try Self.leaving(element, path)) }
    } catch { throw Problem(.badRequest, "\(error)") }
    let features = wishes.map(\.definition.feature) + leaving.map(\.feature)
    guard Set(features).count == features.count else {
      throw Problem(.badRequest, "Each feature stands once, in plans or in archive.")
    }
    // What the server's configuration says is asked of each, as of a single one.
    for wish in wishes {
      _ = try definition(wish.definition.document, feature: wish.definition.feature)
    }
    return (wishes, leaving)
  }

  private func wish(
    _ document: Document, _ path: String
  ) throws(DocumentError) -> PlanController.Wish {
    var reader = try ObjectReader(document, path: path)
    let file = try reader.required("definition")
    let version = try reader.int("version", in: 1...Int.max)
    try reader.finish()
    do throws(DocumentError) {
      return PlanController.Wish(definition: try PlanDefinition(file), version: version)
    } catch {
      let place = error.path.isEmpty ? "" : ".\(error.path)"
      throw DocumentError(
        error.message, at: error.position, path: "\(path).definition\(place)")
    }
  }

  private static func leaving(
    _ document: Document, _ path: String
  ) throws(DocumentError) -> Leaving {
    var reader = try ObjectReader(document, path: path)
    let feature = try reader.requiredText("feature")
    guard let version = try reader.int("version", in: 1...Int.max) else {
      throw reader.error("version", "\"version\" is missing.")
    }
    let confirm = try reader.string("confirm")
    try reader.finish()
    return Leaving(feature: feature, version: version, confirm: confirm)
  }
}
