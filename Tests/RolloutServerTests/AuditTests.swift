import DocumentKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

/// Who changed what beside the plans, through the whole server and its real file.
@Suite struct AuditTests {
  private static let ours: [(name: String, value: String)] = [
    ("X-Rollout", "1"), ("Sec-Fetch-Site", "same-origin"),
  ]

  private func entries(
    _ server: TestServer, _ query: String = "", token: String? = nil
  ) async throws -> [Document] {
    let answer = try await server.send("GET", "/v1/audit\(query)", token: token)
    #expect(answer.status == 200, "\(answer.text)")
    return answer.json["audit"]?.array ?? []
  }

  /// `type actor target: reason`, newest first.
  private func lines(_ server: TestServer, _ query: String = "") async throws -> [String] {
    try await entries(server, query).map { entry in
      let words = ["type", "actor", "target"].map { entry[$0]?.string ?? "?" }
      return "\(words.joined(separator: " ")): \(entry["reason"]?.string ?? "?")"
    }
  }

  private func make(
    _ server: TestServer, _ name: String, _ scope: String, _ more: String = ""
  ) async throws -> (id: String, text: String) {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["\#(scope)"]\#(more)}"#)
    return (
      try #require(made.json["id"]?.string, "\(made.text)"),
      try #require(made.json["token"]?.string)
    )
  }

  @Test func `tokens are noted with who, what and why, over a restart, and never their secret`()
    async throws
  {
    let server = try await TestServer()
    let shop = try await make(
      server, "shop", "view", #","features":["a","b"],"expires_in":"30d","reason":"the shop asks""#)
    #expect(
      try await server.send("DELETE", "/v1/tokens/\(shop.id)?reason=leaked").status == 204)
    // Refused, or done before: nothing changed.
    #expect(try await server.send("DELETE", "/v1/tokens/\(shop.id)").status == 204)
    #expect(try await server.send("DELETE", "/v1/tokens/nobody").status == 404)
    let admin = try await server.send("GET", "/v1/tokens").json["tokens"]?.array?.first
    let id = try #require(admin?["id"]?.string)
    #expect(try await server.send("DELETE", "/v1/tokens/\(id)?confirm=admin").status == 409)
    let expected = [
      "token_revoked token:admin shop: leaked", "token_created token:admin shop: the shop asks",
      "token_created server admin: first start",
    ]
    #expect(try await lines(server) == expected)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await lines(again) == expected)
    let made = try await entries(again)[1]
    #expect(
      made["sentence"]?.string
        == "made the token shop: view, for a, b only, until "
        + (server.clock.now + .days(30)).rfc3339.prefix(10))
    #expect(made["details"]?["id"]?.string == shop.id)
    let text = try await again.send("GET", "/v1/audit?format=ndjson").text
    #expect(text.split(separator: "\n").count == 3)
    #expect(!text.contains(shop.text) && !text.contains(again.adminToken))
    await again.stop()
  }

  @Test func `members are counted and never named, and what many do alike is one entry`()
    async throws
  {
    let server = try await TestServer()
    let shop = try await make(server, "shop", "operate").text
    for user in ["secret-anna", "secret-bob", "secret-bob"] {
      let answer = try await server.send(
        "PUT", "/v1/cohorts/beta/members/\(user)?create=true", token: shop)
      #expect(answer.status == 204)
    }
    let bulk = try await server.send(
      "POST", "/v1/cohorts/beta/members?reason=pilots", "secret-bob\nsecret-carl\nsecret-dora\n",
      headers: [("Content-Type", "text/plain")])
    #expect(bulk.status == 200, "\(bulk.text)")
    #expect(
      try await server.send("DELETE", "/v1/cohorts/beta/members/secret-anna", token: shop).status
        == 204)
    #expect(
      try await server.send("DELETE", "/v1/cohorts/beta/members/secret-zoe", token: shop).status
        == 204)
    #expect(try await server.send("DELETE", "/v1/cohorts/beta?reason=over").status == 200)
    let found = try await entries(server).prefix(4).map { entry in
      "\(entry["actor"]?.string ?? ""): \(entry["sentence"]?.string ?? "") "
        + "×\(entry["count"]?.int ?? 0) \(entry["reason"]?.string ?? "")"
    }
    #expect(
      found == [
        "token:admin: deleted the cohort beta with 3 users ×1 over",
        "token:shop: took 1 user out of the cohort beta ×1 ",
        "token:admin: let 2 users into the cohort beta ×1 pilots",
        "token:shop: let 2 users into the cohort beta ×2 ",
      ])
    #expect(!(try await server.send("GET", "/v1/audit?limit=1000").text.contains("secret-")))
    // An hour later it is another entry.
    server.clock.advance(.hours(1))
    _ = try await server.send(
      "PUT", "/v1/cohorts/beta/members/secret-anna?create=true", token: shop)
    #expect(try await entries(server, "?actor=token:shop").count == 3)
    await server.stop()
  }

  @Test func `who signs in and out is noted with where from, and guesses are folded`() async throws
  {
    let server = try await TestServer()
    func signIn(_ token: String, from address: String) async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/v1/session", #"{"token":"\#(token)"}"#, token: "",
        headers: Self.ours + [("X-Forwarded-For", address)])
    }
    for _ in 0..<5 { #expect(try await signIn("ro_wrong", from: "192.0.2.7").status == 401) }
    let signed = try await signIn(server.adminToken, from: "192.0.2.8")
    let cookie = String(try #require(signed.header("set-cookie")).prefix { $0 != ";" })
    let out = try await server.send(
      "DELETE", "/v1/session", token: "", headers: Self.ours + [("Cookie", cookie)])
    #expect(out.status == 204)
    // Guesses wait in memory: who has no token does not make the disk work.
    await server.application.stores.trail.write()
    #expect(
      Set(try await lines(server)) == [
        "sign_in_failed anonymous dashboard: ", "signed_out token:admin dashboard: ",
        "signed_in token:admin dashboard: ", "token_created server admin: first start",
      ])
    let failed = try await entries(server, "?type=sign_in_failed")
    #expect(failed.map { $0["count"]?.int } == [5])
    #expect(failed.first?["details"]?["from"]?.string == "192.0.2.7")
    let signedIn = try await entries(server, "?type=signed_in")
    #expect(signedIn.first?["sentence"]?.string == "signed in from 192.0.2.8")
    await server.stop()
  }

  @Test func `a configuration that is read again is noted by what changed, a refused one by why`()
    async throws
  {
    let server = try await TestServer()
    await server.reload(
      """
      limits: {per_user: 5/min}
      notify: [{kind: slack, name: ops, url: "https://hooks.example.com/SECRET-PATH"}]
      """)
    await server.reload(
      """
      limits: {per_user: 6/min}
      notify: [{kind: slack, name: ops, url: "https://hooks.example.com/SECRET-PATH"}]
      """)
    await server.reload("limits: {per_users: 1/min}")
    let found = try await entries(server).prefix(3)
    #expect(
      found.map { $0["type"]?.string } == [
        "configuration_refused", "configuration_reloaded", "configuration_reloaded",
      ])
    #expect(found[1]["sentence"]?.string == "read the configuration again: limits.per_user changed")
    #expect(
      found[2]["details"]?["changed"]?.array?.compactMap(\.string)
        == ["limits.per_user", "notify.ops"])
    #expect(found[0]["sentence"]?.string?.contains("did you mean") == true, "\(found[0].jsonText)")
    #expect(found.allSatisfy { $0["actor"]?.string == "server" })
    #expect(!found.map(\.jsonText).joined().contains("SECRET-PATH"))
    await server.stop()
  }

  @Test func `back-ups, captures and jobs are noted`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let app = try await make(server, "app", "evaluate").text
    #expect(try await server.send("POST", "/v1/backup?reason=nightly").status == 200)
    #expect(
      try await server.send("DELETE", "/v1/captures?feature=ai-summary&reason=asked%20for").status
        == 204)
    #expect(try await server.send("DELETE", "/v1/jobs/job_nobody", token: app).status == 404)
    #expect(
      try await lines(server).prefix(2) == [
        "captures_deleted token:admin ai-summary: asked for",
        "backup_taken token:admin : nightly",
      ])
    let long = String(repeating: "r", count: 2001)
    for (method, path) in [("POST", "/v1/backup?"), ("DELETE", "/v1/captures?feature=x&")] {
      let answer = try await server.send(method, "\(path)reason=\(long)")
      #expect(answer.status == 400, "\(path)")
    }
    #expect(try await entries(server, "?type=backup_taken").count == 1)
    await server.stop()
  }

  @Test func `a job that is taken back is noted by its feature, another's by its name`()
    async throws
  {
    let upstream = ScriptedUpstream()
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {deadline: 30s, targets: [{provider: main, model: m}]}}
      jobs: {concurrency: 1}
      """)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    let app = try await make(server, "app", "evaluate").text
    // The first keeps the only place; the others wait.
    upstream.always(.hang)
    var ids: [String] = []
    for number in 0..<4 {
      let made = try await server.send(
        "POST", "/v1/features/ai-summary/jobs", #"{"user":"u\#(number)","prompt":"hello"}"#,
        token: app)
      ids.append(try #require(made.json["job_id"]?.string, "\(made.text)"))
    }
    for id in ids[1...2] {
      #expect(try await server.send("DELETE", "/v1/jobs/\(id)", token: app).status == 200)
    }
    #expect(try await server.send("DELETE", "/v1/jobs/\(ids[1])", token: app).status == 200)
    #expect(try await server.send("DELETE", "/v1/jobs/\(ids[3])?reason=stuck").status == 200)
    let found = try await entries(server, "?type=job_cancelled")
    #expect(found.map { $0["actor"]?.string } == ["token:admin", "token:app"])
    #expect(found[0]["details"]?["job"]?.string == ids[3])
    #expect(found[1]["count"]?.int == 2)
    #expect(found[1]["sentence"]?.string == "cancelled 2 jobs of ai-summary")
    await server.stop()
  }

  @Test func `filters, pages and lines fit together, and what makes no sense is said`()
    async throws
  {
    let server = try await TestServer()
    for number in 0..<25 {
      _ = try await make(server, "t\(number)", "view")
      server.clock.advance(.minutes(1))
    }
    var seen: [Int] = []
    var after = ""
    repeat {
      let page = try await server.send("GET", "/v1/audit?limit=7\(after)")
      seen += page.json["audit"]?.array?.compactMap { $0["id"]?.int } ?? []
      after = page.json["next"]?.string.map { "&after=\($0)" } ?? ""
    } while !after.isEmpty
    #expect(seen == Array((1...26).reversed()))
    let since = (server.clock.now - .minutes(5)).rfc3339
    #expect(try await entries(server, "?since=\(since)&type=token_created").count == 5)
    #expect(try await entries(server, "?actor=server").count == 1)
    #expect(try await entries(server, "?actor=%00%0A%1B").isEmpty)
    let export = try await server.send(
      "GET", "/v1/audit?actor=token:admin", headers: [("Accept", "application/x-ndjson")])
    #expect(export.header("content-type")?.hasPrefix("application/x-ndjson") == true)
    let lines = export.text.split(separator: "\n")
    #expect(lines.count == 25)
    #expect(lines.allSatisfy { (try? JSONReader.read(Array($0.utf8)))?["id"]?.int != nil })
    #expect(
      try await server.send("GET", "/v1/audit?format=ndjson&limit=3").text
        .split(separator: "\n").count == 3)
    #expect(try await server.send("HEAD", "/v1/audit?format=ndjson").status == 200)
    for bad in [
      "?type=nothing", "?since=yesterday", "?limit=0", "?limit=x", "?after=x", "?format=csv",
      "?unknown=1", "?type=a&type=b",
    ] {
      let answer = try await server.send("GET", "/v1/audit\(bad)")
      #expect(answer.status == 400, "\(bad): \(answer.text)")
      #expect(answer.header("content-type") == "application/problem+json")
    }
    await server.stop()
  }

  @Test func `reasons come back as they were given, whatever is in them`() async throws {
    let server = try await TestServer()
    let odd = "line\nline \u{1B}[31m \u{202E} \"quoted\" \\ \u{0}"
    let body = Document.object([
      "name": .string("odd"), "scopes": .array([.string("view")]), "reason": .string(odd),
    ])
    #expect(try await server.send("POST", "/v1/tokens", body.jsonText).status == 201)
    #expect(try await entries(server).first?["reason"]?.string == odd)
    let export = try await server.send("GET", "/v1/audit?format=ndjson").text
    #expect(export.split(separator: "\n").count == 2, "no reason breaks a line")
    await server.stop()
  }

  @Test func `what is older than the configuration says is forgotten, and no clock empties it`()
    async throws
  {
    let server = try await TestServer("audit: {keep: 30d}")
    _ = try await make(server, "old", "view")
    server.clock.advance(.days(29))
    _ = try await make(server, "new", "view")
    let trail = server.application.stores.trail
    await trail.turn(0, keep: .days(30))
    #expect(try await entries(server).count == 3)
    server.clock.advance(.days(2))
    await trail.turn(0, keep: .days(30))
    #expect(try await lines(server) == ["token_created token:admin new: "])
    // Somebody sets the clock ten years ahead.
    server.clock.step(milliseconds: 3650 * 86_400_000)
    await trail.turn(0, keep: .days(30))
    #expect(try await entries(server).count == 1)
    await server.stop()
  }

  @Test(arguments: ["", "keep: 0d", "keep: 4000d", "keep: soon", "keep: 30d, more: 1"])
  func `a time to keep that makes no sense is refused`(text: String) {
    #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array("audit: {\(text)}".utf8))) { _ in nil }
    }
  }

  @Test func `what cannot be written yet is kept in mind, folded, and said`() async throws {
    let store = MemoryStore()
    let clock = ManualClock()
    let readiness = Readiness(hasTokens: true)
    let trail = AuditTrail(
      store: store, clock: clock, readiness: readiness, log: Log(clock: clock, isSilent: true))
    await store.fail(with: .unavailable("disk full"))
    for _ in 0..<3 {
      await trail.note(AuditRecord(.backupTaken, by: .token("ops"), at: clock.now))
    }
    await trail.note(AuditRecord(.budgetAccepted, by: .token("ops"), at: clock.now))
    await trail.write()
    #expect(readiness.warnings.map(\.what) == ["audit"])
    await store.fail(with: nil)
    await trail.write()
    #expect(readiness.warnings.isEmpty)
    let query = AuditQuery(before: nil, since: nil, type: nil, actor: nil, limit: 10)
    #expect(
      await store.audit(query).map { "\($0.type) \($0.count)" } == [
        "budget_accepted 1", "backup_taken 3",
      ])
    // Anybody can send wrong tokens from many addresses: no more than so many wait.
    for number in 0..<3000 {
      trail.remember(
        AuditRecord(
          .signInFailed, by: .anonymous, details: .object(["from": .int(number)]), at: clock.now))
    }
    await trail.write()
    #expect(await store.audit(query).first?.type == "sign_in_failed")
    let all = AuditQuery(before: nil, since: nil, type: nil, actor: nil, limit: 5000)
    #expect(await store.audit(all).count == 1002)
  }
}
