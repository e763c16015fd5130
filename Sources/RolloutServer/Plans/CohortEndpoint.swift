import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// Who opted in: member lists of cohorts.
struct CohortEndpoint: Sendable {
  /// Members in one bulk call.
  private static let bulkMax = 100_000

  let controller: PlanController
  let store: any CohortStore

  var routes: [Route] {
    func route(
      _ method: HTTPMethod, _ path: String, _ scope: Scope, bodySizeMax: Int = 1 << 20,
      _ answer: @escaping @Sendable (APIRequest) async throws -> HTTPResponse
    ) -> Route {
      Route(
        method, path, .scopes([scope]), featureLimit: .respected, bodySizeMax: bodySizeMax,
        .task(answer))
    }
    return [
      route(.get, "/v1/cohorts", .view, list),
      route(.get, "/v1/cohorts/{name}", .view, members),
      route(.post, "/v1/cohorts/{name}/members", .operate, bodySizeMax: 16 << 20, bulk),
      route(.put, "/v1/cohorts/{name}/members/{user}", .operate, add),
      route(.delete, "/v1/cohorts/{name}/members/{user}", .operate, remove),
    ]
  }

  /// A cohort's members decide for every feature that uses it, and are nobody else's to know: a
  /// limited token reads and changes one only when its features use it, and they alone. One that
  /// nobody uses may be prepared for another.
  private func check(_ cohort: String, isIn request: APIRequest) async throws {
    guard let limit = request.principal.features else { return }
    let users = await controller.features(using: cohort)
    guard !users.isEmpty, users.isSubset(of: limit) else {
      throw Problem(
        .forbidden,
        "The token is limited to some features, and the cohort \(cohort) is not used by those "
          + "alone; use a token without that limit.")
    }
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    var sizes = await controller.cohortSizes()
    if let limit = request.principal.features {
      let visible = await controller.cohorts(usedBy: limit)
      sizes.removeAll { !visible.contains($0.name) }
    }
    return try .json(CohortList(cohorts: sizes.map { .init(name: $0.name, members: $0.count) }))
  }

  private func name(_ request: APIRequest) throws(Problem) -> String {
    guard isName(request.parameters[0]) else {
      throw Problem(.badRequest, "A cohort name is 1–128 of a–z A–Z 0–9 . _ -")
    }
    return request.parameters[0]
  }

  private func members(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("after", "limit")
    let limit = try request.limit()
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    let members = try await store.members(
      of: cohort, after: try request.queryValue("after"), limit: limit + 1)
    let page = Array(members.prefix(limit))
    return try .json(MemberList(members: page, next: members.count > limit ? page.last : nil))
  }

  private func check(_ user: String) throws(Problem) {
    guard !user.isEmpty, user.utf8.count <= UserID.lengthMax, !user.utf8.contains(0) else {
      throw Problem(.badRequest, "A user id is 1–\(UserID.lengthMax) bytes without NUL.")
    }
  }

  private func add(_ request: APIRequest) async throws -> HTTPResponse {
    try check(request.parameters[1])
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    try await controller.add([request.parameters[1]], to: cohort)
    return .noContent
  }

  private func remove(_ request: APIRequest) async throws -> HTTPResponse {
    try check(request.parameters[1])
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    let isDurable = await controller.remove(request.parameters[1], from: cohort)
    return isDurable ? .noContent : .json(.object(["durable": .bool(false)]), status: 202)
  }

  /// NDJSON (`"id"` or `{"user":"id"}` a line) or CSV (the first column, a `user` header allowed).
  private func bulk(_ request: APIRequest) async throws -> HTTPResponse {
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    let type = request.field("content-type") ?? ""
    guard firstInvalidUTF8(in: request.body) == nil else {
      throw Problem(.badRequest, "The body is not valid UTF-8.")
    }
    let lines = String(decoding: request.body, as: UTF8.self).split(whereSeparator: \.isNewline)
    guard lines.count <= Self.bulkMax else {
      throw Problem(.tooMany, "At most \(Self.bulkMax) members in one call; split the list.")
    }
    let users: [String]
    if type.contains("csv") {
      users = lines.enumerated().compactMap { csvUser(String($1), isFirst: $0 == 0) }
    } else if type.contains("ndjson") || type.contains("jsonl") {
      users = try lines.enumerated().map { try ndjsonUser(String($1), line: $0 + 1) }
    } else {
      throw Problem(
        .unsupportedMediaType, "Send Content-Type: application/x-ndjson or text/csv.")
    }
    for user in users { try check(user) }
    try await controller.add(users, to: cohort)
    return try .json(["added": users.count])
  }

  private func ndjsonUser(_ line: String, line number: Int) throws(Problem) -> String {
    let document: Document
    do throws(DocumentError) { document = try JSONReader.read(Array(line.utf8)) } catch {
      throw Problem(.badRequest, "Line \(number) is not JSON: \(error.message)")
    }
    guard let user = document.string ?? document["user"]?.string else {
      throw Problem(.badRequest, "Line \(number): expected \"id\" or {\"user\":\"id\"}.")
    }
    return user
  }

  private func csvUser(_ line: String, isFirst: Bool) -> String? {
    var field = String(line.prefix { $0 != "," })
    if line.hasPrefix("\"") {
      // A quoted field: doubled quotes stand for one.
      var text = ""
      var rest = line.dropFirst()
      while let character = rest.popFirst() {
        if character != "\"" {
          text.append(character)
        } else if rest.first == "\"" {
          text.append("\"")
          rest.removeFirst()
        } else {
          break
        }
      }
      field = text
    }
    return field.isEmpty || isFirst && field == "user" ? nil : field
  }
}
