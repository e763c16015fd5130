import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// How tokens begin, live and end.
@Suite struct TokenTests {
  private func make(_ server: TestServer, _ body: String) async throws -> TestServer.Answer {
    try await server.send("POST", "/v1/tokens", body)
  }

  private func list(_ server: TestServer) async throws -> [Document] {
    try await server.send("GET", "/v1/tokens").json["tokens"]?.array ?? []
  }

  /// The token of the first start.
  private func first(_ server: TestServer) async throws -> Document {
    try #require(try await list(server).first { $0["name"]?.string == "admin" })
  }

  private func warnings(_ server: TestServer) async throws -> String {
    await server.application.surface.tokenWatch.look()
    return try await server.send("GET", "/readyz").json["warnings"]?.jsonText ?? ""
  }

  @Test func `a token lasts a year unless somebody says otherwise`() async throws {
    let server = try await TestServer()
    let start = server.clock.now
    let usual = try await make(server, #"{"name":"a","scopes":["view"]}"#)
    #expect(usual.json["expires_at"]?.string == (start + .days(365)).rfc3339)
    let short = try await make(server, #"{"name":"b","scopes":["view"],"expires_in":"90d"}"#)
    #expect(short.json["expires_at"]?.string == (start + .days(90)).rfc3339)
    let never = try await make(server, #"{"name":"c","scopes":["view"],"expires_in":"never"}"#)
    #expect(never.json["expires_at"]?.isNull == true)
    // The first administrator's: without it nobody could make another.
    #expect(try await first(server)["expires_at"]?.isNull == true)
    await server.stop()
  }

  @Test(
    arguments: [
      #"{"name":"t","scopes":[]}"#, #"{"name":"t","scopes":["view,"]}"#,
      #"{"name":"t","scopes":["root"]}"#, #"{"name":"t","scopes":"view;alert"}"#,
      #"{"name":"t","scopes":["admin"],"features":["a"]}"#,
      #"{"name":"t","scopes":["view,admin"],"features":["a"]}"#,
      #"{"name":"t","scopes":["view"],"features":[]}"#,
      #"{"name":"t","scopes":["view"],"features":["a b"]}"#,
      #"{"name":"t","scopes":["view"],"expires_in":"0s"}"#,
      #"{"name":"t","scopes":["view"],"expires_in":"4000d"}"#,
      #"{"name":"t","scopes":["view"],"expires_in":"forever"}"#,
    ])
  func `tokens that make no sense are refused`(body: String) async throws {
    let server = try await TestServer()
    #expect(try await make(server, body).status == 400)
    #expect(try await list(server).count == 1)
    await server.stop()
  }

  @Test(
    arguments: [
      #"["view,alert"]"#, #""view,alert""#, #"["view","alert"]"#, #""view, alert""#,
      #"["view,alert","view"]"#,
    ])
  func `scopes may be written a,b`(scopes: String) async throws {
    let server = try await TestServer()
    let made = try await make(server, #"{"name":"t","scopes":\#(scopes)}"#)
    #expect(made.json["scopes"]?.array?.compactMap(\.string) == ["alert", "view"], "\(made.text)")
    await server.stop()
  }

  @Test func `a name is free again once its token is revoked or has expired`() async throws {
    let server = try await TestServer()
    let body = #"{"name":"app","scopes":["view"],"expires_in":"1d"}"#
    let first = try await make(server, body)
    #expect(try await make(server, body).status == 409)
    let id = try #require(first.json["id"]?.string)
    #expect(try await server.send("DELETE", "/v1/tokens/\(id)").status == 204)
    #expect(try await make(server, body).status == 201)
    server.clock.advance(.days(1))
    let third = try await make(server, body)
    #expect(third.status == 201)
    let token = try #require(third.json["token"]?.string)
    #expect(try await server.send("GET", "/v1/plans", token: token).status == 200)
    let revoked = try await list(server).filter { $0["revoked_at"] != nil }
    #expect(revoked.count == 2)
    // On disk it is the same.
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await make(again, body).status == 409)
    #expect(try await list(again).filter { $0["name"]?.string == "app" }.count == 3)
    await again.stop()
  }

  @Test func `when a token was used last is shown to the minute, also after a restart`()
    async throws
  {
    let server = try await TestServer()
    let made = try await make(server, #"{"name":"app","scopes":["view"]}"#)
    let token = try #require(made.json["token"]?.string)
    #expect(made.json["last_used_at"]?.isNull == true)
    server.clock.advance(.seconds(3 * 60 + 17))
    #expect(try await server.send("GET", "/v1/plans", token: token).status == 200)
    let minute = Instant(
      milliseconds: server.clock.now.milliseconds - server.clock.now.milliseconds % 60_000)
    func shown(_ server: TestServer) async throws -> String? {
      try await list(server).first { $0["name"]?.string == "app" }?["last_used_at"]?.string
    }
    #expect(try await shown(server) == minute.rfc3339)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    again.clock.advance(.hours(1))
    #expect(try await shown(again) == minute.rfc3339)
    // A token that is not valid was not used.
    again.clock.advance(.days(365))
    #expect(try await again.send("GET", "/v1/plans", token: token).status == 401)
    #expect(try await shown(again) == minute.rfc3339)
    await again.stop()
  }

  // MARK: The last administrator

  @Test func `the last admin token that lasts cannot be revoked`() async throws {
    let server = try await TestServer()
    let first = try #require(try await first(server)["id"]?.string)
    let refused = try await server.send("DELETE", "/v1/tokens/\(first)")
    #expect(refused.status == 409)
    #expect(refused.code == "last_admin")
    // One that has expired, or is revoked, is no other.
    let short = try await make(
      server, #"{"name":"short","scopes":["admin"],"expires_in":"1h"}"#)
    #expect(try await server.send("DELETE", "/v1/tokens/\(first)").code == "last_admin")
    let gone = try await make(server, #"{"name":"gone","scopes":["admin","view"]}"#)
    let goneID = try #require(gone.json["id"]?.string)
    #expect(try await server.send("DELETE", "/v1/tokens/\(goneID)").status == 204)
    server.clock.advance(.hours(1))
    #expect(try await server.send("DELETE", "/v1/tokens/\(first)").code == "last_admin")
    // The expired one may go, although it is one.
    let shortID = try #require(short.json["id"]?.string)
    #expect(try await server.send("DELETE", "/v1/tokens/\(shortID)").status == 204)
    // With another it may.
    let other = try await make(server, #"{"name":"other","scopes":["operate,admin"]}"#)
    let inUse = try await server.send("DELETE", "/v1/tokens/\(first)")
    #expect(inUse.status == 409 && inUse.code == "in_use", "\(inUse.text)")
    #expect(try await server.send("DELETE", "/v1/tokens/\(first)?confirm=other").status == 409)
    #expect(try await server.send("DELETE", "/v1/tokens/\(first)?confirm=admin").status == 204)
    let token = try #require(other.json["token"]?.string)
    #expect(try await server.send("GET", "/v1/tokens", token: token).status == 200)
    await server.stop()
  }

  @Test func `administrators who are all revoked at once leave one`() async throws {
    let server = try await TestServer()
    for name in ["a", "b", "c", "d"] {
      #expect(try await make(server, #"{"name":"\#(name)","scopes":["admin"]}"#).status == 201)
    }
    let tokens = server.application.control.tokens
    let results = try await withThrowingTaskGroup(of: Revocation.self) { group in
      for token in tokens.all { group.addTask { try await tokens.revoke(id: token.id).result } }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(results.filter { $0 == .refusedAsLastAdmin }.count == 1)
    #expect(tokens.all.filter { $0.isValid(at: server.clock.now) }.count == 1)
    await server.stop()
  }

  // MARK: Warnings

  @Test func `before a token ends it is said in readyz, metrics and the list`() async throws {
    let server = try await TestServer()
    _ = try await make(server, #"{"name":"app","scopes":["view"]}"#)
    // One that is made for an hour needs no warning.
    _ = try await make(server, #"{"name":"brief","scopes":["view"],"expires_in":"1h"}"#)
    #expect(try await !warnings(server).contains("tokens"))
    let metrics = try await server.send("GET", "/metrics")
    let end = (server.clock.now + .days(365)).milliseconds / 1000
    let line = #"rollout_token_expiry_timestamp_seconds{token="app"} \#(end)"#
    #expect(metrics.text.contains(line))
    server.clock.advance(.days(350))
    #expect(try await !warnings(server).contains("tokens"))
    server.clock.advance(.days(3))
    #expect(try await warnings(server).contains("app expires in 12 days"))
    #expect(try await server.send("GET", "/readyz").status == 200)
    #expect(
      try await server.send("GET", "/metrics").text.contains(
        #"rollout_degraded{what="tokens"} 1"#))
    server.clock.advance(.days(12))
    #expect(try await !warnings(server).contains("tokens"))
    await server.stop()
  }

  @Test func `when no administrator is left it is said how to make one`() async throws {
    let server = try await TestServer()
    let made = try await make(server, #"{"name":"a","scopes":["admin"],"expires_in":"2d"}"#)
    let token = try #require(made.json["token"]?.string)
    let first = try #require(try await first(server)["id"]?.string)
    #expect(
      try await server.send("DELETE", "/v1/tokens/\(first)?confirm=admin", token: token).status
        == 204)
    server.clock.advance(.days(2))
    #expect(try await warnings(server).contains("rollout-server admin-token"))
    await server.stop()
    let file = try await AdminToken.makeAnother(
      in: server.folder.path, migrations: Migration.control, clock: server.clock)
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(file == "\(server.folder.path)/admin.token")
    #expect(try await again.send("GET", "/v1/tokens").status == 200)
    #expect(try await !warnings(again).contains("tokens"))
    await again.stop()
  }

  // MARK: The first start

  @Test func `a first start that cannot write its token is finished by the next`() async throws {
    let folder = TemporaryFolder()
    // Where the file is made first: the database is there by then.
    let obstacle = "\(folder.path)/admin.token.new"
    #expect(makeFolder(obstacle))
    await #expect(throws: StoreError.self) { try await TestServer(folder: folder) }
    #expect(removeFolder(obstacle))
    let server = try await afterwards(folder)
    #expect(try await server.send("GET", "/v1/tokens").status == 200)
    #expect(try await list(server).count == 1)
    await server.stop()
  }
}

/// The failed one's database thread lets go of the folder in its own time.
private func afterwards(_ folder: TemporaryFolder) async throws -> TestServer {
  for _ in 0..<100 {
    if let server = try? await TestServer(folder: folder) { return server }
    try await Task.sleep(for: .milliseconds(50))
  }
  return try await TestServer(folder: folder)
}

private func makeFolder(_ path: String) -> Bool { mkdir(path, 0o700) == 0 }
private func removeFolder(_ path: String) -> Bool { rmdir(path) == 0 }
