import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation

/// Who opted in: member lists of cohorts.
struct CohortEndpoint: Sendable {
  /// Members in one bulk call.
  private static let bulkMax = 100_000

  let controller: PlanController
  let clock: any SteadyClock
  let log: Log

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
      route(.delete, "/v1/cohorts/{name}", .operate, delete),
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
    guard await controller.isKnown(cohort) else {
      throw Problem(.notFound, await unknown(cohort, request) + " rollout cohort list shows all.")
    }
    let members = try await controller.members(
      of: cohort, after: try request.queryValue("after"), limit: limit + 1)
    let page = Array(members.users.prefix(limit))
    return try .json(
      MemberList(
        members: page, next: members.users.count > limit ? page.last : nil,
        durable: members.isDurable ? nil : false))
  }

  private func check(_ user: String) throws(Problem) {
    guard !user.isEmpty, user.utf8.count <= UserID.lengthMax, !user.utf8.contains(0) else {
      throw Problem(.badRequest, "A user id is 1–\(UserID.lengthMax) bytes without NUL.")
    }
  }

  private func add(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("create", "reason")
    try check(request.parameters[1])
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    try await checkIsKnown(cohort, request)
    let reason = try reason(request)
    _ = try await controller.add(
      [request.parameters[1]], to: cohort, by: request.principal, reason: reason ?? "")
    note("a user was let into a cohort", cohort, reason, request)
    return .noContent
  }

  private func remove(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("reason")
    try check(request.parameters[1])
    let cohort = try name(request)
    try await check(cohort, isIn: request)
    let reason = try reason(request)
    let isDurable = try await controller.remove(
      request.parameters[1], from: cohort, by: request.principal, reason: reason ?? "")
    note("a user was taken out of a cohort", cohort, reason, request)
    return isDurable ? .noContent : .json(.object(["durable": .bool(false)]), status: 202)
  }

  /// All of its members; of one that plans use only for who says its name again.
  private func delete(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("confirm", "reason")
    let cohort = try name(request)
    let reason = try reason(request)
    try await check(cohort, isIn: request)
    guard await controller.isKnown(cohort) else {
      throw Problem(.notFound, await unknown(cohort, request) + " rollout cohort list shows all.")
    }
    let users = await controller.features(using: cohort).sorted()
    guard try users.isEmpty || request.queryValue("confirm") == cohort else {
      throw Problem(
        .inUse,
        "\(users.prefix(5).joined(separator: ", ")) \(users.count == 1 ? "uses" : "use") the cohort "
          + "\(cohort), and would be without its members. To delete them all the same, say its name "
          + "again: --confirm \(cohort) (?confirm=\(cohort)).")
    }
    let count = try await controller.removeAll(
      from: cohort, by: request.principal, reason: reason ?? "")
    note("everybody was taken out of a cohort", cohort, reason, request)
    return .json(.object(["removed": .int(count)]))
  }

  /// A list of users: JSON or a table, whole or in portions. All of it or nothing.
  private func bulk(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("column", "header", "create", "import", "portion", "of", "reason")
    let cohort = try name(request)
    let reason = try reason(request)
    try await check(cohort, isIn: request)
    let portion = try MemberImports.Portion(request)
    try await checkIsKnown(cohort, request)
    let file = try file(request)
    guard file.users.count <= Self.bulkMax else {
      throw Problem(
        .tooMany,
        "At most \(Self.bulkMax) members in one call; send portions (?import=ID&portion=1&of=3).")
    }
    var users = file.users
    if let portion {
      let key = MemberImports.Key(
        token: request.principal.tokenID ?? "", cohort: cohort, id: portion.id)
      switch try controller.imports.take(
        users, key, portion: portion.number, of: portion.count, now: clock.steady)
      {
      case .whole(let all): users = all
      case .busy:
        return Dialect.native.error(
          Problem(
            .unavailable, "Other imports are under way; send this portion again in a minute."),
          headers: [("Retry-After", "60")])
      case .waitsForMore:
        return .json(
          .object([
            "import": .string(portion.id), "portion": .int(portion.number),
            "of": .int(portion.count),
          ]), status: 202)
      }
    }
    let added = try await controller.add(
      users, to: cohort, by: request.principal, reason: reason ?? "")
    note("users were let into a cohort", cohort, reason, request)
    return try .json(
      AddedMembers(
        added: added.new, alreadyMembers: added.known, duplicates: file.duplicates,
        empty: file.empty, members: added.total))
  }

  private func reason(_ request: APIRequest) throws -> String? {
    let reason = try request.queryValue("reason")
    try ChangeReason.check(reason ?? "")
    return reason
  }

  /// Who says why wants it to be read; programs that let users in say nothing, many times.
  private func note(
    _ what: String, _ cohort: String, _ reason: String?, _ request: APIRequest
  ) {
    guard let reason, !reason.isEmpty else { return }
    log.notice(
      what, ["cohort": cohort, "actor": request.principal.actor.text, "reason": reason])
  }

  /// A name that nobody knows may be a misspelt one: it is made only for who says so.
  private func checkIsKnown(_ cohort: String, _ request: APIRequest) async throws {
    if try !flag("create", request, absent: false), await !controller.isKnown(cohort) {
      throw Problem(
        .notFound, await unknown(cohort, request) + " To make it: --create (?create=true).")
    }
  }

  private func file(_ request: APIRequest) throws -> MemberFile {
    let type = request.field("content-type") ?? ""
    let form: MemberFile.Form
    if ["csv", "tab-separated", "text/plain"].contains(where: type.contains) {
      form = .table
    } else if type.contains("json") {
      form = .json
    } else {
      throw Problem(
        .unsupportedMediaType,
        "Send Content-Type: application/x-ndjson, application/json, text/csv or text/plain.")
    }
    var options = MemberFile.Options(column: try request.queryValue("column"))
    if try request.queryValue("header") != nil {
      options.hasHeader = try flag("header", request, absent: true)
    }
    do throws(MemberFile.Unreadable) { return try MemberFile(request.body, form, options) } catch {
      throw Problem(.badRequest, error.text)
    }
  }

  private func flag(_ name: String, _ request: APIRequest, absent: Bool) throws(Problem) -> Bool {
    switch try request.queryValue(name) {
    case nil: absent
    case "true", "1", "": true
    case "false", "0": false
    default: throw Problem(.badRequest, "\(name) must be true or false.")
    }
  }

  /// Names the cohorts that may have been meant: those the token may know of.
  private func unknown(_ cohort: String, _ request: APIRequest) async -> String {
    let known = await controller.knownCohorts(usedBy: request.principal.features).sorted()
    let near = known.min { editDistance($0, cohort) < editDistance($1, cohort) }
    let hint =
      near.flatMap { editDistance($0, cohort) <= 2 ? " Did you mean \($0)?" : nil }
      ?? (known.isEmpty ? "" : " There are \(known.prefix(10).joined(separator: ", ")).")
    return "No plan uses a cohort \(cohort), and it has no members.\(hint)"
  }
}

extension MemberImports.Portion {
  /// From `?import=ID&portion=2&of=5`; all three or none.
  init?(_ request: APIRequest) throws(Problem) {
    let id = try request.queryValue("import")
    let number = try request.queryValue("portion")
    let count = try request.queryValue("of")
    if id == nil, number == nil, count == nil { return nil }
    guard let id, isName(id), let count = count.flatMap({ Int($0) }),
      (1...MemberImports.portionsMax).contains(count), let number = number.flatMap({ Int($0) }),
      (1...count).contains(number)
    else {
      throw Problem(
        .badRequest,
        "A portion says import=<a name of yours>, portion=<from 1> and of=<how many, up to "
          + "\(MemberImports.portionsMax)>.")
    }
    self.id = id
    self.number = number
    self.count = count
  }
}
