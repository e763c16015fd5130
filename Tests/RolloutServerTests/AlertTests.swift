import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// No alert is lost: not to another's, not to an earlier answer, not to its size.
@Suite struct AlertTests {
  private func token(
    _ server: TestServer, _ name: String, features: String? = nil
  ) async throws -> String {
    let limit = features.map { #","features":["\#($0)"]"# } ?? ""
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["alert"]\#(limit)}"#)
    return try #require(made.json["token"]?.string, "\(made.text)")
  }

  private func send(
    _ server: TestServer, _ id: String, _ action: String, feature: String = "ai-summary",
    token: String? = nil
  ) async throws -> String {
    let body = #"{"feature":"\#(feature)","action":"\#(action)","id":"\#(id)"}"#
    let answer = try await server.send("POST", "/v1/alerts", body, token: token)
    #expect(answer.status == 200, "\(answer.text)")
    let result = answer.json["results"]?.array?.first
    return result?["acted"]?.bool == true ? "acted" : result?["why"]?.string ?? "nothing"
  }

  private func alert(
    _ print: String, _ starts: Instant, feature: String = "ai-summary", action: String = "rollback",
    status: String? = "firing"
  ) -> String {
    let status = status.map { #""status":"\#($0)","# } ?? ""
    return """
      {\(status)"labels":{"alertname":"High","feature":"\(feature)",\
      "rollout_action":"\(action)"},"annotations":{"summary":"30 % errors"},\
      "startsAt":"\(starts.rfc3339)","fingerprint":"\(print)"}
      """
  }

  private func post(
    _ server: TestServer, _ alerts: [String], status: String = "firing", token: String? = nil
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/v1/alerts/alertmanager",
      #"{"version":"4","status":"\#(status)","alerts":[\#(alerts.joined(separator: ","))]}"#,
      token: token)
  }

  private func results(_ answer: TestServer.Answer) -> [String] {
    (answer.json["results"]?.array ?? []).map { result in
      let what = result["acted"]?.bool == true ? "acted" : result["why"]?.string ?? "?"
      return result["count"]?.int.map { "\(what) ×\($0)" } ?? what
    }
  }

  @Test func `the same id with another action or feature is another alert`() async throws {
    let server = try await TestServer()
    for feature in ["ai-summary", "ai-search"] { try await server.startPlan(feature) }
    #expect(try await send(server, "INC-1", "pause") == "acted")
    #expect(try await send(server, "INC-1", "pause", feature: "ai-search") == "acted")
    #expect(try await send(server, "INC-1", "kill") == "acted")
    #expect(try await send(server, "INC-1", "kill") == "repeat")
    await server.stop()
  }

  @Test func `a limited token silences nobody, and a pair of senders acts once`() async throws {
    let server = try await TestServer()
    for feature in ["ai-summary", "ai-search"] { try await server.startPlan(feature) }
    try await server.command("advance")
    let limited = try await token(server, "limited", features: "ai-search")
    let (one, two) = (try await token(server, "one"), try await token(server, "two"))
    #expect(try await send(server, "1", "rollback", token: limited) == "unknown feature")
    let starts = server.clock.now
    _ = try await post(
      server, [alert("a", starts, status: "resolved")], token: limited)
    #expect(try await send(server, "1", "rollback", token: one) == "acted")
    #expect(try await send(server, "1", "rollback", token: two) == "repeat")
    // Another's "resolved" is not ours either.
    let again = try await post(server, [alert("a", starts, action: "pause")], token: one)
    #expect(results(again) == ["acted"])
    await server.stop()
  }

  @Test func `an alert that was turned down is judged again while it keeps firing`() async throws {
    let server = try await TestServer()
    #expect(try await send(server, "1", "pause") == "unknown feature")
    try await server.startPlan()
    #expect(try await send(server, "1", "pause") == "acted")
    #expect(try await send(server, "2", "pause") == "held")
    #expect(try await send(server, "2", "pause") == "held")
    try await server.command("resume")
    // What acted is final, or it would undo what a person did; what was turned down is not.
    #expect(try await send(server, "1", "pause") == "repeat")
    #expect(try await send(server, "2", "pause") == "acted")
    let list = try await server.send("GET", "/v1/alerts").json["alerts"]?.array ?? []
    let held = try #require(list.first { $0["why"]?.string == "held" })
    #expect(held["count"]?.int == 2)
    await server.stop()
  }

  @Test func `a resolved alert is over, the status of the group counts where an alert has none`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    let starts = server.clock.now
    let resolved = try await post(server, [alert("a", starts, status: nil)], status: "resolved")
    #expect(results(resolved) == ["resolved"])
    #expect(try await results(post(server, [alert("a", starts)])) == ["resolved"])
    #expect(try await results(post(server, [alert("b", starts, status: nil)])) == ["acted"])
    await server.stop()
  }

  @Test func `a group of 50,000 alerts is judged once, and none of it acts again`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    try await server.command("advance")
    let starts = server.clock.now
    let many = (0..<50_000).map { alert("f\($0)", starts, action: "pause") }
    #expect(try await results(post(server, many)) == ["acted", "repeat ×49999"])
    try await server.command("resume")
    #expect(try await results(post(server, [many[49_000]])) == ["repeat"])
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int == 5)
    // What cannot be taken is sent again: Alertmanager gives up after a 4xx.
    let more = (0..<50_001).map { #"{"fingerprint":"\#($0)"}"# }
    let refused = try await post(server, more)
    #expect(refused.status == 503)
    #expect(refused.header("retry-after") != nil)
    await server.stop()
  }

  @Test func `a payload that is too large is answered 503 before it is sent`() async throws {
    let server = try await TestServer()
    let raw = RawConnection(port: server.port)
    raw.send(
      "POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
        + "\(server.adminToken)\r\nContent-Length: \(AlertEndpoint.bodySizeMax + 1)\r\n\r\n")
    let answer = await raw.receive { $0.contains("\r\n\r\n") }
    #expect(answer.text.hasPrefix("HTTP/1.1 503 "), "\(answer.text)")
    await server.stop()
  }

  @Test func `a payload that turns out too large in its chunks is answered 503, never 413`()
    async throws
  {
    let server = try await TestServer()
    let raw = RawConnection(port: server.port)
    raw.send(
      "POST /v1/alerts/alertmanager HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
        + "\(server.adminToken)\r\nTransfer-Encoding: chunked\r\n\r\n"
        + String(AlertEndpoint.bodySizeMax + 1, radix: 16) + "\r\n")
    let chunked = await raw.receive { $0.contains("\r\n\r\n") }.text
    #expect(chunked.hasPrefix("HTTP/1.1 503 "), "\(chunked)")
    #expect(chunked.contains("\r\nRetry-After: "))
    await server.stop()
  }

  @Test(arguments: [
    (#""RESOLVED""#, "resolved"), (#""Resolved""#, "resolved"), (#""resolved""#, "resolved"),
    (#""suppressed""#, "unknown status"), (#""""#, "unknown status"),
    (#"" resolved""#, "unknown status"), (#""résolu""#, "unknown status"), ("5", "unknown status"),
    ("true", "unknown status"), (#"["resolved"]"#, "unknown status"),
    (#"{"state":"resolved"}"#, "unknown status"), (#""FIRING""#, "acted"), ("null", "acted"),
  ])
  func `an alert whose status is no word of Alertmanager's never acts`(
    status: String, expected: String
  ) async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let plain = alert("a", server.clock.now, status: nil)
    let own = plain.replacing(#"{"labels""#, with: #"{"status":\#(status),"labels""#)
    #expect(try await results(post(server, [own])) == [expected])
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int
    #expect(version == (expected == "acted" ? 3 : 2))
    // The group's is read in the same way, where an alert has none.
    let body = #"{"version":"4","status":\#(status),"alerts":[\#(plain)]}"#
    let group = try await server.send("POST", "/v1/alerts/alertmanager", body)
    #expect(results(group) == [expected == "acted" ? "repeat" : expected])
    // One that is refused is judged again once it says what it is.
    if expected == "unknown status" {
      #expect(try await results(post(server, [alert("a", server.clock.now)])) == ["acted"])
    }
    await server.stop()
  }

  @Test func `several features and actions in one group are each judged`() async throws {
    let server = try await TestServer()
    for feature in ["ai-summary", "ai-search"] { try await server.startPlan(feature) }
    let now = server.clock.now
    let answer = try await post(
      server,
      [
        alert("a", Samples.start + .minutes(-5)), alert("b", now),
        alert("c", now, feature: "ai-search", action: "kill"),
        alert("d", now, feature: "nope"), "7", alert("e", now, action: "explode"),
      ])
    #expect(
      results(answer) == [
        "acted", "repeat", "acted", "unknown feature", "unknown feature", "unknown action",
      ])
    await server.stop()
  }

  @Test func `one token's flood is turned away, small alerts and others' come through`() {
    let clock = SimulatedClock()
    let room = AlertRoom(clock: clock)
    let half = AlertEndpoint.bodySizeMax / 2
    #expect(room.enter("a", bytes: half) == nil)
    #expect(room.enter("a", bytes: half) == nil)
    // Two at once are enough of one.
    #expect(room.enter("a", bytes: 100_000) != nil)
    room.leave("a", bytes: half)
    clock.advance(.seconds(1))
    #expect((room.enter("a", bytes: half) ?? 0) > 10)
    #expect(room.enter("a", bytes: 2000) == nil)
    #expect(room.enter("b", bytes: half) == nil)
    clock.advance(.seconds(59))
    #expect(room.enter("a", bytes: half) == nil)
  }

  @Test func `what others write is kept in bounded bytes, however long their characters are`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    // One character of many marks.
    let long = "e" + String(repeating: "\u{301}", count: 5000)
    let body = """
      {"alerts":[{"status":"firing","labels":{"alertname":"\(long)","feature":"ai-summary"},\
      "annotations":{"summary":"\(long)"},"fingerprint":"\(long)"}]}
      """
    let answer = try await server.send("POST", "/v1/alerts/alertmanager", body)
    #expect(results(answer) == ["acted"])
    let event = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
    let shown = try #require(event.json["events"]?.array?.first)
    #expect(try #require(shown["reason"]?.string).utf8.count <= 500)
    #expect(try #require(shown["actor"]?.string).utf8.count <= 206)
    #expect(try #require(shown["evidence"]).jsonText.utf8.count < 1000)
    let outcome = try await server.send(
      "POST", "/v1/outcomes",
      #"{"outcomes":[{"feature":"ai-summary","ok":false,"kind":"\#(long.prefix(1))"}]}"#)
    #expect(outcome.json["rejected"]?.array?.count == 1)
    await server.stop()
  }

  @Test func `a crash between the change and its record does not act twice`() async throws {
    let store = MemoryStore()
    let clock = ManualClock()
    let controller = try await PlanController(
      planStore: store, cohortStore: store, box: SnapshotBox(), clock: clock,
      ledger: OutcomeLedger(), observers: [])
    let context = CommandContext(actor: .token("anna"), reason: "go", now: clock.moment)
    _ = try await controller.apply(
      PlanDefinition(feature: "f"), expecting: nil, actor: .token("anna"), reason: "new")
    _ = try await controller.perform(.start, on: "f", expecting: 1, context)
    let alert = AlertDesk.Received(
      id: "1",
      alert: Alert(
        dedupeKey: "generic:1", name: "generic", feature: "f", action: .pause, reason: "r",
        startsAt: clock.now, receivedAt: clock.now))
    for expected in [nil, .repeat] as [AlertPolicy.Inertness?] {
      // Each time a desk that remembers nothing: only the history knows.
      let desk = AlertDesk(
        controller: controller, store: ForgetfulAlerts(), history: store, clock: clock,
        log: Log(clock: clock, isSilent: true))
      let result = try await desk.judge([alert], from: .anonymous, sender: "t")
      #expect(result.first?.why == expected)
      let version = await controller.planIfAny("f")?.version ?? 0
      if expected == nil {
        _ = try await controller.perform(.resume, on: "f", expecting: version, context)
      }
    }
  }
}

/// Keeps nothing, as when a crash comes first.
private struct ForgetfulAlerts: AlertStore {
  func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State] { [:] }
  func keep(_ records: [AlertRecord]) async throws {}
  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [AlertRecord] { [] }
}
