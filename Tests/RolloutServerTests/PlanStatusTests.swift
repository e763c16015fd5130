import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// A plan has one picture, whoever is shown it and why; and looking at it changes nothing.
@Suite struct PlanStatusTests {
  @Test func `who repeats a request, and who is overtaken, sees the plan as it is read`()
    async throws
  {
    let server = try await TestServer(looks: false)
    let plan = #"{"feature":"x"}"#
    try #require(try await server.send("PUT", "/v1/plans/x", plan).status == 201)
    func start() async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/v1/plans/x/start", "{}",
        headers: [("If-Match", "\"1\""), ("Idempotency-Key", "k")])
    }
    let first = try await start()
    #expect(first.json["next"]?["ready"]?.bool == false)
    #expect(first.json["next"]?["waiting_on"]?.array?.isEmpty == false)
    let read = try await server.send("GET", "/v1/plans/x")
    #expect(first.text == read.text)
    #expect(first.header("etag") == read.header("etag"))
    let again = try await start()
    #expect(again.text == first.text)
    #expect(again.header("etag") == first.header("etag"))
    let stale = try await server.send(
      "POST", "/v1/plans/x/advance", "{}", headers: [("If-Match", "\"1\"")])
    #expect(stale.code == "stale_version")
    #expect(stale.json["plan"]?.jsonText == read.json.jsonText)
    await server.stop()
  }

  @Test func `reading moves no latch and counts no vote`() async throws {
    let server = try await TestServer(looks: false)
    try await server.startPlan(
      "x",
      #","guards":[{"metric":"regenerate_rate","max":"5%"},{"metric":"error_rate","max":"5%"}]"#)
    for index in 0..<120 {
      let user = "u\(index % 20)"
      let outcome = try await server.send(
        "POST", "/v1/outcomes",
        #"{"outcomes":[{"feature":"x","user":"\#(user)","arm":"treatment","ok":false}]}"#)
      try #require(outcome.status == 202, "\(outcome.text)")
    }
    let vote = #"{"feature":"x","user":"u1","kind":"regenerate"}"#
    for _ in 0..<5 { _ = try await server.send("POST", "/v1/feedback", vote) }
    // Votes that no request follows count by themselves then, as soon as the monitor looks.
    server.clock.advance(.seconds(20))
    let before = try #require(Self.measured(server.application.control.ledger))
    for path in ["", "/x", "/x/health", "/x/preview", "/x/preview?stage=50"] {
      for _ in 0..<3 {
        let answer = try await server.send("GET", "/v1/plans\(path)")
        #expect(answer.status == 200, "\(path): \(answer.text)")
      }
    }
    #expect(Self.measured(server.application.control.ledger) == before)
    await server.application.surface.monitor.look()
    #expect(Self.measured(server.application.control.ledger) != before)
    await server.stop()
  }

  /// All that was measured of the feature, as it would be kept. Whoever keeps it may come between.
  private static func measured(_ ledger: OutcomeLedger) -> [UInt8]? {
    for _ in 0..<10 {
      ledger.giveBack(TelemetryChanges(states: [FeatureState(feature: "x", state: [])]))
      if let state = ledger.takeChanges().states.first { return state.state }
    }
    return nil
  }
}
