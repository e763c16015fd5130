import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Holds as people meet them: passed with a reason, acknowledged at once, and the way back.
@Suite struct HoldAPITests {
  private func plan(_ server: TestServer, token: String? = nil) async throws -> Document {
    try await server.send("GET", "/v1/plans/ai-summary", token: token).json
  }

  private func send(
    _ server: TestServer, _ name: String, _ body: String, token: String? = nil
  ) async throws -> TestServer.Answer {
    let version = try #require(try await plan(server)["version"]?.int)
    return try await server.send(
      "POST", "/v1/plans/ai-summary/\(name)", body, token: token,
      headers: [("If-Match", "\"\(version)\"")])
  }

  private func report(
    _ server: TestServer, _ range: Range<Int>, _ more: (Int) -> String
  ) async throws {
    let items = range.map {
      #"{"feature":"ai-summary","user":"u\#($0 % 500)","arm":"treatment",\#(more($0))}"#
    }
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(items.joined(separator: ","))]}"#)
    try #require(answer.status == 202, "\(answer.text)")
  }

  private func texts(_ document: Document?) -> [String] {
    document?.array?.compactMap(\.string) ?? []
  }

  private func isHeld(_ server: TestServer, _ cause: String?) async throws -> Bool {
    try await server.eventually {
      try await plan(server)["hold"]?["cause"]?.string == cause
    }
  }

  private func alert(_ server: TestServer, _ id: String) async throws {
    let answer = try await server.send(
      "POST", "/v1/alerts",
      #"{"id":"\#(id)","feature":"ai-summary","action":"rollback","reason":"30 % errors"}"#)
    #expect(answer.json["results"]?.array?.first?["acted"]?.bool == true, "\(answer.text)")
  }

  // MARK: Passing

  @Test func `a silent plan goes on when a person says why`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    server.clock.advance(.hours(25))
    #expect(try await isHeld(server, "no_traffic"))
    let next = try await plan(server)["next"]
    let warnings = texts(next?["warnings"])
    let hold = try #require(warnings.first)
    #expect(hold.hasPrefix("hold: for want of traffic ("))
    #expect(texts(next?["waiting_on"]).first == hold)
    let refused = try await send(server, "advance", "{}")
    #expect(refused.status == 409)
    #expect(refused.code == "held")
    #expect(texts(refused.json["waiting_on"]) == [hold])
    #expect(hold.hasSuffix("; a person passes it with a reason"))
    let passed = try await send(server, "advance", #"{"reason":"nobody is awake yet"}"#)
    #expect(passed.status == 200, "\(passed.text)")
    #expect(passed.json["stage"]?.string == "beta")
    #expect(passed.json["hold"]?.isNull == true)
    #expect(texts(passed.json["warnings"]).contains(hold))
    await server.stop()
  }

  @Test func `a restart does not make a plan look silent that people ask for`() async throws {
    let server = try await TestServer(looks: false)
    try await server.startPlan()
    server.clock.advance(.hours(30))
    _ = try await server.send("GET", "/v1/features/ai-summary/decision?user=u")
    await server.application.surface.monitor.look()
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock, looks: false)
    await again.application.surface.monitor.look()
    #expect(try await plan(again)["hold"]?.isNull == true)
    again.clock.advance(.hours(25))
    await again.application.surface.monitor.look()
    #expect(try await plan(again)["hold"]?["cause"]?.string == "no_traffic")
    await again.stop()
  }

  @Test func `a plan that requires evidence is passed to be looked at by force only`() async throws
  {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","require_evidence":true,"guards":[{"metric":"error_rate","max":"5%","investigate":"1%"}]"#)
    try await server.command("advance", "ai-summary", #"{"force":true,"reason":"a test"}"#)
    try await report(server, 0..<4000) { #""ok":\#($0 % 40 != 0)"# }
    #expect(try await isHeld(server, "investigate"))
    #expect(texts(try await plan(server)["next"]?["warnings"]).isEmpty)
    let refused = try await send(server, "advance", #"{"reason":"known and mended"}"#)
    #expect(refused.code == "held")
    #expect(
      texts(refused.json["waiting_on"]).first?.hasSuffix(
        "require_evidence: a person passes it only with force and a reason") == true,
      "\(refused.text)")
    let forced = try await send(
      server, "advance", #"{"reason":"known and mended","force":true}"#)
    #expect(forced.status == 200, "\(forced.text)")
    await server.stop()
  }

  @Test func `a last stage that is held does not look complete, and a reason completes it`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","stages":[{"name":"all","percent":100}]"#)
    #expect(try await plan(server)["next"]?["ready"]?.bool == true)
    server.clock.advance(.hours(25))
    #expect(try await isHeld(server, "no_traffic"))
    #expect(try await plan(server)["next"]?["ready"]?.bool == false)
    #expect(try await send(server, "complete", "{}").code == "held")
    let done = try await send(server, "complete", #"{"reason":"it is a yearly report"}"#)
    #expect(done.json["status"]?.string == "completed", "\(done.text)")
    #expect(texts(done.json["warnings"]).count == 1)
    await server.stop()
  }

  // MARK: Acknowledging

  @Test func `an acknowledgement during the cooldown is kept, shown and followed by the release`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    server.clock.advance(.minutes(1))
    // From the first stage to off: it serves nobody, and is released all the same.
    try await alert(server, "1")
    let answer = try await send(server, "acknowledge", #"{"reason":"looking"}"#)
    #expect(answer.status == 200, "\(answer.text)")
    #expect(answer.json["hold"]?["acknowledged_by"]?.string == "token:admin")
    #expect(answer.json["hold"]?["acknowledged_at"]?.string == server.clock.now.rfc3339)
    #expect(
      texts(answer.json["next"]?["waiting_on"]).first?.hasPrefix("cooldown: ") == true,
      "\(answer.text)")
    #expect(try await send(server, "acknowledge", "{}").status == 422)
    let refused = try await send(server, "advance", #"{"reason":"now"}"#)
    #expect(refused.json["detail"]?.string?.contains("it is acknowledged") == true)
    // A restart forgets neither.
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await plan(again)["hold"]?["acknowledged_by"]?.string == "token:admin")
    again.clock.advance(.minutes(29))
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await plan(again)["hold"]?["cause"]?.string == "alert")
    again.clock.advance(.minutes(2))
    #expect(try await isHeld(again, nil))
    let event = try await again.send("GET", "/v1/plans/ai-summary/events?limit=1").json["events"]?
      .array?.first
    #expect(event?["type"]?.string == "released")
    #expect(event?["actor"]?.string == "monitor")
    #expect(
      event?["reason"]?.string == "acknowledged by admin, and the cooldown is over")
    try await again.command("advance")
    await again.stop()
  }

  // MARK: Restoring

  @Test func `a plan that an alert took back returns in one step, once it is well again`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    for _ in 0..<3 { try await server.command("advance") }
    server.clock.advance(.minutes(1))
    #expect(try await plan(server)["restore"] == nil)
    try await alert(server, "1")
    let reason = #"{"reason":"the prompt was mended"}"#
    #expect(try await server.stage() == "25")
    #expect(try await plan(server)["restore"]?["to"]?.string == "50")
    #expect(try await send(server, "restore", reason).code == "held")
    try await server.command("acknowledge")
    #expect(try await send(server, "restore", reason).code == "held")
    server.clock.advance(.minutes(31))
    #expect(try await isHeld(server, nil))
    let refused = try await send(server, "restore", reason)
    #expect(refused.code == "gate_closed")
    #expect(
      texts(refused.json["waiting_on"]).contains("healthy evidence: 0 of 77 samples"),
      "\(refused.text)")
    let view = try await plan(server)["restore"]
    #expect(view?["ready"]?.bool == false)
    #expect(view?["waiting_on"] == refused.json["waiting_on"])
    try await report(server, 0..<120) { _ in #""ok":true,"latency_ms":300"# }
    #expect(try await plan(server)["restore"]?["ready"]?.bool == true)
    #expect(try await plan(server)["restore"]?["ready_for"]?.string == "anybody")
    #expect(try await send(server, "restore", "{}").code == "reason_required")
    let done = try await send(server, "restore", reason)
    #expect(done.status == 200, "\(done.text)")
    #expect(done.json["stage"]?.string == "50")
    #expect(done.json["restore"] == nil)
    let event = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1").json["events"]?
      .array?.first
    #expect(event?["type"]?.string == "restored")
    #expect(event?["reason"]?.string == "the prompt was mended")
    #expect(try await send(server, "restore", reason).status == 422)
    await server.stop()
  }

  @Test func `the way back asks for the approvals of its stage, and knows whose are there`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","stages":[{"name":"a","percent":1},{"name":"b","percent":10},"#
        + #"{"name":"c","percent":50,"approvals":1}]"#)
    try await server.command("advance")
    let bob = try await operateToken(server, "bob")
    #expect(try await send(server, "approve", "{}", token: bob).status == 200)
    try await server.command("advance")
    try await alert(server, "1")
    try await server.command("rollback", "ai-summary", #"{"to":"a"}"#)
    try await server.command("acknowledge", "ai-summary", #"{"force":true,"reason":"seen"}"#)
    let force = #"{"reason":"mended","force":true}"#
    #expect(try await send(server, "restore", force).code == "approval_needed_from_another")
    #expect(try await send(server, "approve", #"{"to":"x"}"#, token: bob).status == 422)
    let both = #"{"to":"c","definition":{"feature":"ai-summary"}}"#
    #expect(try await send(server, "approve", both, token: bob).status == 400)
    let approved = try await send(server, "approve", #"{"to":"c"}"#, token: bob)
    #expect(texts(approved.json["restore"]?["approvals"]) == ["bob"], "\(approved.text)")
    #expect(try await send(server, "restore", force, token: bob).status == 403)
    #expect(try await send(server, "restore", force).json["stage"]?.string == "c")
    await server.stop()
  }

  // MARK: For whom

  private func operateToken(_ server: TestServer, _ name: String) async throws -> String {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["operate"]}"#)
    return try #require(made.json["token"]?.string)
  }

  @Test func `a step is ready for anybody but the one who approved, and each sees it so`()
    async throws
  {
    let server = try await TestServer()
    _ = try await server.send(
      "PUT", "/v1/plans/ai-summary",
      #"{"feature":"ai-summary","stages":[{"name":"a","percent":1,"approvals":1}]}"#)
    let anna = try await operateToken(server, "anna")
    #expect(try await plan(server)["next"]?["ready_for"] == nil)
    let approved = try await send(server, "approve", "{}", token: anna)
    for next in [approved.json["next"], try await plan(server, token: anna)["next"]] {
      #expect(next?["ready"]?.bool == false)
      #expect(next?["ready_for"]?.string == "anybody but anna, who approved")
      #expect(
        texts(next?["waiting_on"]) == ["approval: you approved, so another person must go on"])
    }
    let other = try await plan(server)["next"]
    #expect(other?["ready"]?.bool == true)
    #expect(other?["ready_for"]?.string == "anybody but anna, who approved")
    let list = try await server.send("GET", "/v1/plans", token: anna).json["plans"]?.array?.first
    #expect(list?["next"]?["ready"]?.bool == false)
    // Who comes too late sees the plan in the same way.
    let late = try await server.send(
      "POST", "/v1/plans/ai-summary/start", "{}", token: anna, headers: [("If-Match", "\"1\"")])
    #expect(late.code == "stale_version")
    #expect(late.json["plan"]?["next"]?["ready"]?.bool == false, "\(late.text)")
    await server.stop()
  }

  // MARK: Amounts

  @Test func `a mean is shown as it was, and what counts of it beside it`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","guards":[{"metric":"latency_mean","max":"5s"},{"metric":"cost_per_request","max":"$0.02"}]"#
    )
    try await server.command("advance")
    server.clock.advance(.minutes(10))
    // One of a hundred takes 500 s, of which 30 count; it costs a dollar, of which 20 cents count.
    try await report(server, 0..<100) {
      $0 == 50
        ? #""ok":true,"latency_ms":500000,"cost_usd":1"#
        : #""ok":true,"latency_ms":1000,"cost_usd":0.01"#
    }
    let health = try await server.send("GET", "/v1/plans/ai-summary/health").json
    let guards = try #require(health["guards"]?.array)
    #expect(guards[0]["rate"]?.double == 5990)
    #expect(guards[0]["capped_mean"]?.double == 1290)
    #expect(
      guards[0]["sentence"]?.string
        == "latency_mean: mean 5.99 s over the last 100 requests (1.29 s with each counted as 30 s at "
        + "most), under the limit of 5 s.")
    #expect(guards[1]["rate"]?.double == 0.0199)
    #expect(guards[1]["capped_mean"]?.double == 0.0119)
    let low = try #require(guards[0]["low"]?.double)
    let high = try #require(guards[0]["high"]?.double)
    #expect(low < 5990 && 5990 < high)
    await server.stop()
  }
}
