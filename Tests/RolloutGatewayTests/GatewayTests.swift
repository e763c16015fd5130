import DocumentKit
import HTTPKit
import RolloutCore
import RolloutGateway
import RolloutTesting
import Testing
import YAMLKit

@Suite struct GatewayTests {
  private let first = ScriptedUpstream()
  private let second = ScriptedUpstream()

  private let body = Document.object([
    "model": .string("whatever"),
    "messages": .array([.object(["role": .string("user"), "content": .string("hello")])]),
    "user": .string("anna"), "temperature": .double(0.5),
  ])

  private let caller = Caller(user: "anna")

  private var request: ChatRequest {
    get throws { try ChatRequest(try RawObject(body.json)) }
  }

  /// A gateway with two targets on the scripted upstreams.
  private func make(_ targetKeys: String = "") throws -> (Gateway, GatewayConfiguration.Route) {
    let yaml = """
      providers:
        one: {kind: openai, base_url: "\(first.url)/v1", api_key_env: KEY}
        two: {kind: openai, base_url: "\(second.url)/v1/"}
      prices:
        large: {input: 2.50, output: 10.00}
      routes:
        r:
          deadline: 3s
          targets:
            - {provider: one, model: large\(targetKeys)}
            - {provider: two, model: small, params: {temperature: 0.1}}
      """
    var reader = try ObjectReader(YAMLReader.read(Array(yaml.utf8)))
    let configuration = try GatewayConfiguration(
      &reader, secrets: SecretSource { $0 == "KEY" ? "sk-secret" : nil })
    let gateway = Gateway(configuration, client: try HTTPClient(), clock: ManualClock()) { 0 }
    return (gateway, try #require(configuration.routes["r"]))
  }

  private func text(_ completion: Gateway.Completion) -> String? {
    completion.body["choices"]?.array?.first?["message"]?["content"]?.string
  }

  @Test func `the first target answers, with our key, our model and the caller's fields`()
    async throws
  {
    let (gateway, route) = try make()
    first.next(.chat("hi there"))
    let completion = try await gateway.complete(request, route: route, for: caller)
    #expect(text(completion) == "hi there")
    #expect(completion.trail.provider == "one")
    #expect(completion.trail.model == "scripted")
    #expect(completion.trail.attempts == 1)
    #expect(!completion.trail.isFallbackModel)
    // 7 × $2.50 and 3 × $10.00 per million.
    #expect(completion.cost?.nanodollars == 7 * 2500 + 3 * 10_000)
    let request = first.requests[0]
    #expect(request.hasPrefix("POST /v1/chat/completions HTTP/1.1\r\n"))
    #expect(request.lowercased().contains("authorization: bearer sk-secret\r\n"))
    #expect(request.contains(#""model":"large""#))
    #expect(request.contains(#""temperature":0.5"#))
    #expect(request.contains(#""user":"anna""#))
  }

  private static func made(_ message: String, _ reason: String = "stop") -> String {
    #"{"choices":[{"index":0,"message":\#(message),"finish_reason":"\#(reason)"}]}"#
  }

  @Test(
    arguments: [
      made(#"{"role":"assistant","content":""}"#),
      made(#"{"role":"assistant","content":null}"#, "length"),
      made(#"{"role":"assistant","content":null}"#, "content_filter"),
      made(#"{"content":null,"refusal":"no"}"#),
      made(#"{"content":null,"tool_calls":[{"id":"1","function":{"name":"f"}}]}"#, "tool_calls"),
      made(#"{"content":null,"function_call":{"name":"f"}}"#, "function_call"),
    ])
  func `an answer without text that says why is an answer`(body: String) async throws {
    let (gateway, route) = try make()
    first.next(.answer(200, body))
    let completion = try await gateway.complete(request, route: route, for: caller)
    #expect(!completion.trail.isFallbackModel)
    #expect(second.requests.isEmpty)
  }

  /// What the first target does, and how often it is asked before the second one answers.
  private static let failures: [(String, [ScriptedUpstream.Step], Int)] = [
    ("500", [.answer(500, "oops")], 2), ("503", [.answer(503, "{}")], 2),
    ("reset", [.reset], 2), ("closed without an answer", [], 2),
    ("429 without a time", [.answer(429, "{}")], 1),
    ("429 that wants an hour", [.answer(429, "{}", headers: "Retry-After: 3600\r\n")], 1),
    ("429 that wants a moment", [.answer(429, "{}", headers: "Retry-After-Ms: 20\r\n")], 2),
    ("no money", [.answer(429, #"{"error":{"code":"insufficient_quota"}}"#)], 1),
    ("402", [.answer(402, "{}")], 1), ("401", [.answer(401, "{}")], 1),
    ("403", [.answer(403, "{}")], 1),
    ("529", [.answer(529, "{}")], 2),
    ("unknown model", [.answer(404, #"{"error":{"message":"no such model"}}"#)], 1),
    ("200 that is not JSON", [.answer(200, "<html>")], 1),
    ("200 with an error", [.answer(200, #"{"error":{"message":"x"}}"#)], 2),
    ("200 without choices", [.answer(200, "{}")], 1),
    ("200 with no choice", [.answer(200, #"{"choices":[null]}"#)], 1),
    ("200 with an empty message", [.answer(200, made("{}"))], 1),
    ("200 cut short before its role", [.answer(200, made("{}", "length"))], 1),
    ("200 with nothing but a role", [.answer(200, made(#"{"role":"assistant"}"#))], 1),
    ("200 without content", [.answer(200, made(#"{"role":"assistant","content":null}"#))], 1),
    (
      "200 with no calls",
      [.answer(200, made(#"{"content":null,"tool_calls":[],"refusal":null}"#))], 1
    ),
    ("garbage", [.send("garbage\r\n\r\n"), .reset], 2),
    ("cut body", [.send("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{"), .reset], 2),
  ]

  @Test(arguments: failures)
  func `when a target fails the next one answers`(
    name: String, steps: [ScriptedUpstream.Step], asked: Int
  ) async throws {
    let (gateway, route) = try make()
    if steps.isEmpty { first.always(.reset) }
    first.next(steps.isEmpty ? [.reset] : steps)
    first.next(steps.isEmpty ? [.reset] : steps)
    second.next(.chat("second"))
    let completion = try await gateway.complete(request, route: route, for: caller)
    #expect(text(completion) == "second")
    #expect(completion.trail.isFallbackModel)
    #expect(completion.trail.attempts == asked + 1, "\(name)")
    #expect(second.requests[0].contains(#""model":"small""#))
    #expect(second.requests[0].contains(#""temperature":0.1"#))
    #expect(!second.requests[0].contains("sk-secret"))
  }

  @Test func `a target that hangs is given up after its timeout`() async throws {
    let (gateway, route) = try make(", timeout: 300ms")
    first.always(.hang)
    second.next(.chat("second"))
    let completion = try await gateway.complete(request, route: route, for: caller)
    #expect(text(completion) == "second")
    #expect(completion.trail.attempts == 2)
  }

  @Test func `the caller's own mistake is not retried anywhere`() async throws {
    let (gateway, route) = try make()
    first.next(
      .answer(400, #"{"error":{"message":"temperature must be a number","code":"invalid"}}"#))
    let exhausted = try await #require(throws: Gateway.Exhausted.self) {
      try await gateway.complete(request, route: route, for: caller)
    }
    #expect(exhausted.last == .callerError(status: 400, message: "temperature must be a number"))
    #expect(second.requests.isEmpty)
  }

  @Test func `never more than three tries, and the deadline ends everything`() async throws {
    let (gateway, route) = try make()
    first.always(.answer(500, "{}"))
    second.always(.answer(500, "{}"))
    let exhausted = try await #require(throws: Gateway.Exhausted.self) {
      try await gateway.complete(request, route: route, for: caller)
    }
    #expect(exhausted.attempts == 3)
    #expect(first.requests.count + second.requests.count == 3)
    #expect(!second.requests.isEmpty)
    var hurried = route
    hurried.deadline = TimeSpan(milliseconds: 300)
    first.always(.hang)
    second.always(.hang)
    let late = try await #require(throws: Gateway.Exhausted.self) {
      try await gateway.complete(request, route: hurried, for: caller)
    }
    #expect(late.deadlinePassed)
  }

  private func read(_ streaming: Gateway.Streaming) async throws -> String {
    var text = ""
    while let chunk = try await streaming.next() {
      text += chunk["choices"]?.elements.first?["delta"]?["content"]?.string ?? ""
    }
    return text
  }

  @Test func `a stream is passed on, and asks the provider for usage`() async throws {
    let (gateway, route) = try make()
    first.next([.streamHead, .chunk("one "), .chunk("two"), .streamEnd, .close])
    let streaming = try await gateway.stream(request, route: route, for: caller)
    #expect(streaming.trail.provider == "one")
    #expect(try await read(streaming) == "one two")
    #expect(first.requests[0].contains(#""stream_options":{"include_usage":true}"#))
  }

  private static let role = ScriptedUpstream.Step.send(
    #"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#
      + "\n\n")

  private static let beforeContent: [(String, [ScriptedUpstream.Step])] = [
    (
      "an error as the first event",
      [.streamHead, .send("data: {\"error\":{\"message\":\"x\"}}\n\n"), .reset]
    ),
    (
      "an error after the role",
      [.streamHead, role, .send("data: {\"error\":{\"message\":\"x\"}}\n\n"), .reset]
    ),
    ("an end without content", [.streamHead, role, .reset]),
    (
      "a finish without an answer",
      [
        .streamHead,
        .send(#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"),
        .reset,
      ]
    ),
    ("an empty stream", [.streamHead, .send("data: [DONE]\n\n"), .reset]),
    ("broken JSON", [.streamHead, .send("data: {\n\n"), .reset]),
    ("pings only", [.streamHead, .send(": ping\n\n"), .hang]),
    ("headers, then silence", [.streamHead, .hang]),
    ("silence", [.hang]),
    ("500", [.answer(500, "{}")]),
  ]

  @Test(arguments: beforeContent)
  func `until the first content any target may take over`(
    name: String, steps: [ScriptedUpstream.Step]
  ) async throws {
    let (gateway, route) = try make(", first_content: 300ms")
    first.next(steps)
    first.next(steps)
    second.next([.streamHead, .chunk("second"), .streamEnd, .close])
    let streaming = try await gateway.stream(request, route: route, for: caller)
    #expect(streaming.trail.provider == "two", "\(name)")
    #expect(try await read(streaming) == "second")
  }

  @Test func `after the first content a broken stream ends as broken`() async throws {
    for steps: [ScriptedUpstream.Step] in [
      [.streamHead, .chunk("one"), .wait(milliseconds: 100), .reset],
      [.streamHead, .chunk("one"), .close],
      [
        .streamHead, .chunk("one"), .wait(milliseconds: 100),
        .send("data: {\"error\":{\"message\":\"x\"}}\n\n"), .close,
      ],
    ] {
      let (gateway, route) = try make()
      first.next(steps)
      let streaming = try await gateway.stream(request, route: route, for: caller)
      await #expect(throws: ProviderFailure.self) { try await read(streaming) }
      #expect(second.requests.isEmpty)
    }
  }

  @Test func `odd but whole streams are understood`() async throws {
    let (gateway, route) = try make()
    let content = #"{"choices":[{"index":0,"delta":{"content":"é"},"finish_reason":null}]}"#
    let end = #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#
    // CRLF, an event name, a comment, no space after the colon, bytes in small pieces, no [DONE].
    let text = "event: x\r\n: hello\r\ndata:\(content)\r\n\r\ndata: \(end)\r\r"
    let pieces = text.map { ScriptedUpstream.Step.send(String($0)) }
    first.next([.streamHead] + pieces + [.close])
    let streaming = try await gateway.stream(request, route: route, for: caller)
    #expect(try await read(streaming) == "é")
  }

  @Test func `cancelling reaches the provider at once`() async throws {
    let (gateway, route) = try make()
    first.always(.hang)
    let task = Task { try await gateway.complete(request, route: route, for: caller) }
    while first.requests.isEmpty { try await Task.sleep(for: .milliseconds(5)) }
    task.cancel()
    let exhausted = try await #require(throws: Gateway.Exhausted.self) { try await task.value }
    #expect(exhausted.last == .cancelled)
    for _ in 0..<200 where first.peersGone == 0 { try await Task.sleep(for: .milliseconds(10)) }
    #expect(first.peersGone == 1)
    #expect(second.requests.isEmpty)
  }

  @Test(
    arguments: [
      ("providers: {a: {kind: magic}}", "Expected one of openai, anthropic, echo"),
      ("providers: {a: {kind: openai}}", "\"base_url\" is missing"),
      ("providers: {a: {kind: openai, base_url: ftp://x}}", "http or https"),
      (
        "providers: {a: {kind: openai, base_url: http://x, api_key_env: NOPE}}",
        "\"NOPE\" is not set"
      ),
      (
        "providers: {a: {kind: openai, base_url: http://x, api_key_env: [GOOD, NOPE]}}",
        "\"NOPE\" is not set"
      ),
      (
        "providers: {a: {kind: openai, base_url: http://x, api_key_env: [GOOD, GOOD]}}",
        "each once"
      ),
      (
        "providers: {a: {kind: openai, base_url: http://x, api_key_env: LINES}}",
        "\"LINES\" holds a space, a line break"
      ),
      (
        "providers: {a: {kind: openai, base_url: http://x, api_key_env: {A: B}}}",
        "Expected text"
      ),
      ("providers: {a: {kind: echo, api_key: sk-secret}}", "Unknown key"),
      ("routes: {r: {targets: []}}", "1–10 targets"),
      ("routes: {r: {targets: [{provider: x, model: y}]}}", "There is no provider"),
      ("prices: {m: {input: cheap, output: 1}}", "US dollars per million"),
    ])
  func `configurations that cannot work are refused`(yaml: String, message: String) throws {
    let error = try #require(throws: DocumentError.self) {
      var reader = try ObjectReader(YAMLReader.read(Array(yaml.utf8)))
      let variables = ["GOOD": "sk-secret-good", "LINES": "sk-secret\n"]
      _ = try GatewayConfiguration(&reader, secrets: SecretSource { variables[$0] })
      try reader.finish()
    }
    #expect(error.description.contains(message), "\(error)")
    #expect(!error.description.contains("sk-secret"))
  }
}
