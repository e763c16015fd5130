import DocumentKit
import HTTPServerKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Every route with every kind of token. A route that is not in the table fails: whoever adds one
/// says here who may use it.
@Suite struct ScopeMatrixTests {
  /// What a route does with a token that is limited to features.
  private enum Limit {
    /// It is about more than those.
    case refused
    /// The path names the feature.
    case path
    /// The answer has only what belongs to them, or the request says which.
    case content
  }

  private static let readers: Set<Scope> = [.evaluate, .view, .operate]
  private static let viewers: Set<Scope> = [.view, .operate]

  private static func row(_ route: Route) -> (scopes: Set<Scope>, limit: Limit)? {
    let commands = Command.names.map { "POST /v1/plans/{feature}/\($0)" }
    let name = "\(route.method.rawValue) \(route.pattern)"
    if commands.contains(name) { return ([.operate], .path) }
    return switch name {
    case "GET /v1/features/{feature}/decision", "POST /v1/features/{feature}/decision",
      "POST /v1/features/{feature}/decisions", "POST /ofrep/v1/evaluate/flags/{key}":
      (readers, .path)
    case "POST /v1/decisions", "POST /ofrep/v1/evaluate/flags", "GET /v1/events",
      "GET /ofrep/v1/events":
      (readers, .content)
    case "POST /features/{feature}/v1/chat/completions", "POST /features/{feature}/v1/messages",
      "GET /features/{feature}/v1/models", "POST /v1/features/{feature}/complete",
      "POST /v1/features/{feature}/jobs":
      ([.evaluate], .path)
    case "GET /v1/jobs", "GET /v1/jobs/{id}", "DELETE /v1/jobs/{id}", "POST /v1/outcomes",
      "POST /v1/feedback":
      ([.evaluate], .content)
    case "GET /v1/plans/{feature}", "GET /v1/plans/{feature}/events",
      "GET /v1/plans/{feature}/health", "GET /v1/plans/{feature}/preview",
      "POST /v1/plans/{feature}/backtest", "POST /v1/plans/{feature}/preview",
      "GET /v1/plans/{feature}/series",
      "GET /v1/plans/{feature}/failures",
      "GET /v1/plans/{feature}/versions/{version}":
      (viewers, .path)
    case "GET /v1/session": (Set(Scope.allCases), .content)
    case "GET /v1/plans", "GET /v1/cohorts", "GET /v1/budgets", "GET /v1/alerts",
      "GET /v1/overview", "GET /v1/activity", "GET /v1/links/{link}":
      (viewers, .content)
    case "GET /v1/cohorts/{name}": (viewers, .path)
    case "PUT /v1/plans/{feature}", "POST /v1/cohorts/{name}/members",
      "PUT /v1/cohorts/{name}/members/{user}", "DELETE /v1/cohorts/{name}/members/{user}",
      "DELETE /v1/cohorts/{name}":
      ([.operate], .path)
    case "POST /v1/plans": ([.operate], .content)
    case "POST /v1/alerts", "POST /v1/alerts/alertmanager", "POST /v1/alerts/{source}":
      ([.alert], .content)
    case "GET /v1/providers", "GET /v1/history/check", "GET /v1/audit": (viewers, .refused)
    case "GET /metrics": (readers, .refused)
    case "GET /v1/captures", "DELETE /v1/captures", "GET /v1/tokens", "POST /v1/tokens",
      "DELETE /v1/tokens/{id}", "POST /v1/backup":
      ([], .refused)
    case "POST /v1/budgets/accept": ([.operate], .refused)
    default: nil
    }
  }

  /// What needs no token, and what it answers to one that asks for nothing in particular.
  private static let open: [String: Int] = [
    "GET /livez": 200, "GET /readyz": 200, "GET /openapi.json": 200, "GET /": 200,
    "GET /plans/{feature}": 200, "GET /activity": 200, "GET /providers": 200, "GET /money": 200,
    "GET /tokens": 200, "GET /jobs": 200, "GET /assets/{name}": 404, "POST /v1/session": 400,
    "DELETE /v1/session": 204, "GET /act/{link}": 200,
  ]

  /// The path with its first parameter replaced; the others are anything.
  private func path(_ route: Route, _ parameter: String) -> String {
    var isFirst = true
    return route.pattern.split(separator: "/").map { segment in
      guard segment.hasPrefix("{") else { return "/\(segment)" }
      defer { isFirst = false }
      return isFirst ? "/\(parameter)" : "/x"
    }.joined()
  }

  /// Streams are asked for their head only.
  private func method(_ route: Route) -> String {
    let isStream = route.pattern == "/v1/events" || route.pattern == OFREP.eventsPath
    return isStream ? "HEAD" : route.method.rawValue
  }

  private func token(
    _ server: TestServer, _ name: String, _ scopes: [Scope], _ more: String = ""
  ) async throws -> (id: String, text: String) {
    let list = scopes.map { #""\#($0.rawValue)""# }.joined(separator: ",")
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"t-\#(name)","scopes":[\#(list)]\#(more)}"#)
    return (
      try #require(made.json["id"]?.string, "\(made.text)"),
      try #require(made.json["token"]?.string)
    )
  }

  /// A feature `mine` and one `secret-b`, which has a cohort, a budget and an alert of its own.
  private func server() async throws -> TestServer {
    let server = try await TestServer(
      """
      budgets:
        - {name: mine-budget, limit_usd: 1, match: {feature: mine}}
        - {name: secret-b-budget, limit_usd: 1, match: {feature: secret-b}}
        - {name: secret-all, limit_usd: 1}
      """)
    for feature in ["mine", "secret-b"] {
      try await server.startPlan(
        feature, #","stages":[{"name":"s","cohort":"\#(feature)-people"}]"#)
      _ = try await server.send("PUT", "/v1/cohorts/\(feature)-people/members/u")
      _ = try await server.send(
        "POST", "/v1/alerts", #"{"id":"\#(feature)","feature":"\#(feature)","action":"pause"}"#)
    }
    return server
  }

  @Test func `every route takes the tokens it should, and no other`() async throws {
    let server = try await server()
    var tokens: [(scopes: Set<Scope>, text: String)] = []
    for scope in Scope.allCases {
      tokens.append(([scope], try await token(server, scope.rawValue, [scope]).text))
    }
    let forged = String(tokens[0].text.dropLast()) + (tokens[0].text.hasSuffix("x") ? "y" : "x")
    let revoked = try await token(server, "revoked", Scope.allCases)
    _ = try await server.send("DELETE", "/v1/tokens/\(revoked.id)")
    let expired = try await token(server, "expired", Scope.allCases, #","expires_in":"1s""#)
    server.clock.advance(.seconds(2))
    for (index, route) in server.application.surface.routes.enumerated() {
      let name = "\(route.method.rawValue) \(route.pattern)"
      // Each from an address of its own: wrong tokens are limited by address.
      let from = [(name: "X-Forwarded-For", value: "192.0.2.\(index)")]
      let row = Self.row(route)
      guard row != nil || Self.open[name] != nil else {
        Issue.record("who may use \(name)? Say it in the table")
        continue
      }
      for bad in ["", "ro_wrong", forged, revoked.text, expired.text] {
        let answer = try await server.send(
          method(route), path(route, "x"), "{}", token: bad, headers: from)
        #expect(answer.status == (Self.open[name] ?? 401), "\(name)")
      }
      for (scopes, text) in tokens {
        let may = row == nil || scopes == [.admin] || !row!.scopes.isDisjoint(with: scopes)
        // Administrators carry it out below, where nothing is left to spoil.
        guard !(may && route.pattern.hasSuffix("/v1/tokens/{id}")) else { continue }
        let answer = try await server.send(
          method(route), path(route, "x"), "{}", token: text, headers: from)
        #expect((answer.status == 403) == !may, "\(name) with \(scopes): \(answer.status)")
        #expect(answer.status != 401, "\(name) with \(scopes)")
      }
    }
    #expect(try await server.send("GET", "/v1/unknown", token: "").status == 401)
    #expect(try await server.send("GET", "/v1/unknown").status == 404)
    await server.stop()
  }

  @Test func `a token limited to features reaches nothing of another, on any route`() async throws {
    let server = try await server()
    let from = [(name: "X-Forwarded-For", value: "192.0.2.1")]
    for scope in Scope.allCases where scope != .admin {
      let limited = try await token(server, scope.rawValue, [scope], #","features":["mine"]"#).text
      for route in server.application.surface.routes {
        guard let row = Self.row(route), row.scopes.contains(scope) else { continue }
        let name = "\(route.method.rawValue) \(route.pattern) with \(scope)"
        func status(_ parameter: String) async throws -> Int {
          try await server.send(
            method(route), path(route, parameter), "{}", token: limited, headers: from
          ).status
        }
        let isCohort = route.pattern.contains("/cohorts/")
        switch row.limit {
        case .refused: #expect(try await status("mine") == 403, "\(name)")
        case .path where isCohort:
          #expect(try await status("secret-b-people") == 403, "\(name)")
          #expect(try await status("nobody-uses-it") == 403, "\(name)")
          #expect(try await status("mine-people") != 403, "\(name)")
        case .path:
          #expect(try await status("secret-b") == 403, "\(name)")
          #expect(try await status("mine") != 403, "\(name)")
        case .content:
          let answer = try await server.send(
            method(route), path(route, "x"), "{}", token: limited, headers: from)
          #expect(answer.status != 403, "\(name)")
          #expect(!answer.text.contains("secret"), "\(name): \(answer.text)")
        }
      }
    }
    await server.stop()
  }

  @Test func `lists show a limited token its own`() async throws {
    let server = try await server()
    let limited = try await token(server, "t", [.view], #","features":["mine","other"]"#).text
    for (path, word) in [
      ("/v1/plans", "mine"), ("/v1/cohorts", "mine-people"), ("/v1/budgets", "mine-budget"),
      ("/v1/alerts", "mine"),
    ] {
      let answer = try await server.send("GET", path, token: limited)
      #expect(answer.text.contains(#""\#(word)""#), "\(path): \(answer.text)")
      #expect(try await server.send("GET", path).text.contains("secret"), "\(path) for all")
    }
    await server.stop()
  }

  @Test func `a limited token changes a cohort while its features alone use it`() async throws {
    let server = try await server()
    let limited = try await token(server, "t", [.operate], #","features":["mine"]"#).text
    func add() async throws -> Int {
      try await server.send("PUT", "/v1/cohorts/mine-people/members/v", token: limited).status
    }
    #expect(try await add() == 204)
    let shared =
      #"{"feature":"third","stages":[{"name":"s","percent":1},{"name":"t","cohort":"mine-people"}]}"#
    #expect(try await server.send("PUT", "/v1/plans/third", shared).status == 201)
    #expect(try await add() == 403)
    let members = try await server.send("GET", "/v1/cohorts/mine-people", token: limited)
    #expect(members.status == 403)
    #expect(!members.text.contains("third"))
    await server.stop()
  }

  @Test func `a plan of a limited token names no cohort of others`() async throws {
    let server = try await server()
    let limited = try await token(server, "t", [.operate], #","features":["mine","new"]"#).text
    func plan(_ feature: String, _ cohort: String) -> String {
      #"{"feature":"\#(feature)","stages":[{"name":"s","cohort":"\#(cohort)"}]}"#
    }
    let theirs = try await server.send("PUT", "/v1/plans/theirs", plan("theirs", "their-people"))
    #expect(theirs.status == 201)
    #expect(
      try await server.send("PUT", "/v1/cohorts/prepared/members/v?create=true").status == 204)
    for cohort in ["their-people", "prepared"] {
      for path in ["/v1/plans/new", "/v1/plans/new?dry_run=true"] {
        let answer = try await server.send("PUT", path, plan("new", cohort), token: limited)
        #expect(answer.status == 403, "\(path): \(answer.text)")
        #expect(answer.text.contains(cohort))
        #expect(!answer.text.contains("theirs"), "whose it is, is nobody else's to know")
      }
    }
    // So theirs may still change it, and nobody else's plan says who is in it.
    let owner = try await token(server, "o", [.operate], #","features":["theirs"]"#).text
    #expect(
      try await server.send("PUT", "/v1/cohorts/their-people/members/v", token: owner).status == 204
    )
    // What is free it may name, what its own features use too, and what its plan names may stay.
    for cohort in ["nobodys", "mine-people"] {
      let feature = cohort == "nobodys" ? "new" : "mine"
      let known = try await server.send("GET", "/v1/plans/\(feature)")
      let version = known.json["version"]?.int
      let answer = try await server.send(
        "PUT", "/v1/plans/\(feature)", plan(feature, cohort), token: limited,
        headers: version.map { [("If-Match", "\"\($0)\"")] } ?? [])
      #expect(answer.status == (version == nil ? 201 : 200), "\(answer.text)")
    }
    await server.stop()
  }

  @Test func `a job of a feature is not shown to a token that was limited to another`()
    async throws
  {
    let server = try await server()
    let first = try await token(server, "a", [.evaluate], #","features":["mine"]"#).text
    let second = try await token(server, "b", [.evaluate], #","features":["secret-b"]"#).text
    let made = try await server.send(
      "POST", "/v1/features/mine/jobs",
      #"{"user":"u","messages":[{"role":"user","content":"hello"}]}"#, token: first)
    let id = try #require(made.json["job_id"]?.string, "\(made.text)")
    #expect(try await server.send("GET", "/v1/jobs/\(id)", token: first).status == 200)
    #expect(try await server.send("GET", "/v1/jobs/\(id)", token: second).status == 404)
    await server.stop()
  }
}
