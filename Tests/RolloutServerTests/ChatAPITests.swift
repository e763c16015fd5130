import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct ChatAPITests {
  private let upstream = ScriptedUpstream()
  private let path = "/features/ai-summary/v1/chat/completions"

  private func start(fallback: String? = "Not now.", percent: Int = 100) async throws -> TestServer
  {
    let server = try await TestServer(
      """
      providers:
        main: {kind: openai, base_url: "\(upstream.url)"}
        echo: {kind: echo}
        broken: {kind: echo, failing: 100%}
      prices: {large: {input: 1, output: 2}}
      routes:
        main: {deadline: 2s, targets: [{provider: main, model: large, timeout: 500ms, first_content: 300ms}]}
        safe: {targets: [{provider: broken, model: a}, {provider: echo, model: b}]}
        broken: {targets: [{provider: broken, model: a}]}
      """)
    let tail = fallback.map { #","fallback":{"content":"\#($0)"}"# } ?? ""
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":\#(percent)}]\#(tail)"#)
    return server
  }

  private func chat(_ more: String = "") -> String {
    #"{"model":"x","messages":[{"role":"user","content":"hello"}],"user":"anna"\#(more)}"#
  }

  private func health(_ server: TestServer) async throws -> (requests: Int, failed: Int) {
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]?[
      "treatment"]
    return (arms?["requests"]?.int ?? -1, arms?["failed"]?.int ?? -1)
  }

  @Test(arguments: ["1", "0", #""true""#, "[true]", "{}"])
  func `a stream that is neither true nor false is refused, in both dialects`(value: String)
    async throws
  {
    let server = try await start()
    for path in [path, "/features/ai-summary/v1/messages"] {
      let answer = try await server.send(
        "POST", path, chat(#","max_tokens":5,"stream":\#(value)"#))
      #expect(answer.status == 400, "\(answer.text)")
      #expect(answer.text.contains("stream must be true or false"))
    }
    #expect(upstream.requests.isEmpty)
    await server.stop()
  }

  @Test func `an eligible user's request is served by the provider, and the headers say so`()
    async throws
  {
    let server = try await start()
    upstream.next(.chat("hi", model: "large-2026"))
    let answer = try await server.send("POST", path, chat())
    #expect(answer.status == 200)
    #expect(answer.json["choices"]?.array?.first?["message"]?["content"]?.string == "hi")
    #expect(answer.json["model"]?.string == "large-2026")
    for (name, value) in [
      ("x-rollout-feature", "ai-summary"), ("x-rollout-enabled", "true"),
      ("x-rollout-served-by", "provider"), ("x-rollout-provider", "main"),
      ("x-rollout-model", "large-2026"), ("x-rollout-attempts", "1"),
      ("x-rollout-cost-usd", "0.000013"),
    ] { #expect(answer.header(name) == value, "\(name)") }
    #expect(answer.header("x-request-id")?.hasPrefix("req_") == true)
    #expect(try await health(server) == (1, 0))
    await server.stop()
  }

  private static func stream(model: String) -> String {
    """
    data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"\(model)","choices":[\
    {"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}],"usage":null}

    data: [DONE]


    """
  }

  @Test func `a provider's name for its model is cut in the head, however long it is`()
    async throws
  {
    let server = try await start()
    let long = String(repeating: "m", count: 100_000)
    for more in ["", #","stream":true"#] {
      upstream.next(
        more.isEmpty
          ? .chat("hi", model: long)
          : .answer(200, Self.stream(model: long), type: "text/event-stream"))
      let answer = try await server.send("POST", path, chat(more))
      #expect(answer.status == 200)
      #expect(answer.header("x-rollout-model") == String(long.prefix(128)))
    }
    await server.stop()
  }

  @Test func `a user outside gets the fallback without any provider call`() async throws {
    let server = try await start(percent: 0)
    let answer = try await server.send("POST", path, chat())
    #expect(answer.status == 200)
    #expect(answer.json["choices"]?.array?.first?["message"]?["content"]?.string == "Not now.")
    #expect(answer.header("x-rollout-served-by") == "fallback")
    #expect(answer.header("x-rollout-reason") == "not_in_rollout")
    #expect(answer.header("x-rollout-enabled") == "false")
    let streamed = try await server.send("POST", path, chat(#","stream":true"#))
    #expect(streamed.text.contains(#""content":"now.""#))
    #expect(streamed.text.hasSuffix("data: [DONE]\n\n"))
    #expect(upstream.requests.isEmpty)
    #expect(try await health(server) == (0, 0))
    await server.stop()
  }

  @Test func `without a user a percentage means outside, and the header names the user`()
    async throws
  {
    let server = try await start(percent: 99)
    let nobody = try await server.send(
      "POST", path, #"{"messages":[{"role":"user","content":"a"}]}"#)
    #expect(nobody.header("x-rollout-enabled") == "false")
    #expect(nobody.header("x-rollout-reason") == "user_required")
    // An empty id means none, wherever it stands.
    let empty = try await server.send(
      "POST", path, #"{"messages":[{"role":"user","content":"a"}],"user":""}"#,
      headers: [("X-Rollout-User", "")])
    #expect(empty.header("x-rollout-reason") == "user_required")
    let inside = (0..<50).map { "u\($0)" }.first {
      Bucketer(salt: "ai-summary").bucket($0) < 99_000
    }
    let outside = try #require(
      (0..<2000).map { "u\($0)" }.first { Bucketer(salt: "ai-summary").bucket($0) >= 99_000 })
    upstream.always(.chat("hi"))
    let header = try await server.send(
      "POST", path, chat(#","safety_identifier":"ignored""#),
      headers: [("X-Rollout-User", try #require(inside))])
    #expect(header.header("x-rollout-enabled") == "true")
    let next = try await server.send(
      "POST", path, chat(#","safety_identifier":"\#(try #require(inside))""#),
      headers: [("X-Rollout-User", "")])
    #expect(next.header("x-rollout-enabled") == "true")
    let other = try await server.send("POST", path, chat(), headers: [("X-Rollout-User", outside)])
    #expect(other.header("x-rollout-reason") == "not_in_rollout")
    let wins = try await server.send("POST", path, chat(), headers: [("X-Rollout-User", outside)])
    #expect(wins.header("x-rollout-enabled") == "false")
    await server.stop()
  }

  @Test func `when every target fails the fallback serves, and it counts as bad`() async throws {
    let server = try await start()
    upstream.always(.answer(500, "{}"))
    let answer = try await server.send("POST", path, chat())
    #expect(answer.status == 200)
    #expect(answer.header("x-rollout-served-by") == "fallback")
    #expect(answer.header("x-rollout-reason") == "all_targets_failed")
    #expect(answer.header("x-rollout-enabled") == "true")
    let streamed = try await server.send("POST", path, chat(#","stream":true"#))
    #expect(streamed.text.hasSuffix("data: [DONE]\n\n"))
    #expect(try await health(server) == (2, 2))
    await server.stop()
  }

  @Test func `without a fallback the error is the dialect's own`() async throws {
    for (step, status) in [
      (ScriptedUpstream.Step.answer(500, "{}"), 502), (.answer(401, "{}"), 502),
      (.answer(402, "{}"), 502),
      (.answer(429, "{}", headers: "Retry-After: 7\r\n"), 429), (.hang, 504),
    ] {
      let server = try await start(fallback: nil)
      upstream.always(step)
      let answer = try await server.send("POST", path, chat())
      #expect(answer.status == status, "\(step)")
      #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
      #expect(answer.json["error"]?["type"]?.string?.hasSuffix("_error") == true)
      if status == 429 { #expect(answer.header("retry-after") == "7") }
      let measured = try await health(server)
      #expect(measured == (1, 1))
      await server.stop()
    }
    let server = try await start(fallback: nil)
    upstream.always(.answer(400, #"{"error":{"message":"bad temperature"}}"#))
    let own = try await server.send("POST", path, chat())
    #expect(own.status == 400)
    #expect(own.json["error"]?["message"]?.string == "bad temperature")
    let measured = try await health(server)
    #expect(measured == (0, 0))
    await server.stop()
  }

  @Test func `one failure is said in every form, with the same words and the same code`()
    async throws
  {
    let server = try await start(fallback: nil)
    upstream.always(.answer(500, "{}"))
    let words = "No provider answered (server_error); try again."
    let question = #"{"user":"anna","prompt":"hello"}"#
    let openAI = try await server.send("POST", path, chat())
    let streamed = try await server.send("POST", path, chat(#","stream":true"#))
    for answer in [openAI, streamed] {
      #expect(answer.json["error"]?["message"]?.string == words)
      #expect(answer.json["error"]?["type"]?.string == "api_error")
      #expect(answer.json["error"]?["code"]?.string == "server_error")
    }
    let anthropic = try await server.send(
      "POST", "/features/ai-summary/v1/messages", chat(#","max_tokens":5"#))
    #expect(anthropic.json["type"]?.string == "error")
    #expect(anthropic.json["error"]?["message"]?.string == words)
    #expect(anthropic.json["error"]?["type"]?.string == "api_error")
    let native = try await server.send("POST", "/v1/features/ai-summary/complete", question)
    #expect(native.header("content-type") == "application/problem+json")
    #expect(native.code == "server_error" && native.json["detail"]?.string == words)
    #expect(native.json["title"]?.string == "Bad Gateway")
    for answer in [openAI, streamed, anthropic, native] {
      #expect(answer.status == 502)
      #expect(answer.header("x-rollout-reason") == "all_targets_failed")
      // Twice, as long as retries are left.
      #expect(["1", "2"].contains(answer.header("x-rollout-attempts")))
      #expect(answer.header("retry-after") == nil)
      #expect(answer.header("x-request-id")?.hasPrefix("req_") == true)
    }
    let made = try await server.send("POST", "/v1/features/ai-summary/jobs", question)
    let job = "/v1/jobs/\(try #require(made.json["job_id"]?.string))"
    #expect(
      try await server.eventually {
        try await server.send("GET", job).json["status"]?.string == "failed"
      })
    #expect(try await server.send("GET", job).json["error"] == native.json)
    await server.stop()
  }

  @Test func `a stream is passed on, usage only to those who asked`() async throws {
    let server = try await start()
    let steps: [ScriptedUpstream.Step] = [
      .streamHead, .chunk("one "), .chunk("two"), .streamEnd, .close,
    ]
    upstream.next(steps)
    let plain = try await server.send("POST", path, chat(#","stream":true"#))
    #expect(plain.header("content-type") == "text/event-stream")
    #expect(plain.header("x-rollout-served-by") == "provider")
    #expect(plain.header("x-rollout-cost-usd") == nil)
    #expect(plain.text.contains(#""content":"one ""#))
    #expect(!plain.text.contains("usage"))
    #expect(plain.text.hasSuffix("data: [DONE]\n\n"))
    upstream.next(steps)
    let usage = try await server.send(
      "POST", path, chat(#","stream":true,"stream_options":{"include_usage":true}"#))
    #expect(usage.text.contains(#""total_tokens":10"#))
    await server.stop()
  }

  @Test func `a stream that breaks off says so and never ends as if whole`() async throws {
    let server = try await start()
    upstream.next([.streamHead, .chunk("one "), .wait(milliseconds: 50), .close])
    let answer = try await server.send("POST", path, chat(#","stream":true"#))
    #expect(answer.text.contains("upstream_stream_interrupted"))
    #expect(!answer.text.contains("[DONE]"))
    #expect(!answer.text.contains(#""finish_reason":"stop""#))
    #expect(try await health(server) == (1, 1))
    await server.stop()
  }

  @Test func `a client that leaves cancels the provider and is no failure`() async throws {
    let server = try await start()
    upstream.always(.streamHead, .chunk("one"), .hang)
    do {
      let connection = RawConnection(port: server.port)
      let body = chat(#","stream":true"#)
      connection.send(
        "POST \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(server.adminToken)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
      )
      _ = await connection.receive { $0.contains("one") }
    }
    #expect(try await server.eventually { upstream.peersGone >= 1 })
    #expect(try await health(server) == (0, 0))
    await server.stop()
  }

  @Test func `the next target takes over, and it counts as degraded, not failed`() async throws {
    let server = try await start()
    _ = try await server.startPlan(
      "safe", #","route":"safe","stages":[{"name":"all","percent":100}]"#)
    let answer = try await server.send("POST", "/features/safe/v1/chat/completions", chat())
    #expect(answer.header("x-rollout-provider") == "echo")
    #expect(answer.json["choices"]?.array?.first?["message"]?["content"]?.string == "echo: hello")
    let native = try await server.send(
      "POST", "/v1/features/safe/complete", #"{"user":"anna","prompt":"hi"}"#)
    #expect(native.json["served_by"]?.string == "provider")
    #expect(native.json["reason"]?.string == "fallback_target")
    #expect(native.json["content"]?.string == "echo: hi")
    let health = try await server.send("GET", "/v1/plans/safe/health")
    #expect(health.json["arms"]?["treatment"]?["failed"]?.int == 0)
    #expect(health.json["arms"]?["treatment"]?["requests"]?.int == 2)
    let providers = try await server.send("GET", "/v1/providers")
    let broken = providers.json["providers"]?.array?.first { $0["name"]?.string == "broken" }
    #expect(broken?["failures"]?.int ?? 0 >= 2)
    #expect(broken?["in_flight"]?.int == 0)
    await server.stop()
  }

  @Test func `a model that the route lists is asked first, any other is ignored`() async throws {
    let server = try await TestServer(
      """
      providers: {one: {kind: echo}, two: {kind: echo}}
      routes: {main: {targets: [{provider: one, model: a}, {provider: two, model: b}]}}
      """)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    for (model, provider) in [("b", "two"), ("a", "one"), ("gpt-9", "one"), ("", "one")] {
      let answer = try await server.send(
        "POST", path, #"{"model":"\#(model)","messages":[{"role":"user","content":"hi"}]}"#)
      #expect(answer.header("x-rollout-provider") == provider, "\(model)")
      #expect(answer.json["model"]?.string == (provider == "two" ? "b" : "a"))
    }
    let health = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(health?["treatment"]?["outcomes"]?["degraded_model"]?.int ?? 0 == 0)
    await server.stop()
  }

  @Test func `bad requests and unknown features answer in OpenAI's shape`() async throws {
    let server = try await start()
    for (target, body, status) in [
      (path, "{", 400), (path, "{}", 400), (path, #"{"messages":[]}"#, 400), (path, "[]", 400),
      ("/features/nope/v1/chat/completions", chat(), 404), ("/features/x/v1/other", "{}", 404),
    ] {
      let answer = try await server.send("POST", target, body)
      #expect(answer.status == status, "\(target) \(body)")
      #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
    }
    let unauthorized = try await server.send("POST", path, chat(), token: "")
    #expect(unauthorized.status == 401)
    #expect(unauthorized.json["error"]?["type"]?.string == "authentication_error")
    let models = try await server.send("GET", "/features/ai-summary/v1/models")
    #expect(models.json["data"]?.array?.compactMap { $0["id"]?.string } == ["ai-summary", "large"])
    await server.stop()
  }

  @Test
  func `a provider that always fails is not asked any more, and one call finds it well again`()
    async throws
  {
    let server = try await start()
    upstream.always(.answer(500, "{}"))
    for _ in 0..<20 { _ = try await server.send("POST", path, chat()) }
    let asked = upstream.requests.count
    let shut = try await server.send("POST", path, chat())
    #expect(shut.header("x-rollout-served-by") == "fallback")
    #expect(shut.header("x-rollout-reason") == "breaker_open")
    #expect(shut.header("x-rollout-attempts") == "0")
    #expect(upstream.requests.count == asked)
    // Retries stopped before that: their budget was spent.
    #expect(asked < 40)
    let providers = try await server.send("GET", "/v1/providers").json["providers"]?.array
    let model = providers?.first { $0["name"]?.string == "main" }?["models"]?.array?.first
    #expect(model?["breaker"]?.string == "open")
    upstream.always(.chat("back"))
    #expect(
      try await server.eventually {
        try await Task.sleep(for: .milliseconds(100))
        return try await server.send("POST", path, chat()).header("x-rollout-served-by")
          == "provider"
      })
    await server.stop()
  }
}
