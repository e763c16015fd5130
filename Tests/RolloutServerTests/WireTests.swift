import DocumentKit
import HTTPServerKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// What HTTP asks of every path: methods, OPTIONS, HEAD, and who asks when the body is there.
@Suite struct WireTests {
  /// One request as bytes, its answer as text.
  private func answer(
    _ server: TestServer, _ line: String, _ fields: String = "", body: String = ""
  ) async -> String {
    let connection = RawConnection(port: server.port)
    connection.send("\(line) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(fields)\r\n\(body)")
    return await connection.receive().text
  }

  private func authorization(_ token: String) -> String { "Authorization: Bearer \(token)\r\n" }

  private func path(_ route: Route) -> String {
    let parts = route.pattern.split(separator: "/")
    return parts.isEmpty
      ? "/" : parts.map { $0.hasPrefix("{") ? "/x" : "/\($0)" }.joined()
  }

  @Test func `every known path answers OPTIONS with what is allowed, without a token`() async throws
  {
    let server = try await TestServer()
    for route in server.application.surface.routes {
      let text = await answer(server, "OPTIONS \(path(route))")
      #expect(text.hasPrefix("HTTP/1.1 204 No Content\r\n"), "\(route.pattern)")
      let allow = text.firstMatch(of: #/\r\nAllow: ([A-Z, ]+)\r\n/#).map { String($0.1) } ?? ""
      #expect(allow.split(separator: ", ").contains("\(route.method.rawValue)"), "\(allow)")
      #expect(allow.hasSuffix("OPTIONS"))
      #expect(!text.contains("Content-Length"))
      #expect(text.hasSuffix("\r\n\r\n"))
    }
    let all = await answer(server, "OPTIONS *")
    #expect(all.hasPrefix("HTTP/1.1 204 "))
    #expect(all.contains("Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"))
    #expect(await answer(server, "OPTIONS /v1/nothing").hasPrefix("HTTP/1.1 401 "))
    #expect(
      await answer(server, "OPTIONS /v1/nothing", authorization(server.adminToken))
        .hasPrefix("HTTP/1.1 404 "))
    await server.stop()
  }

  @Test(arguments: ["PATCH", "BREW", "PUT"])
  func `a wrong method on a path that needs no token is 405 without one, elsewhere 401`(
    method: String
  ) async throws {
    let server = try await TestServer()
    let methods = Dictionary(grouping: server.application.surface.routes, by: \.pattern)
    for route in server.application.surface.routes {
      guard methods[route.pattern]?.contains(where: { $0.method.rawValue == method }) == false
      else { continue }
      let isOpen = methods[route.pattern]?.contains { $0.scopes.isEmpty } == true
      // Where the peer is this machine.
      let isMetrics = route.pattern == "/metrics"
      for fields in ["", authorization("ro_no_token_of_ours")] {
        let text = await answer(server, "\(method) \(path(route))", fields)
        let status = isOpen || isMetrics ? 405 : 401
        #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(method) \(route.pattern): \(text)")
        #expect(text.contains("\r\nAllow: ") == (status == 405), "\(method) \(route.pattern)")
      }
    }
    await server.stop()
  }

  @Test func `every route refuses query parameters that it does not know`() async throws {
    let server = try await TestServer()
    try await server.startPlan("x")
    for route in server.application.surface.routes {
      let text = await answer(
        server, "\(route.method.rawValue) \(path(route))?surely=1",
        authorization(server.adminToken) + "Content-Length: 0\r\n")
      if case .ignored = route.query {
        // Pages, and what strangers' clients ask for in their own way.
        let isForeign = !route.pattern.hasPrefix("/v1/") || route.pattern.hasSuffix("/alertmanager")
        #expect(isForeign, "\(route.pattern)")
        #expect(!text.contains("surely"), "\(route.pattern): \(text)")
      } else {
        #expect(text.hasPrefix("HTTP/1.1 400 "), "\(route.pattern): \(text)")
        let isSaid = text.contains("surely") || text.contains("?strict")
        #expect(isSaid, "\(route.method.rawValue) \(route.pattern): \(text)")
      }
    }
    await server.stop()
  }

  @Test(arguments: ["PATCH", "TRACE", "CONNECT", "BREW", "get", "PROPFIND", "QUERY", "M-SEARCH"])
  func `a method that a known path does not allow is 405 with what it allows`(
    method: String
  ) async throws {
    let server = try await TestServer()
    for route in server.application.surface.routes {
      let text = await answer(
        server, "\(method) \(path(route))", authorization(server.adminToken))
      #expect(text.hasPrefix("HTTP/1.1 405 "), "\(method) \(route.pattern): \(text)")
      #expect(text.contains("\r\nAllow: "), "\(method) \(route.pattern)")
    }
    let unknown = await answer(server, "\(method) /v1/nothing", authorization(server.adminToken))
    #expect(unknown.hasPrefix("HTTP/1.1 404 "))
    #expect(await answer(server, "\(method) /v1/plans").hasPrefix("HTTP/1.1 401 "))
    await server.stop()
  }

  @Test func `HEAD has no body on any path, whatever the answer`() async throws {
    let server = try await TestServer()
    for route in server.application.surface.routes {
      for fields in ["", authorization(server.adminToken), authorization("ro_wrong")] {
        let text = await answer(server, "HEAD \(path(route))?limit=x", fields)
        #expect(text.hasSuffix("\r\n\r\n"), "HEAD \(route.pattern): \(text)")
      }
    }
    await server.stop()
  }

  // MARK: Tokens that end between head and body

  private static let framings = ["length", "chunked"]

  /// Sends the head, lets `ending` happen, then sends the body; the answer.
  private func answer(
    _ server: TestServer, _ line: String, token: String, fields: String = "", body: String,
    framing: String, _ ending: () async throws -> Void
  ) async throws -> String {
    let connection = RawConnection(port: server.port)
    let how =
      framing == "length" ? "Content-Length: \(body.utf8.count)" : "Transfer-Encoding: chunked"
    connection.send(
      "\(line) HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\(fields)\(authorization(token))\(how)\r\n"
        + "Expect: 100-continue\r\n\r\n")
    // The head has been admitted.
    let interim = await connection.receive { $0.hasSuffix("\r\n\r\n") }.text
    try #require(interim.hasPrefix("HTTP/1.1 100 "), "\(interim)")
    try await ending()
    connection.send(
      framing == "length" ? body : "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n")
    return await connection.receive().text
  }

  private func token(_ server: TestServer, _ body: String) async throws -> (
    id: String, text: String
  ) {
    let made = try await server.send("POST", "/v1/tokens", body)
    return (try #require(made.json["id"]?.string), try #require(made.json["token"]?.string))
  }

  @Test(arguments: framings)
  func `a token revoked between head and body makes no new token`(framing: String) async throws {
    let server = try await TestServer()
    let (id, text) = try await token(server, #"{"name":"second","scopes":["admin"]}"#)
    let answer = try await answer(
      server, "POST /v1/tokens", token: text, body: #"{"name":"evil","scopes":["admin"]}"#,
      framing: framing
    ) {
      let gone = try await server.send("DELETE", "/v1/tokens/\(id)?confirm=second")
      #expect(gone.status == 204)
    }
    #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(answer)")
    let tokens = try await server.send("GET", "/v1/tokens")
    #expect(!tokens.text.contains("evil"))
    await server.stop()
  }

  @Test(arguments: framings)
  func `a token that expires between head and body kills nothing`(framing: String) async throws {
    let server = try await TestServer()
    for feature in ["a", "b"] { try await server.startPlan(feature) }
    // What it is limited to is looked at before any of the body comes.
    let (_, limited) = try await token(
      server, #"{"name":"limited","scopes":["operate"],"features":["a"],"expires_in":"1h"}"#)
    let refused = await self.answer(
      server, "POST /v1/plans/b/kill",
      authorization(limited) + "If-Match: \"2\"\r\nContent-Length: 14\r\n")
    #expect(refused.hasPrefix("HTTP/1.1 403 "), "\(refused)")
    for (feature, limit) in [("a", #","features":["a"]"#), ("b", "")] {
      let (_, text) = try await token(
        server,
        #"{"name":"of-\#(feature)","scopes":["operate"]\#(limit),"expires_in":"1h"}"#)
      let version = try await server.send("GET", "/v1/plans/\(feature)").json["version"]?.int ?? 0
      let answer = try await answer(
        server, "POST /v1/plans/\(feature)/kill", token: text,
        fields: "If-Match: \"\(version)\"\r\n", body: #"{"reason":"x"}"#, framing: framing
      ) { server.clock.advance(.hours(2)) }
      #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(answer)")
      let plan = try await server.send("GET", "/v1/plans/\(feature)")
      #expect(plan.json["status"]?.string == "active")
    }
    await server.stop()
  }

  @Test func `no route with a scope is served to a token that ended while the body came`()
    async throws
  {
    let server = try await TestServer()
    for (index, route) in server.application.surface.routes.enumerated() {
      guard case .scopes = route.access, route.method != .get else { continue }
      let (id, text) = try await token(server, #"{"name":"t\#(index)","scopes":["admin"]}"#)
      let answer = try await answer(
        server, "\(route.method.rawValue) \(path(route))", token: text, body: "{}",
        framing: "length"
      ) { _ = try await server.send("DELETE", "/v1/tokens/\(id)?confirm=t\(index)") }
      #expect(answer.hasPrefix("HTTP/1.1 401 "), "\(route.pattern): \(answer)")
    }
    await server.stop()
  }
}
