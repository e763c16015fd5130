import DocumentKit
import HTTPKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct RollbackTests {
  private func outcomes(
    _ range: Range<Int>, user: (Int) -> String = { "u\($0)" }, ok: (Int) -> Bool
  ) -> String {
    let items = range.map {
      #"{"feature":"ai-summary","user":"\#(user($0))","ok":\#(ok($0)),"arm":"treatment","id":"o\#($0)"}"#
    }
    return #"{"outcomes":[\#(items.joined(separator: ","))]}"#
  }

  /// A plan at stage 25 with the word-for-word trigger of one guard.
  private func start(_ guards: String = "") async throws -> TestServer {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", guards)
    try await server.command("advance")
    try await server.command("advance")
    return server
  }

  @Test func `errors above the limit step back one stage by themselves, with the evidence`()
    async throws
  {
    let server = try await start()
    let before = try await server.send("POST", "/v1/outcomes", outcomes(0..<300) { _ in true })
    #expect(before.status == 202)
    #expect(before.json["accepted"]?.int == 300)
    let health = try await server.send("GET", "/v1/plans/ai-summary/health")
    #expect(health.json["guards"]?.array?.first?["state"]?.string == "quiet")
    _ = try await server.send("POST", "/v1/outcomes", outcomes(300..<600) { $0 % 4 != 0 })
    // The preset of this stage waits ten seconds before it acts.
    let pending = try await server.send("GET", "/v1/plans/ai-summary/health")
    #expect(pending.json["verdict"]?.string == "pending")
    await server.application.surface.monitor.look()
    // It acts on fresh evidence, not on the old.
    server.clock.advance(.seconds(6))
    #expect(
      try await server.send("GET", "/v1/plans/ai-summary/health").json["verdict"]?.string
        == "pending")
    await server.application.surface.monitor.look()
    _ = try await server.send("POST", "/v1/outcomes", outcomes(600..<606) { _ in false })
    #expect(try await server.eventually { try await server.stage() == "beta" })
    let plan = try await server.send("GET", "/v1/plans/ai-summary")
    #expect(plan.json["hold"]?["cause"]?.string == "rollback")
    #expect(plan.json["next"]?["ready"]?.bool == false)
    let events = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
    let event = try #require(events.json["events"]?.array?.first)
    #expect(event["type"]?.string == "rolled_back")
    #expect(event["actor"]?.string == "monitor")
    #expect(event["evidence"]?["guard"]?.string == "error_rate")
    #expect(try #require(event["evidence"]?["errors"]?.int) >= 35)
    #expect(event["evidence"]?["sentence"]?.string == event["reason"]?.string)
    let refused = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", "{}", headers: [("If-Match", "\"5\"")])
    #expect(refused.status == 409)
    #expect(refused.code == "held")
    server.clock.advance(.minutes(31))
    try await server.command("acknowledge")
    try await server.command("advance")
    await server.stop()
  }

  @Test func `one user's errors, repeats, control and excluded outcomes do not`() async throws {
    let server = try await start(#","preset":"sensitive""#)
    _ = try await server.send("POST", "/v1/outcomes", outcomes(0..<200) { _ in true })
    for round in 0..<3 {
      // Between other people's successes, so that they are not one run.
      _ = try await server.send(
        "POST", "/v1/outcomes",
        outcomes(1000 + round * 200..<1200 + round * 200) {
          $0 % 2 == 0 ? "angry" : "u\($0)"
        } ok: {
          $0 % 2 == 1
        })
    }
    let repeated = outcomes(1000..<1200) { _ in false }
    _ = try await server.send("POST", "/v1/outcomes", repeated)
    let others = (0..<200).flatMap { index in
      [
        #"{"feature":"ai-summary","user":"c\#(index)","ok":false,"arm":"control"}"#,
        #"{"feature":"ai-summary","user":"x\#(index)","ok":false,"kind":"client_cancelled"}"#,
        #"{"feature":"ai-summary","user":"old\#(index)","ok":false,"at":"2020-01-01T00:00:00Z"}"#,
      ]
    }
    _ = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(others.joined(separator: ","))]}"#)
    server.clock.advance(.seconds(5))
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.stage() == "25")
    let health = try await server.send("GET", "/v1/plans/ai-summary/health")
    let errors = health.json["guards"]?.array?.first
    #expect(errors?["affected_users"]?.int == 1, "\(health.text)")
    #expect(errors?["errors"]?.int == 1, "a run is one error, whatever others do in between")
    await server.stop()
  }

  @Test func `rollback to off or to the start, pause and dry run do as the plan says`() async throws
  {
    for (more, stage, status) in [
      (#","preset":"sensitive","rollback":{"to":"off"}"#, "off", "active"),
      (#","preset":"sensitive","rollback":{"to":"start"}"#, "internal", "active"),
      (
        #","preset":"sensitive","guards":[{"metric":"error_rate","max":"5%","action":"pause"}]"#,
        "25", "paused"
      ),
      (#","preset":"sensitive","dry_run":true"#, "25", "active"),
      (
        #","preset":"sensitive","guards":[{"metric":"error_rate","max":"5%","action":"notify"}]"#,
        "25", "active"
      ),
    ] {
      let server = try await start(more)
      _ = try await server.send("POST", "/v1/outcomes", outcomes(0..<100) { _ in false })
      try await Task.sleep(for: .milliseconds(500))
      let plan = try await server.send("GET", "/v1/plans/ai-summary")
      #expect(plan.json["stage"]?.string == stage, "\(more)")
      #expect(plan.json["status"]?.string == status, "\(more)")
      await server.stop()
    }
  }

  @Test func `what was measured survives a restart`() async throws {
    let server = try await start()
    _ = try await server.send("POST", "/v1/outcomes", outcomes(0..<90) { $0 % 8 != 0 })
    let before = try await server.send("GET", "/v1/plans/ai-summary/health")
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    let after = try await again.send("GET", "/v1/plans/ai-summary/health")
    #expect(
      after.json["guards"]?.array?.first?["errors"]
        == before.json["guards"]?.array?.first?["errors"])
    #expect(
      after.json["guards"]?.array?.first?["score"] == before.json["guards"]?.array?.first?["score"])
    await again.stop()
  }

  @Test func `bad outcomes are rejected one by one`() async throws {
    let server = try await start()
    let answer = try await server.send(
      "POST", "/v1/outcomes",
      """
      {"outcomes":[{"feature":"ai-summary","user":"a","ok":true},{"feature":"nope","ok":true},
      {"feature":"ai-summary"},{"feature":"ai-summary","ok":"yes"},{"feature":"ai-summary","ok":true,"latency_ms":-1},
      {"feature":"ai-summary","ok":true,"kind":"\(String(repeating: "k", count: 65))"},5,
      {"feature":"ai-summary","ok":true,"arm":"left"},{"feature":"ai-summary","ok":true,"at":"yesterday"},
      {"feature":"ai-summary","ok":true,"cost_usd":1e999},{"feature":"ai-summary","ok":true,"x":1}]}
      """)
    #expect(answer.status == 202)
    // A figure that makes no sense is dropped and said; the rest of the outcome counts.
    #expect(answer.json["accepted"]?.int == 3)
    #expect(answer.json["warnings"]?.array?.compactMap { $0["index"]?.int } == [4, 9])
    #expect(
      answer.json["rejected"]?.array?.compactMap { $0["index"]?.int } == [1, 2, 3, 5, 6, 7, 8, 10])
    let many = (0...10_000).map { _ in "{}" }.joined(separator: ",")
    #expect(
      try await server.send("POST", "/v1/outcomes", #"{"outcomes":[\#(many)]}"#).status == 413)
    #expect(try await server.send("POST", "/v1/outcomes", "[]").status == 400)
    await server.stop()
  }

  @Test func `the kind says how a request was degraded, and never mends one that failed`() {
    for (ok, kind, result) in [
      (true, "degraded_fallback", Outcome.Result.degradedFallback),
      (true, "degraded_control", .degradedFallback), (false, "degraded_fallback", .failed),
      (false, "degraded_control", .failed), (false, "degraded_model", .failed),
      (true, "degraded_cache", .degradedCache), (true, "anything", .ok),
      (false, "caller_error", .excluded),
    ] {
      #expect(ReportedOutcome(isOK: ok, kind: kind).result == result, "\(ok) \(kind)")
    }
  }

  // MARK: Alerts

  private func alert(
    _ print: String, _ startsAt: Instant, action: String = "rollback", status: String = "firing",
    feature: String = "ai-summary"
  ) -> String {
    """
    {"version":"4","status":"firing","receiver":"rollout","alerts":[{"status":"\(status)",\
    "labels":{"alertname":"HighErrors","feature":"\(feature)","rollout_action":"\(action)"},\
    "annotations":{"summary":"30 % errors"},"startsAt":"\(startsAt.rfc3339)",\
    "endsAt":"0001-01-01T00:00:00Z","fingerprint":"\(print)"}]}
    """
  }

  private func post(
    _ server: TestServer, _ body: String, _ path: String = "/v1/alerts/alertmanager"
  ) async throws -> (acted: Bool?, why: String?) {
    let answer = try await server.send("POST", path, body)
    #expect(answer.status == 200, "\(answer.text)")
    let result = answer.json["results"]?.array?.first
    return (result?["acted"]?.bool, result?["why"]?.string)
  }

  @Test func `an Alertmanager webhook steps back at once, and repeats do nothing`() async throws {
    let server = try await start()
    server.clock.advance(.minutes(1))
    let now = server.clock.now
    let first = try await post(server, alert("a", now))
    #expect(first.acted == true)
    #expect(try await server.stage() == "beta")
    for (body, why) in [
      (alert("a", now), "repeat"), (alert("b", now + .seconds(1)), "held"),
      (alert("c", Samples.start), "older than the stage"),
      (alert("a", now, status: "resolved"), "resolved"),
      (alert("d", now, feature: "nope"), "unknown feature"),
      (alert("e", now + .seconds(1), action: "explode"), "unknown action"),
    ] {
      let result = try await post(server, body)
      #expect(result.acted == false)
      #expect(result.why == why)
    }
    #expect(try await server.stage() == "beta")
    let events = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
    #expect(events.json["events"]?.array?.first?["actor"]?.string == "alert:HighErrors")
    #expect(events.json["events"]?.array?.first?["reason"]?.string == "30 % errors")
    let list = try await server.send("GET", "/v1/alerts")
    #expect(list.json["alerts"]?.array?.count == 6)
    await server.stop()
  }

  @Test func `alerts may pause and kill, generic ones too`() async throws {
    let server = try await start()
    let now = server.clock.now
    #expect(try await post(server, alert("p", now, action: "pause")).acted == true)
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "paused")
    let generic = #"{"feature":"ai-summary","action":"kill","reason":"help","id":"1"}"#
    #expect(try await post(server, generic, "/v1/alerts").acted == true)
    #expect(try await post(server, generic, "/v1/alerts").why == "repeat")
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "killed")
    #expect(try await server.send("POST", "/v1/alerts/alertmanager", "{}").status == 400)
    #expect(try await server.send("POST", "/v1/alerts", #"{"feature":"a"}"#).status == 400)
    await server.stop()
  }

  // MARK: Events

  @Test func `events reach their listeners, and those who return get what they missed`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    let live = try await server.stream("/v1/events")
    let ofrep = try await server.stream("/ofrep/v1/events")
    #expect(live.head.header("content-type") == "text/event-stream")
    try await server.command("advance")
    func read(_ stream: HTTPStream, until text: String) async throws -> String {
      var received = ""
      while !received.contains(text), let bytes = try await stream.next() {
        received += String(decoding: bytes, as: UTF8.self)
      }
      return received
    }
    let event = try await read(live, until: "\"version\":3")
    #expect(event.contains("id: 3\nevent: advanced\ndata: {"))
    #expect(try await read(ofrep, until: "refetchEvaluation").contains("event: message\n"))
    let returning = try await server.stream("/v1/events", headers: [("Last-Event-ID", "1")])
    let missed = try await read(returning, until: "id: 3")
    #expect(missed.contains("id: 2\nevent: started"))
    #expect(!missed.contains("id: 1\n"))
    await server.stop()
  }
}
