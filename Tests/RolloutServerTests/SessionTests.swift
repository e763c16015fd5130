import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

@Suite struct SessionTests {
  private typealias Headers = [(name: String, value: String)]

  /// As the dashboard's own script sends it.
  private static let ours: Headers = [("X-Rollout", "1"), ("Sec-Fetch-Site", "same-origin")]

  private func token(
    _ server: TestServer, _ name: String, _ scope: String, _ more: String = ""
  ) async throws -> (id: String, text: String) {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["\#(scope)"]\#(more)}"#)
    return (
      try #require(made.json["id"]?.string, "\(made.text)"),
      try #require(made.json["token"]?.string)
    )
  }

  private func signIn(
    _ server: TestServer, _ token: String, headers: Headers = ours
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/v1/session", #"{"token":"\#(token)"}"#, token: "", headers: headers)
  }

  /// What a browser sends back of what was set.
  private func cookie(_ answer: TestServer.Answer) throws -> (name: String, value: String) {
    let set = try #require(answer.header("set-cookie"), "\(answer.status) \(answer.text)")
    return ("Cookie", String(set.prefix { $0 != ";" }))
  }

  private func status(
    _ server: TestServer, _ method: String, _ path: String, _ cookie: (name: String, value: String),
    _ more: Headers = [], _ body: String = "{}"
  ) async throws -> Int {
    try await server.send(method, path, body, token: "", headers: [cookie] + more).status
  }

  @Test func `a token is changed for a cookie that no script reads and no other site sends`()
    async throws
  {
    let server = try await TestServer()
    let viewer = try await token(server, "mira", "view")
    let answer = try await signIn(server, viewer.text)
    #expect(answer.status == 200)
    #expect(answer.json["name"]?.string == "mira")
    #expect(answer.json["scopes"]?.array?.compactMap(\.string) == ["view"])
    #expect(answer.header("cache-control") == "no-store")
    let set = try #require(answer.header("set-cookie"))
    for part in ["Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"] {
      #expect(set.contains(part))
    }
    #expect(!set.contains("Secure"), "on loopback, without TLS")
    #expect(!set.contains(viewer.text))
    let cookie = try cookie(answer)
    let me = try await server.send("GET", "/v1/session", token: "", headers: [cookie])
    #expect(me.json["name"]?.string == "mira")
    #expect(try await status(server, "GET", "/v1/plans", cookie) == 200)
    #expect(try await status(server, "GET", "/v1/tokens", cookie) == 403, "the token's scopes")
    #expect(try await server.send("GET", "/v1/session", token: "").status == 401)
    await server.stop()
  }

  @Test(arguments: [
    [("Host", "rollout.example.org")], [("X-Forwarded-For", "192.0.2.7")],
    [("Host", "127.0.0.1.example.org")],
  ])
  func `away from this machine the cookie goes over TLS only`(
    headers: [(String, String)]
  ) async throws {
    let server = try await TestServer()
    let more = headers.map { (name: $0.0, value: $0.1) }
    let answer = try await signIn(server, server.adminToken, headers: more)
    #expect(answer.header("set-cookie")?.contains("; Secure") == true, "\(answer.text)")
    await server.stop()
  }

  @Test func `a wrong token is refused, and guessing is slowed down`() async throws {
    let server = try await TestServer()
    for body in ["", "[]", "{}", #"{"token":7}"#, #"{"token":"x","more":1}"#] {
      let answer = try await server.send("POST", "/v1/session", body, token: "")
      #expect(answer.status == 400, "\(body): \(answer.status)")
    }
    var last = 0
    for _ in 0...FailedAuthentications.countMax {
      let answer = try await signIn(server, "ro_wrong")
      #expect(answer.header("set-cookie") == nil)
      last = answer.status
    }
    #expect(last == 429)
    #expect(try await signIn(server, server.adminToken).status == 200, "a right one is let in")
    await server.stop()
  }

  @Test func `a cookie changes nothing unless our own page sends it`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let cookie = try cookie(try await signIn(server, server.adminToken))
    let path = "/v1/plans/ai-summary/pause"
    let version: Headers = [("If-Match", "\"2\"")]
    let host = "http://127.0.0.1:\(server.port)"
    let refused: [Headers] = [
      [], [("X-Rollout", "1")], [("Sec-Fetch-Site", "same-origin")],
      [("X-Rollout", "1"), ("Sec-Fetch-Site", "cross-site")],
      [("X-Rollout", "1"), ("Sec-Fetch-Site", "same-site")],
      [("X-Rollout", "1"), ("Sec-Fetch-Site", "none")],
      [("X-Rollout", "1"), ("Origin", "https://elsewhere.example")],
      [("X-Rollout", "1"), ("Origin", "null")],
      [("X-Rollout", "1"), ("Origin", host + "0")],
      [("X-Rollout", "1"), ("Origin", host), ("Sec-Fetch-Site", "cross-site")],
      [("X-Rollout", "0"), ("Sec-Fetch-Site", "same-origin")],
    ]
    for headers in refused {
      let answer = try await status(server, "POST", path, cookie, version + headers)
      #expect(answer == 403, "\(headers)")
      #expect(try await status(server, "DELETE", "/v1/session", cookie, headers) == 403)
    }
    #expect(try await status(server, "PUT", "/v1/cohorts/internal/members/u", cookie) == 403)
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int == 2)
    let byOrigin: Headers = [("X-Rollout", "1"), ("Origin", host)]
    #expect(try await status(server, "POST", path, cookie, version + byOrigin) == 200)
    let back: Headers = [("If-Match", "\"3\"")] + Self.ours
    #expect(try await status(server, "POST", "/v1/plans/ai-summary/resume", cookie, back) == 200)
    // Nobody is signed in by another page either.
    let login = try await signIn(
      server, server.adminToken, headers: [("Sec-Fetch-Site", "cross-site")])
    #expect(login.status == 403)
    #expect(login.header("set-cookie") == nil)
    await server.stop()
  }

  @Test func `signing out ends the cookie for whoever has it, and a token beside it counts first`()
    async throws
  {
    let server = try await TestServer()
    let cookie = try cookie(try await signIn(server, server.adminToken))
    let other = try self.cookie(try await signIn(server, server.adminToken))
    let wrong = try await server.send("GET", "/v1/plans", token: "ro_wrong", headers: [cookie])
    #expect(wrong.status == 401, "a token that is sent is the one that counts")
    let out = try await server.send(
      "DELETE", "/v1/session", token: "", headers: [cookie] + Self.ours)
    #expect(out.status == 204)
    #expect(out.header("set-cookie")?.contains("Max-Age=0") == true)
    #expect(try await status(server, "GET", "/v1/plans", cookie) == 401)
    #expect(try await status(server, "GET", "/v1/plans", other) == 200)
    #expect(
      try await server.send("DELETE", "/v1/session", token: "", headers: Self.ours).status == 204)
    for forged in ["rollout_session=", "rollout_session=x", "a=b; rollout_session=%00;;=;"] {
      #expect(try await status(server, "GET", "/v1/plans", ("Cookie", forged)) == 401)
    }
    await server.stop()
  }

  @Test func `it outlives a restart, and ends after twelve hours and with its token`()
    async throws
  {
    let folder = TemporaryFolder()
    let clock = ManualClock()
    let first = try await TestServer(folder: folder, clock: clock)
    let revoked = try await token(first, "a", "view")
    let short = try await token(first, "b", "view", #","expires_in":"1h""#)
    let kept = try cookie(try await signIn(first, first.adminToken))
    let ending = try cookie(try await signIn(first, revoked.text))
    let shortly = try await signIn(first, short.text)
    #expect(shortly.json["expires_at"]?.string == (clock.now + .hours(1)).rfc3339)
    let over = try cookie(try await signIn(first, first.adminToken))
    #expect(try await status(first, "DELETE", "/v1/session", over, Self.ours) == 204)
    await first.stop()

    let second = try await TestServer(folder: folder, clock: clock)
    #expect(try await status(second, "GET", "/v1/plans", kept) == 200)
    #expect(try await status(second, "GET", "/v1/plans", ending) == 200)
    #expect(try await status(second, "GET", "/v1/plans", over) == 401, "it was signed out")
    #expect(try await second.send("DELETE", "/v1/tokens/\(revoked.id)?confirm=a").status == 204)
    #expect(try await status(second, "GET", "/v1/plans", ending) == 401)
    clock.advance(.hours(1))
    #expect(try await status(second, "GET", "/v1/plans", cookie(shortly)) == 401)
    clock.advance(.hours(10))
    #expect(try await status(second, "GET", "/v1/plans", kept) == 200)
    clock.advance(.hours(1))
    #expect(try await status(second, "GET", "/v1/plans", kept) == 401)
    await second.stop()
    let third = try await TestServer(folder: folder, clock: clock)
    #expect(try await status(third, "GET", "/v1/plans", kept) == 401)
    await third.stop()
  }

  @Test(arguments: ["/v1/events", "/ofrep/v1/events"], ["signed out", "revoked", "expired"])
  func `a stream of events ends with the session that began it`(path: String, how: String)
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    let viewer = try await token(server, "mira", "view")
    func stream(_ cookie: (name: String, value: String)) -> RawConnection {
      let connection = RawConnection(port: server.port)
      connection.send("GET \(path) HTTP/1.0\r\nHost: a\r\nCookie: \(cookie.value)\r\n\r\n")
      return connection
    }
    let ending = try cookie(try await signIn(server, viewer.text))
    server.clock.advance(.hours(how == "expired" ? 11 : 0))
    let other = try cookie(try await signIn(server, server.adminToken))
    let (mine, others) = (stream(ending), stream(other))
    for open in [mine, others] { _ = await open.receive { $0.hasSuffix(": connected\n\n") } }
    switch how {
    case "signed out":
      #expect(try await status(server, "DELETE", "/v1/session", ending, Self.ours) == 204)
    case "revoked":
      #expect(try await server.send("DELETE", "/v1/tokens/\(viewer.id)?confirm=mira").status == 204)
    default: server.clock.advance(.hours(2))
    }
    try await server.command("pause")
    let ended = await mine.receive(milliseconds: 4000)
    #expect(ended.end == .closed)
    #expect(!ended.text.contains("id: 3"), "\(ended.text)")
    #expect(await others.receive(milliseconds: 100).end == .open)
    await server.stop()
  }

  @Test func `a token has so many sessions, the newest ones`() async throws {
    let server = try await TestServer()
    var cookies: [(name: String, value: String)] = []
    for _ in 0...SessionDirectory.countMax {
      cookies.append(try cookie(try await signIn(server, server.adminToken)))
      server.clock.advance(.seconds(1))
    }
    #expect(try await status(server, "GET", "/v1/plans", cookies[0]) == 401)
    #expect(try await status(server, "GET", "/v1/plans", cookies[1]) == 200)
    #expect(try await status(server, "GET", "/v1/plans", cookies[cookies.count - 1]) == 200)
    await server.stop()
  }

  private struct FullDisk: SessionStore {
    private let trouble = StoreError.unavailable("disk full")
    func loadSessions(now: Instant) async throws -> [SessionRecord] { [] }
    func insert(_ session: SessionRecord, noting: AuditRecord?) async throws { throw trouble }
    func deleteSessions(_ hashes: [[UInt8]], noting: AuditRecord?) async throws { throw trouble }
  }

  @Test func `on a disk that takes nothing people are let in, until the server ends`() async throws
  {
    let server = try await TestServer()
    let tokens = server.application.control.tokens
    let sessions = try await SessionDirectory(store: FullDisk(), tokens: tokens)
    let begun = await sessions.begin(tokenID: try #require(tokens.all.first?.id))
    let secret = Array(begun.secret.utf8)
    #expect(!begun.isDurable)
    #expect(sessions.principal(secret)?.actor == .token("admin"))
    #expect(await !sessions.end(secret))
    #expect(sessions.principal(secret) == nil)
    #expect(await !sessions.end(secret), "it is over, and still not written")
    await server.stop()
  }

  @Test func `signing out on a disk that takes nothing is over at once, and written later`()
    async throws
  {
    let folder = TemporaryFolder()
    let server = try await TestServer(folder: folder)
    let cookie = try cookie(try await signIn(server, server.adminToken))
    let file = server.application.stores.data.control.database
    try await file.write {
      try $0.execute(
        "CREATE TRIGGER fault BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, 'full'); END")
    }
    for _ in 1...2 {
      let out = try await server.send(
        "DELETE", "/v1/session", token: "", headers: [cookie] + Self.ours)
      #expect(out.status == 202)
      #expect(out.json["durable"]?.bool == false)
      #expect(try await status(server, "GET", "/v1/plans", cookie) == 401)
    }
    try await file.write { try $0.execute("DROP TRIGGER fault") }
    await server.application.surface.tokenWatch.look()
    await server.stop()
    let again = try await TestServer(folder: folder)
    #expect(try await status(again, "GET", "/v1/plans", cookie) == 401)
    await again.stop()
  }

  @Test func `with auth off everybody is said to be nobody`() async throws {
    let server = try await TestServer("auth: off")
    let me = try await server.send("GET", "/v1/session", token: "")
    #expect(me.json["name"]?.string == "anonymous")
    #expect(me.json["auth"]?.string == "off")
    #expect(try await signIn(server, "anything").status == 200)
    await server.stop()
  }
}
