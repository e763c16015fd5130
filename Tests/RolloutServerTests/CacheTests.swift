import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct CacheTests {
  private let upstream = ScriptedUpstream()
  private let path = "/features/ai-summary/v1/chat/completions"

  private func start(
    _ cache: String = "{ttl: 10m, stale_if_error: 1h}", folder: TemporaryFolder = TemporaryFolder(),
    clock: ManualClock = ManualClock()
  ) async throws -> TestServer {
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {deadline: 2s, targets: [{provider: main, model: m, timeout: 1s}], cache: \(cache)}}
      """, folder: folder, clock: clock)
    if try await server.send("GET", "/v1/plans/ai-summary").status == 404 {
      try await server.startPlan(
        "ai-summary",
        #","route":"main","stages":[{"name":"all","percent":100}]"#
          + #","fallback":{"content":"later"}"#)
    }
    return server
  }

  private func ask(
    _ server: TestServer, user: String = "anna", _ more: String = "", text: String = "hello"
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", path,
      #"{"messages":[{"role":"user","content":"\#(text)"}],"user":"\#(user)"\#(more)}"#)
  }

  private func content(_ answer: TestServer.Answer) -> String? {
    answer.json["choices"]?.array?.first?["message"]?["content"]?.string
  }

  @Test func `the same question of the same user is answered once, and for free`() async throws {
    upstream.always(.chat("an answer", model: "m-2026"))
    let server = try await start()
    _ = try await ask(server)
    server.clock.advance(.seconds(90))
    let again = try await ask(server)
    #expect(content(again) == "an answer")
    #expect(again.json["model"]?.string == "m-2026")
    #expect(again.header("x-rollout-served-by") == "cache")
    #expect(again.header("x-rollout-provider") == "main")
    #expect(again.header("x-rollout-cost-usd") == "0")
    #expect(again.header("age") == "90")
    // Whitespace and the order of members are no other question.
    let spaced = try await server.send(
      "POST", path,
      #"{"user":"anna", "messages":[{"content":"hello","role":"user"}] , "model":"other"}"#)
    #expect(spaced.header("x-rollout-served-by") == "cache")
    #expect(upstream.requests.count == 1)
    for different in [
      try await ask(server, user: "bob"), try await ask(server, #","temperature":0.1"#),
      try await ask(server, text: "hello!"),
    ] { #expect(different.header("x-rollout-served-by") == "provider") }
    server.clock.advance(.minutes(10))
    #expect(try await ask(server).header("x-rollout-served-by") == "provider")
    await server.stop()
  }

  @Test func `only a public cache answers across users`() async throws {
    upstream.always(.chat("an answer"))
    let server = try await start("{ttl: 10m, scope: public}")
    _ = try await ask(server)
    #expect(try await ask(server, user: "bob").header("x-rollout-served-by") == "cache")
    await server.stop()
  }

  @Test func `an old answer stands in for providers that fail, and says so`() async throws {
    upstream.next(.chat("an answer"))
    upstream.always(.answer(500, "{}"))
    let server = try await start()
    _ = try await ask(server)
    server.clock.advance(.minutes(30))
    let stale = try await ask(server)
    #expect(content(stale) == "an answer")
    #expect(stale.header("x-rollout-served-by") == "stale_cache")
    let native = try await server.send(
      "POST", "/v1/features/ai-summary/complete",
      #"{"user":"anna","messages":[{"role":"user","content":"hello"}]}"#)
    #expect(native.json["served_by"]?.string == "stale_cache")
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["outcomes"]?["degraded_cache"]?.int == 2)
    server.clock.advance(.hours(1))
    #expect(try await ask(server).header("x-rollout-served-by") == "fallback")
    await server.stop()
  }

  @Test func `streams fill the cache and are replayed from it`() async throws {
    upstream.next(.streamHead, .chunk("Hel"), .chunk("lo"), .streamEnd, .close)
    let server = try await start()
    let first = try await ask(server, #","stream":true"#)
    #expect(first.header("x-rollout-served-by") == "provider")
    let replayed = try await ask(server, #","stream":true,"stream_options":{"include_usage":true}"#)
    #expect(replayed.header("x-rollout-served-by") == "cache")
    #expect(replayed.text.contains("Hello"))
    #expect(replayed.text.hasSuffix("data: [DONE]\n\n"))
    #expect(content(try await ask(server)) == "Hello")
    let message = try await server.send(
      "POST", "/features/ai-summary/v1/messages",
      #"{"max_tokens":9,"messages":[{"role":"user","content":"hello"}],"metadata":{"user_id":"anna"}}"#
    )
    #expect(message.header("x-rollout-served-by") != "cache", "another dialect, another question")
    await server.stop()
  }

  @Test func `what is cut, refused, empty or more than text is not kept`() async throws {
    let server = try await start()
    func body(_ finish: String, _ message: String) -> ScriptedUpstream.Step {
      .answer(
        200,
        #"{"id":"1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"#
          + #""message":\#(message),"finish_reason":"\#(finish)"}]}"#)
    }
    let text = #"{"role":"assistant","content":"x"}"#
    let cases: [[ScriptedUpstream.Step]] = [
      [body("length", text)], [body("content_filter", text)],
      [body("stop", #"{"role":"assistant","content":""}"#)],
      [body("tool_calls", #"{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}"#)],
    ]
    for (number, steps) in cases.enumerated() {
      upstream.next(steps)
      _ = try await ask(server, text: "case \(number)")
      upstream.next(.chat("second"))
      let again = try await ask(server, text: "case \(number)")
      #expect(again.header("x-rollout-served-by") == "provider", "case \(number)")
    }
    upstream.next(.streamHead, .chunk("Hel"), .close)
    _ = try await ask(server, #","stream":true"#, text: "cut")
    upstream.next(.chat("second"))
    #expect(try await ask(server, text: "cut").header("x-rollout-served-by") == "provider")
    upstream.always(.chat("x"))
    for more in [
      #","tools":[{"type":"function","function":{"name":"f"}}]"#, #","n":2"#, #","store":true"#,
    ] {
      for _ in 0..<2 {
        #expect(try await ask(server, more).header("x-rollout-served-by") == "provider", "\(more)")
      }
    }
    await server.stop()
  }

  @Test func `many who ask the same at once are one request`() async throws {
    upstream.next(.wait(milliseconds: 300), .chat("an answer"))
    upstream.always(.chat("a second request"))
    let server = try await start()
    let answers = try await withThrowingTaskGroup(of: String?.self) { group in
      for _ in 0..<20 {
        group.addTask {
          let answer = try await ask(server)
          return content(answer)
        }
      }
      return try await group.reduce(into: [String?]()) { $0.append($1) }
    }
    #expect(answers.allSatisfy { $0 == "an answer" })
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `when the one who asked gets nothing, the others ask for themselves`() async throws {
    upstream.next(.wait(milliseconds: 200), .answer(403, "{}"))
    upstream.always(.chat("an answer"))
    let server = try await start()
    async let first = ask(server)
    try await Task.sleep(for: .milliseconds(80))
    async let second = ask(server)
    #expect(try await first.header("x-rollout-served-by") == "fallback")
    #expect(try await content(second) == "an answer")
    await server.stop()
  }

  @Test func `answers survive a restart`() async throws {
    upstream.next(.chat("an answer"))
    let first = try await start()
    _ = try await ask(first)
    #expect(
      try await first.eventually {
        try await first.send("GET", "/metrics").text.contains("rollout_cache_unsaved_bytes 0")
      })
    await first.stop()
    let server = try await start(folder: first.folder, clock: first.clock)
    #expect(try await ask(server).header("x-rollout-served-by") == "cache")
    await server.stop()
  }

  @Test func `another app's user of the same name gets an answer of its own`() async throws {
    upstream.always(.chat("an answer"))
    let server = try await start()
    func token(_ name: String) async throws -> String {
      let made = try await server.send(
        "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["evaluate"]}"#)
      return try #require(made.json["token"]?.string)
    }
    let apps = [try await token("one"), try await token("two")]
    let question = #"{"messages":[{"role":"user","content":"hello"}],"user":"u1"}"#
    var served: [String?] = []
    for app in apps + apps {
      let answer = try await server.send("POST", path, question, token: app)
      served.append(answer.header("x-rollout-served-by"))
    }
    #expect(served == ["provider", "provider", "cache", "cache"])
    await server.stop()
    let shared = try await start("{ttl: 10m, scope: public}", folder: server.folder)
    served = []
    for app in apps {
      let answer = try await shared.send("POST", path, question, token: app)
      served.append(answer.header("x-rollout-served-by"))
    }
    #expect(served == ["provider", "cache"])
    await shared.stop()
  }

  @Test func `what waits for the disk is bounded, and the newest of it is kept`() async throws {
    let folder = TemporaryFolder()
    let store = try TelemetryDatabase(try DataDirectory(folder.path), now: Samples.start)
    let cache = AnswerCache()
    try await cache.restore(from: store, now: Samples.start)
    func answer(_ size: Int) -> CachedAnswer {
      CachedAnswer(
        text: String(repeating: "x", count: size), model: "m", provider: "p",
        storedAt: Samples.start, freshUntil: Samples.start + .hours(1),
        staleUntil: Samples.start + .hours(1))
    }
    func key(_ number: Int) -> [UInt8] { Array(repeating: UInt8(number), count: 32) }
    for number in 0..<200 { cache.keep(answer(200_000), at: key(number), feature: "a") }
    #expect(cache.backlog.bytes <= AnswerCache.unsavedMax)
    #expect(cache.backlog.dropped > 100)
    #expect(cache.find(key(0), now: Samples.start) != nil)
    // Written in pieces, the same one twice only once.
    cache.keep(answer(1000), at: key(199), feature: "a")
    var written = 0
    var sizes: [Int] = []
    while case let batch = cache.takeUnsaved(), !batch.isEmpty {
      sizes.append(batch.reduce(0) { $0 + $1.text.utf8.count })
      written += batch.count
      try await store.keep(batch, sizeMax: 3_000_000)
    }
    #expect(sizes.allSatisfy { $0 <= 2 << 20 })
    #expect(written == 200 - cache.backlog.dropped)
    #expect(cache.backlog.bytes == 0)
    #expect(try await (2_700_000...3_000_000).contains(Self.size(store, now: Samples.start)))
    try await store.deleteExpiredAnswers(now: Samples.start + .hours(2))
    #expect(try await Self.size(store, now: Samples.start) == 0)
    // What went was counted: there is as much room as before.
    try await store.keep(
      (0..<20).map { number in
        KeptAnswer(
          key: key(number), feature: "a", text: String(repeating: "y", count: 140_000), model: "m",
          provider: "p", storedAt: Samples.start, freshUntil: Samples.start + .hours(1),
          staleUntil: Samples.start + .hours(1))
      }, sizeMax: 3_000_000)
    #expect(try await Self.size(store, now: Samples.start) == 20 * 140_000)
    await store.close()
  }

  @Test func `an outcome is on disk and the server stops, however many answers wait`() async throws
  {
    let server = try await start()
    let text = String(repeating: "long ", count: 40_000)
    upstream.always(.chat(text))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<60 {
        group.addTask { _ = try await ask(server, text: "question \(number)") }
      }
      try await group.waitForAll()
    }
    let reported = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[{"feature":"ai-summary","user":"u","ok":false}]}"#)
    #expect(reported.status == 202)
    await server.stop()
    let store = try TelemetryDatabase(try DataDirectory(server.folder.path), now: server.clock.now)
    let outcomes = try await store.outcomes("ai-summary").flatMap(PackedOutcomes.unpack)
    #expect(outcomes.contains { $0.result == .failed })
    // Nobody waited for the rest of twelve million bytes.
    #expect(try await Self.size(store, now: server.clock.steady) < 60 * text.utf8.count)
    await store.close()
  }

  /// Bytes of the answers that are kept.
  private static func size(_ store: TelemetryDatabase, now: Instant) async throws -> Int {
    try await store.loadAnswers(now: now, sizeMax: .max).reduce(0) { $0 + $1.text.utf8.count }
  }
}
