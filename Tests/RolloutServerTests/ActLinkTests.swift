import DigestKit
import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Links in messages: they lead to one action on one version, give no right, and are good once.
@Suite struct ActLinkTests {
  private let upstream = ScriptedUpstream()

  private func server(
    folder: TemporaryFolder = TemporaryFolder(), clock: ManualClock = ManualClock()
  ) async throws -> TestServer {
    upstream.always(.send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))
    return try await TestServer(
      """
      public_url: https://rollout.example.org
      notify: [{kind: webhook, url: "\(upstream.url)/hook", allow_private: true}]
      """, folder: folder, clock: clock)
  }

  private func token(
    _ server: TestServer, _ name: String, _ scope: String, _ more: String = ""
  ) async throws -> String {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["\#(scope)"]\#(more)}"#)
    return try #require(made.json["token"]?.string, "\(made.text)")
  }

  /// The link that the newest message of a type brings.
  private func link(_ server: TestServer, _ type: String) async throws -> Document {
    var found: Document?
    _ = try await server.eventually {
      found = upstream.requests.last { $0.contains(#""type":"rollout.\#(type)""#) }.flatMap {
        $0.split(separator: "\r\n\r\n").last.flatMap { try? JSONReader.read(Array($0.utf8)) }
      }
      return found != nil
    }
    return try #require(found?["links"]?.array?.first, "\(type)")
  }

  private func text(_ link: Document) throws -> String {
    let url = try #require(link["url"]?.string)
    #expect(url.hasPrefix("https://rollout.example.org/act/"))
    return String(url.dropFirst("https://rollout.example.org/act/".count))
  }

  private func open(
    _ server: TestServer, _ text: String, token: String? = nil
  ) async throws -> TestServer.Answer {
    try await server.send("GET", "/v1/links/\(text)", token: token)
  }

  private func perform(
    _ server: TestServer, _ view: Document, token: String
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/v1/plans/\(view["feature"]?.string ?? "")/\(view["action"]?.string ?? "")",
      #"{"reason":"seen"}"#, token: token,
      headers: [("If-Match", "\"\(view["version"]?.int ?? 0)\"")])
  }

  private func waiting(_ server: TestServer) async throws {
    try await server.startPlan(
      "ai-summary", #","stages":[{"name":"a","percent":5},{"name":"b","percent":50,"approvals":2}]"#
    )
    await server.application.surface.approvals.look()
  }

  @Test func `an approval that is wanted is told once, with a link for who signs in`() async throws
  {
    let server = try await server()
    try await waiting(server)
    for _ in 0..<3 { await server.application.surface.approvals.look() }
    let made = try await link(server, "approval")
    #expect(made["action"]?.string == "approve")
    #expect(upstream.requests.count { $0.contains("rollout.approval") } == 1)
    // Opening it does nothing, whoever does.
    let text = try text(made)
    #expect(try await open(server, text, token: "").status == 401)
    #expect(try await server.send("GET", "/act/\(text)", token: "").status == 200)
    let view = try await open(server, text)
    #expect(view.json["usable"]?.bool == true, "\(view.text)")
    #expect(view.json["sentence"]?.string?.contains("goes on to the stage b") == true)
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int == 2)
    // It gives no right: who may only look may only look.
    let viewer = try await token(server, "vera", "view")
    #expect(try await open(server, text, token: viewer).status == 200)
    #expect(try await perform(server, view.json, token: viewer).status == 403)
    let stranger = try await token(server, "sam", "operate", #","features":["other"]"#)
    #expect(try await open(server, text, token: stranger).status == 403)
    let app = try await token(server, "app", "evaluate")
    #expect(try await open(server, text, token: app).status == 403)
    // Used once, and void then; the second person is sent another.
    let anna = try await token(server, "anna", "operate")
    #expect(try await perform(server, view.json, token: anna).status == 200)
    #expect(try await perform(server, view.json, token: anna).status == 409)
    let after = try await open(server, text)
    #expect(after.json["usable"]?.bool == false)
    #expect(after.json["why"]?.string?.contains("good for one use") == true, "\(after.text)")
    await server.application.surface.approvals.look()
    #expect(
      try await server.eventually {
        upstream.requests.count { $0.contains("rollout.approval") } == 2
      })
    let next = try await open(server, try self.text(try await link(server, "approval")))
    let bob = try await token(server, "bob", "operate")
    #expect(try await perform(server, next.json, token: bob).status == 200)
    // Four eyes stay four: who approved may not take the step.
    await server.application.surface.approvals.look()
    let step = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", #"{"reason":"go","force":true}"#, token: bob,
      headers: [("If-Match", "\"4\"")])
    #expect(step.status == 403, "\(step.text)")
    await server.stop()
  }

  @Test func `nobody is told again after a restart, and its links are good still`() async throws {
    let first = try await server()
    try await waiting(first)
    let text = try text(try await link(first, "approval"))
    await first.stop()
    let again = try await server(folder: first.folder, clock: first.clock)
    await again.application.surface.approvals.look()
    #expect(try await open(again, text).json["usable"]?.bool == true)
    try await Task.sleep(for: .milliseconds(200))
    #expect(upstream.requests.count { $0.contains("rollout.approval") } == 1)
    again.clock.advance(.hours(24))
    let late = try await open(again, text)
    #expect(late.json["usable"]?.bool == false)
    #expect(late.json["why"]?.string?.contains("ended") == true, "\(late.text)")
    await again.stop()
  }

  @Test func `a hold that somebody must look at is acknowledged by its link`() async throws {
    let server = try await server()
    try await server.startPlan()
    try await server.command("advance")
    _ = try await server.send(
      "POST", "/v1/alerts", #"{"id":"1","feature":"ai-summary","reason":"too many errors"}"#)
    let made = try await link(server, "rolled_back")
    #expect(made["action"]?.string == "acknowledge")
    let view = try await open(server, try text(made))
    #expect(view.json["sentence"]?.string?.contains("too many errors") == true, "\(view.text)")
    #expect(try await perform(server, view.json, token: server.adminToken).status == 200)
    #expect(try await open(server, try text(made)).json["usable"]?.bool == false)
    // What a person did asks nobody to look.
    try await server.startPlan("by-hand")
    try await server.command("advance", "by-hand")
    try await server.command("rollback", "by-hand")
    #expect(
      try await server.eventually {
        upstream.requests.count { $0.contains(#""type":"rollout.rolled_back""#) } == 2
      })
    let messages = upstream.requests.filter { $0.contains(#""type":"rollout.rolled_back""#) }
    #expect(messages.count { $0.contains(#""links""#) } == 1)
    await server.stop()
  }

  @Test func `a link that is not ours is not believed`() async throws {
    let server = try await server()
    try await waiting(server)
    let good = try text(try await link(server, "approval"))
    let parts = good.split(separator: ".").map(String.init)
    let other = ActLinks(
      try DataDirectory(TemporaryFolder().path), Log(clock: server.clock, isSilent: true))
    let forged = other.text(
      ActLink(
        .approve, "ai-summary", stage: "b", version: 2,
        expiresAt: server.clock.now + .hours(1)))
    let kill = Digest.base64(Array(#"{"a":"kill","f":"ai-summary","s":"b","v":2,"x":9e12}"#.utf8))
    for bad in [
      forged, parts[0], "\(parts[0]).", ".\(parts[1])", "\(parts[0]).\(parts[0])", "\(good).x",
      "\(kill).\(parts[1])", String(good.dropLast(2)), "x.y", ".", "%20", "..",
      String(repeating: "A", count: 5000),
    ] {
      let answer = try await open(server, bad)
      #expect(answer.status == 404, "\(bad.prefix(40)): \(answer.status)")
    }
    #expect(try await open(server, good + "?x=1").status == 400)
    await server.stop()
  }
}
