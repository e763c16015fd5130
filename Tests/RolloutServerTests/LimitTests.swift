import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct LimitTests {
  private let upstream = ScriptedUpstream()
  private let path = "/features/ai-summary/v1/chat/completions"
  private let messages = "/features/ai-summary/v1/messages"

  private func chat(_ user: String = "anna") -> String {
    #"{"max_tokens":9,"messages":[{"role":"user","content":"hello"}],"user":"\#(user)"}"#
  }

  private func start(
    _ provider: String = "", limits: String = "", fallback: String? = nil
  ) async throws -> TestServer {
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"\(provider)}}
      routes: {main: {deadline: 3s, targets: [{provider: main, model: m}]}}
      \(limits.isEmpty ? "" : "limits: {\(limits)}")
      """)
    let tail = fallback.map { #","fallback":{"content":"\#($0)"}"# } ?? ""
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]\#(tail)"#)
    return server
  }

  /// A call that is under way at the provider until the upstream lets go of it.
  private func occupy(_ server: TestServer) async throws -> Task<TestServer.Answer, any Error> {
    upstream.next(.wait(milliseconds: 700), .chat("slow"))
    let before = upstream.requests.count
    let task = Task { try await server.send("POST", path, chat("first")) }
    try #require(try await server.eventually { upstream.requests.count > before })
    return task
  }

  @Test func `without room or queue the answer is 503, in both dialects, and says when`()
    async throws
  {
    let server = try await start(", max_in_flight: 1", limits: "queue: {length: 0}")
    let first = try await occupy(server)
    let refused = try await server.send("POST", path, chat())
    #expect(refused.status == 503)
    #expect(refused.header("x-rollout-limit") == "queue")
    #expect(refused.header("x-rollout-reason") == "limit")
    #expect(refused.header("retry-after") == "1")
    #expect(refused.json["error"]?["code"]?.string == "queue")
    let other = try await server.send("POST", messages, chat())
    #expect(other.status == 503)
    #expect(other.json["type"]?.string == "error")
    #expect(other.header("retry-after") == "1")
    #expect(try await first.value.status == 200)
    let provider = try await server.send("GET", "/v1/providers").json["providers"]?.array?.first
    #expect(provider?["rejected"]?["queue"]?.int == 2)
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["failed"]?.int == 2)
    await server.stop()
  }

  @Test func `with a fallback nobody sees an error`() async throws {
    let server = try await start(
      ", max_in_flight: 1", limits: "queue: {length: 0}", fallback: "Later.")
    let first = try await occupy(server)
    let answer = try await server.send("POST", path, chat())
    #expect(answer.status == 200)
    #expect(answer.header("x-rollout-served-by") == "fallback")
    #expect(answer.header("x-rollout-reason") == "limit")
    _ = try await first.value
    await server.stop()
  }

  @Test func `who waits is served when a call ends, and too long a wait ends by itself`()
    async throws
  {
    let server = try await start(", max_in_flight: 1", limits: "queue: {wait: 2s}")
    let first = try await occupy(server)
    upstream.always(.chat("in turn"))
    let second = try await server.send("POST", path, chat())
    #expect(second.status == 200)
    #expect(second.text.contains("in turn"))
    _ = try await first.value
    await server.stop()
    let hurried = try await start(", max_in_flight: 1", limits: "queue: {wait: 100ms}")
    let slow = try await occupy(hurried)
    #expect(try await hurried.send("POST", path, chat()).header("x-rollout-limit") == "queue")
    _ = try await slow.value
    await hurried.stop()
  }

  @Test func `a client that leaves the queue makes room, and no provider is called`() async throws {
    let server = try await start(", max_in_flight: 1")
    let first = try await occupy(server)
    do {
      let connection = RawConnection(port: server.port)
      let body = chat()
      connection.send(
        "POST \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(server.adminToken)\r\n"
          + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
      #expect(try await server.eventually { try await queued(server) == 1 })
    }
    #expect(try await server.eventually { try await queued(server) == 0 })
    _ = try await first.value
    #expect(upstream.requests.count == 1)
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["requests"]?.int == 1)
    await server.stop()
  }

  private func queued(_ server: TestServer) async throws -> Int? {
    try await server.send("GET", "/v1/providers").json["providers"]?.array?.first?["queued"]?.int
  }

  @Test func `what a provider's headers say is kept to`() async throws {
    let server = try await start()
    let spent = "x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 0\r\n"
    upstream.next(
      .answer(
        200, ScriptedUpstream.completion("a"),
        headers: spent + "x-ratelimit-reset-requests: 400ms\r\n"))
    upstream.next(
      .answer(
        200, ScriptedUpstream.completion("b"),
        headers: spent + "x-ratelimit-reset-requests: 1m0s\r\n"))
    #expect(try await server.send("POST", path, chat()).status == 200)
    // It waits for the reset, then goes through.
    #expect(try await server.send("POST", path, chat()).text.contains(#""b""#))
    let refused = try await server.send("POST", path, chat())
    #expect(refused.status == 429)
    #expect(refused.header("x-rollout-limit") == "provider_requests")
    #expect(refused.header("retry-after") == "60")
    #expect(upstream.requests.count == 2)
    let provider = try await server.send("GET", "/v1/providers").json["providers"]?.array?.first
    #expect(provider?["requests_per_minute"]?.double == 60)
    await server.stop()
  }

  @Test func `a provider's tokens can be limited beforehand`() async throws {
    upstream.always(.chat("hi"))
    let server = try await start(", limits: {requests: 1000/min, tokens: 40/h}")
    // About 17 tokens are expected of each, 10 are used.
    #expect(try await server.send("POST", path, chat()).status == 200)
    #expect(try await server.send("POST", path, chat()).status == 200)
    let refused = try await server.send("POST", path, chat())
    #expect(refused.status == 200)
    let last = try await server.send("POST", path, chat())
    #expect(last.status == 429)
    #expect(last.header("x-rollout-limit") == "provider_tokens")
    await server.stop()
  }

  @Test func `limits say which one it was and when to come back, in every dialect`() async throws {
    upstream.always(.chat("hi"))
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {targets: [{provider: main, model: m}]}}
      limits: {per_user: 2/min, per_app: 3/min}
      """)
    try await server.startPlan(
      "ai-summary",
      #","route":"main","stages":[{"name":"in","cohort":"in"}],"#
        + #""force_on":["anna","bob"],"fallback":{"content":"no"}"#)
    let first = try await server.send("POST", path, chat())
    #expect(first.header("x-ratelimit-limit-requests") == "3")
    #expect(first.header("x-ratelimit-remaining-requests") == "2")
    _ = try await server.send("POST", path, chat())
    let third = try await server.send("POST", path, chat())
    #expect(third.status == 429)
    #expect(third.header("x-rollout-limit") == "per_user")
    #expect(third.header("retry-after") == "30")
    #expect(third.json["error"]?["type"]?.string == "rate_limit_error")
    let bob =
      #"{"max_tokens":9,"messages":[{"role":"user","content":"x"}],"metadata":{"user_id":"bob"}}"#
    let messages = "/features/ai-summary/v1/messages"
    #expect(try await server.send("POST", messages, bob).status == 200)
    let fifth = try await server.send("POST", messages, bob)
    #expect(fifth.status == 429)
    #expect(fifth.header("x-rollout-limit") == "per_app")
    #expect(fifth.json["error"]?["type"]?.string == "rate_limit_error")
    // Whoever is outside costs nothing and is not limited.
    for _ in 0..<5 {
      let outside = try await server.send(
        "POST", path, #"{"messages":[{"role":"user","content":"x"}],"user":"carl"}"#)
      #expect(outside.header("x-rollout-served-by") == "fallback")
    }
    #expect(upstream.requests.count == 3)
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["failed"]?.int == 0)
    await server.stop()
  }
}
