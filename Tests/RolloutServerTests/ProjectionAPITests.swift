import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct ProjectionAPITests {
  private let upstream = ScriptedUpstream()

  private func start(_ more: String, clock: ManualClock) async throws -> TestServer {
    // What the provider allows is learnt from its answers.
    upstream.always(
      .answer(
        200, ScriptedUpstream.completion("hi"),
        headers: "x-ratelimit-limit-tokens: 100\r\nx-ratelimit-remaining-tokens: 90\r\n"
          + "x-ratelimit-reset-tokens: 1ms\r\n"))
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      prices: {m: {input: 0, output: 1000}}
      routes: {main: {targets: [{provider: main, model: m}]}}
      budgets: [{name: daily, limit_usd: 1, window: day}]
      """, clock: clock)
    try await server.startPlan(
      "ai-summary",
      #","route":"main","stages":[{"name":"25","percent":25},{"name":"100","percent":100}]\#(more)"#
    )
    return server
  }

  /// Sixteen answers of a third of a cent and ten tokens, in three minutes of the stage.
  private func traffic(_ server: TestServer, _ clock: ManualClock) async throws {
    let bucketer = Bucketer(salt: "ai-summary")
    let users = (0..<400).map { "u\($0)" }.filter { bucketer.bucket($0) < 25_000 }
    for (index, user) in users.prefix(16).enumerated() {
      if index % 6 == 0 { clock.advance(.minutes(1)) }
      let answer = try await server.send(
        "POST", "/features/ai-summary/v1/chat/completions",
        #"{"messages":[{"role":"user","content":"hi"}],"user":"\#(user)","max_tokens":3}"#)
      try #require(answer.status == 200, "\(answer.text)")
    }
    clock.advance(.minutes(1))
  }

  @Test func `the next stage's cost and tokens are shown, and warn a person`() async throws {
    let clock = ManualClock()
    let server = try await start("", clock: clock)
    #expect(
      try await server.send("GET", "/v1/plans/ai-summary").json["next"]?["projection"] == nil)
    try await traffic(server, clock)
    #expect(
      try await server.eventually {
        try await server.send("GET", "/v1/plans/ai-summary").json["next"]?["projection"] != nil
      })
    let next = try await server.send("GET", "/v1/plans/ai-summary").json["next"]
    let projection = next?["projection"]
    #expect(projection?["stage"]?.string == "100")
    #expect(projection?["growth"]?.double == 4)
    let now = try #require(projection?["now"]?["cost_usd_per_hour"]?.double)
    let then = try #require(projection?["cost_usd_per_hour"]?.double)
    #expect(now > 0.5 && abs(then - 4 * now) < 0.01)
    let waiting = next?["waiting_on"]?.array?.compactMap(\.string) ?? []
    #expect(waiting.contains { $0.hasPrefix("cost: stage 100 would bring budget daily to") })
    #expect(waiting.contains { $0.hasPrefix("capacity: stage 100 would ask main for") })
    let preview = try await server.send("GET", "/v1/plans/ai-summary/preview?stage=100")
    #expect(preview.json["projection"]?["exceeded"]?.array?.count == 2)
    let cost = preview.json["projection"]
    let low = cost?["cost_usd_per_hour_low"]?.double ?? 0
    #expect(low > 0 && low < then && (cost?["cost_usd_per_hour_high"]?.double ?? 0) > then)
    #expect(cost?["cost_known"]?.bool == true && preview.json["projection_unknown"] == nil)
    // A dollar a day, of which one hour uses more than a twelfth.
    let share = cost?["budgets"]?.array?.first
    #expect(share?["budget"]?.string == "daily" && share?["window"]?.string == "day")
    #expect(abs((share?["share"]?.double ?? 0) - then * 24) < 0.05)
    #expect(share?["sentence"]?.string?.hasSuffix("of budget daily a day") == true)
    // A person who says why goes on, and is told.
    let plan = try await server.send("GET", "/v1/plans/ai-summary").json
    let advanced = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", #"{"reason":"the budget is raised tomorrow"}"#,
      headers: [("If-Match", "\"\(plan["version"]?.int ?? 0)\"")])
    #expect(advanced.status == 200, "\(advanced.text)")
    let warnings = advanced.json["warnings"]?.array?.compactMap(\.string) ?? []
    #expect(warnings.contains { $0.hasPrefix("cost: ") })
    await server.stop()
  }

  @Test func `with required evidence it is a gate, which force passes`() async throws {
    let clock = ManualClock()
    let server = try await start(#","require_evidence":true"#, clock: clock)
    try await traffic(server, clock)
    #expect(
      try await server.eventually {
        try await server.send("GET", "/v1/plans/ai-summary").json["next"]?["projection"] != nil
      })
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    let refused = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", "{}", headers: [("If-Match", "\"\(version)\"")])
    #expect(refused.status == 409)
    #expect(refused.code == "gate_closed")
    #expect(refused.text.contains("cost: stage 100"))
    try await server.command(
      "advance", "ai-summary", #"{"force":true,"reason":"budget is raised tomorrow"}"#)
    #expect(try await server.stage() == "100")
    await server.stop()
  }
}
