import DocumentKit
import HTTPServerKit
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutServer

/// Before a feature is blamed for failing AI calls, its provider is asked.
@Suite struct ProbeTests {
  private let upstream = ScriptedUpstream()
  private static let question = "Reply with OK."

  private func start(
    provider: String = "", features: [String] = ["ai-summary"], more: String = "",
    preset: String = "sensitive"
  ) async throws -> TestServer {
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"\(provider)}}
      routes: {main: {deadline: 1s, targets: [{provider: main, model: large, first_content: 300ms, timeout: 300ms}]}}
      \(more)
      """)
    for feature in features {
      try await server.startPlan(
        feature,
        #","route":"main","preset":"\#(preset)","stages":[{"name":"few","percent":10},"#
          + #"{"name":"all","percent":100}],"guards":[{"metric":"error_rate","max":"5%"}]"#)
      try await server.command("advance", feature)
    }
    return server
  }

  /// So many people ask once each.
  private func ask(_ server: TestServer, _ count: Int = 8, feature: String = "ai-summary")
    async throws
  {
    for user in 0..<count {
      _ = try await server.send(
        "POST", "/v1/features/\(feature)/complete", #"{"user":"u\#(user)","prompt":"our prompt"}"#)
    }
  }

  private func plan(_ server: TestServer, _ feature: String = "ai-summary") async throws -> Document
  {
    try await server.send("GET", "/v1/plans/\(feature)").json
  }

  private func isHeld(_ server: TestServer, _ feature: String = "ai-summary") async throws -> Bool {
    try await server.eventually {
      try await plan(server, feature)["hold"]?["cause"]?.string == "outage"
    }
  }

  private func questions() -> Int { upstream.requests.count { $0.contains(Self.question) } }

  @Test
  func `questions are paid from the budgets that are about no feature, on an account of their own`()
    async throws
  {
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await start(
      more: """
        prices: {large: {input: 1000, output: 1000}}
        budgets: [{name: apps, per: app, limit_usd: 100, window: total, hard: true}]
        """)
    try await ask(server)
    #expect(try await server.eventually { questions() >= 2 })
    #expect(
      try await server.eventually {
        let budgets = try await server.send("GET", "/v1/budgets").json["budgets"]?.array ?? []
        let probe = budgets.first { $0["scope"]?.string == "(probe)" }
        // Seven tokens in and three out, at a tenth of a cent each.
        return probe?["spent_usd"]?.double == 0.02
      })
    await server.stop()
  }

  @Test func `down for all: held, and nobody is blamed`() async throws {
    upstream.always(.answer(500, "{}"))
    let server = try await start()
    try await ask(server)
    #expect(try await isHeld(server))
    let held = try await plan(server)
    #expect(held["stage"]?.string == "all")
    #expect(
      held["hold"]?["reason"]?.string?.contains(
        "provider main/large does not answer a neutral question either") == true)
    #expect(questions() == 2, "two of the same are enough")
    let asked = try #require(upstream.requests.first { $0.contains(Self.question) })
    #expect(asked.contains(#""max_tokens":1"#))
    #expect(!asked.contains("our prompt"))
    await server.stop()
  }

  @Test func `down for our prompts only: the feature steps back`() async throws {
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await start()
    try await ask(server)
    #expect(try await server.eventually { try await server.stage() == "few" })
    #expect(try await plan(server)["hold"]?["cause"]?.string == "rollback")
    await server.stop()
  }

  @Test func `slow for all: a question that hangs is no answer`() async throws {
    upstream.always(.hang)
    let server = try await start()
    try await ask(server)
    #expect(try await isHeld(server))
    await server.stop()
  }

  @Test func `flapping: two of three decide`() async throws {
    let turn = Atomic<Int>(0)
    upstream.always { request in
      guard request.contains(Self.question) else { return [.answer(500, "{}")] }
      let number = turn.wrappingAdd(1, ordering: .relaxed).oldValue
      return number % 3 == 1 ? [.chat("OK")] : [.answer(503, "{}")]
    }
    let server = try await start()
    try await ask(server)
    #expect(try await isHeld(server))
    #expect(questions() == 3)
    await server.stop()
  }

  @Test func `our own quota is no outage, and where nobody may be asked the feature steps back`()
    async throws
  {
    upstream.always(.answer(429, "{}"))
    let throttled = try await start()
    try await ask(throttled)
    #expect(try await throttled.eventually { try await throttled.stage() == "few" })
    await throttled.stop()
    upstream.always(.answer(500, "{}"))
    let unasked = try await start(provider: ", probe: off")
    try await ask(unasked)
    #expect(try await unasked.eventually { try await unasked.stage() == "few" })
    #expect(questions() == 0)
    await unasked.stop()
  }

  @Test func `a model that is not there is the route's own fault: the feature steps back`()
    async throws
  {
    // Whether the question is another model's to answer, or meets with the same words.
    for answersQuestions in [true, false] {
      upstream.always {
        $0.contains(Self.question) && answersQuestions
          ? [.chat("OK")] : [.answer(404, Self.noModel)]
      }
      let server = try await start()
      try await ask(server)
      #expect(try await server.eventually { try await server.stage() == "few" })
      let events = try await server.send("GET", "/v1/plans/ai-summary/events").json["events"]
      #expect(events?.array?.contains { $0["type"]?.string == "held" } == false)
      await server.stop()
    }
  }

  private static let noModel =
    #"{"error":{"message":"The model `large` does not exist","type":"invalid_request_error","#
    + #""param":null,"code":"model_not_found"}}"#

  @Test func `two that fail by themselves do not excuse each other for ever`() async throws {
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let features = ["ai-summary", "other"]
    let server = try await start(features: features)
    // What each of them is held for keeps an outage from taking its place.
    for feature in features { try await server.command("rollback", feature, #"{"reason":"late"}"#) }
    for round in 0..<20 {
      server.clock.advance(.seconds(2))
      for feature in features { try await ask(server, 160, feature: feature) }
      await server.application.surface.monitor.look()
      let stages = [try await server.stage("ai-summary"), try await server.stage("other")]
      if stages == ["off", "off"] { break }
      #expect(round < 19, "\(stages)")
    }
    await server.stop()
  }

  @Test func `who failed and fell silent vouches for nobody any more`() async throws {
    // It answers neutral questions: only a witness could excuse the second feature.
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await start(features: ["ai-summary", "silent"])
    try await server.command("pause", "silent", #"{"reason":"its users may go on failing"}"#)
    try await ask(server, 3, feature: "silent")
    server.clock.advance(.seconds(40))
    try await ask(server)
    #expect(try await server.eventually { try await server.stage() == "few" })
    #expect(try await server.stage("silent") == "all")
    let events = try await server.send("GET", "/v1/plans/ai-summary/events").json["events"]
    #expect(events?.array?.contains { $0["type"]?.string == "held" } == false)
    await server.stop()
  }

  @Test func `a key that is refused is no feature's fault: held, and said`() async throws {
    upstream.always(.answer(401, "{}"))
    let server = try await start()
    try await ask(server, 20)
    #expect(try await isHeld(server))
    let held = try await plan(server)
    #expect(held["stage"]?.string == "all")
    #expect(
      held["hold"]?["reason"]?.string?.contains("provider main refuses our key") == true,
      "\(held)")
    #expect(questions() == 0, "there is nothing to ask with a key that is refused")
    await server.stop()
  }

  @Test func `nobody is asked again while nothing new has failed`() async throws {
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await start(preset: "normal")
    try await ask(server, 12)
    #expect(try await server.eventually { questions() == 2 })
    // It is still over its mark, since nothing has come in since.
    for _ in 0..<12 {
      server.clock.advance(.seconds(15))
      await server.application.surface.monitor.look()
      try await Task.sleep(for: .milliseconds(20))
    }
    #expect(try await server.stage() == "all")
    #expect(questions() == 2)
    await server.stop()
  }

  @Test func `a way that the stage above has barred is no step of the one below`() async throws {
    upstream.always { $0.contains(Self.question) ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await start()
    try await ask(server, 40)
    #expect(try await server.eventually { try await server.stage() == "few" })
    try await ask(server, 200)
    for _ in 0..<5 {
      await server.application.surface.monitor.look()
      try await Task.sleep(for: .milliseconds(50))
    }
    #expect(try await server.stage() == "few")
    let health = try await server.send("GET", "/v1/plans/ai-summary/health").json
    #expect(
      health["notes"]?.array?.contains {
        $0.string?.contains("not held against this stage") == true
      } == true, "\(health)")
    await server.stop()
  }

  @Test func `a held outage ends when the provider and the traffic are well again`() async throws {
    upstream.always(.answer(500, "{}"))
    let server = try await start()
    try await ask(server)
    #expect(try await isHeld(server))
    // Well again, by traffic: but the provider's last answer was silence, and is older than a minute.
    upstream.always(.chat("fine"))
    let before = questions()
    server.clock.advance(.minutes(2))
    for _ in 0..<12 {
      try await ask(server, 8)
      server.clock.advance(.seconds(2))
      await server.application.surface.monitor.look()
    }
    #expect(try await server.eventually { try await plan(server)["hold"]?.isNull == true })
    #expect(try await server.stage() == "all")
    #expect(questions() > before)
    await server.stop()
  }
}
