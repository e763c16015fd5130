import DocumentKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

/// Numbers from outside that no computation is ready for: nothing may end the process.
@Suite struct HostileNumberTests {
  private let upstream = ScriptedUpstream()

  static let numbers = [
    "9223372036854775807", "-9223372036854775808", "-9223372036854775807", "9223372036854775808",
    "18446744073709551615", "1e19", "1e30", "1e308", "1e400", "-1e400", "-1", "0", "0.5", "1e-400",
    "20000.0", "-0.0", "4611686018427387904",
  ]

  @Test(arguments: numbers)
  func `a provider may count what it likes`(number: String) async throws {
    let server = try await TestServer(
      """
      providers:
        main: {kind: openai, base_url: "\(upstream.url)"}
        other: {kind: anthropic, base_url: "\(upstream.url)"}
      prices: {m: {input: 1000, output: 1000}}
      routes:
        main: {deadline: 2s, targets: [{provider: main, model: m}]}
        other: {deadline: 2s, targets: [{provider: other, model: m}]}
      budgets: [{name: cap, limit_usd: 1000000000, window: day}]
      limits: {queue: {wait: 1s}}
      """)
    for route in ["main", "other"] {
      try await server.startPlan(
        route,
        #","route":"\#(route)","stages":[{"name":"all","percent":100}],"guards":["#
          + #"{"metric":"tokens_per_request","max":1000000000},"#
          + #"{"metric":"cost_per_request","max":"$100"}]"#)
    }
    let body = #"{"messages":[{"role":"user","content":"hi"}],"user":"anna","max_tokens":3"#
    func ask(_ feature: String, _ path: String, _ more: String = "}") async throws -> Int {
      let answer = try await server.send("POST", "/features/\(feature)/v1/\(path)", body + more)
      return answer.status
    }
    let head =
      "x-ratelimit-limit-tokens: \(number)\r\nx-ratelimit-remaining-tokens: \(number)\r\n"
      + "x-ratelimit-reset-tokens: 1s\r\n"
    let openAI =
      #"{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"#
      + #""finish_reason":"stop"}],"usage":{"prompt_tokens":\#(number),"completion_tokens":"#
      + #"\#(number),"total_tokens":\#(number),"prompt_tokens_details":{"cached_tokens":\#(number)}}}"#
    for path in ["chat/completions", "messages"] {
      // Nothing left is the one number here that has to stop the next call.
      upstream.next(.answer(200, openAI, headers: number == "0" ? "" : head))
      #expect(try await ask("main", path) == 200)
    }
    let anthropic =
      #"{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","#
      + #""text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":\#(number),"#
      + #""cache_creation_input_tokens":\#(number),"cache_read_input_tokens":\#(number),"#
      + #""output_tokens":\#(number)}}"#
    for path in ["chat/completions", "messages"] {
      upstream.next(.answer(200, anthropic))
      #expect(try await ask("other", path) == 200)
    }
    upstream.next(
      .streamHead, .chunk("a"),
      .send(
        #"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":"#
          + "\(number),\"completion_tokens\":\(number)}}\n\ndata: [DONE]\n\n"), .close)
    #expect(try await ask("main", "messages", #","stream":true}"#) == 200)
    for header in ["retry-after", "retry-after-ms", "x-ratelimit-reset-requests"] {
      upstream.next(.answer(429, "{}", headers: "\(header): \(number)\r\n"))
      upstream.next(.answer(429, "{}", headers: "\(header): \(number)\r\n"))
      _ = try await ask("main", "chat/completions")
    }
    // Judged, shown and counted; nothing was charged beyond what the model could have written.
    #expect(try await server.send("GET", "/v1/plans/main/health").status == 200)
    #expect(try await server.send("GET", "/metrics").status == 200)
    #expect(try await server.send("GET", "/v1/providers").status == 200)
    let spent = try await server.send("GET", "/v1/budgets").json["budgets"]?.array?.first
    let dollars = try #require(spent?["spent_usd"]?.double)
    #expect(dollars >= 0 && dollars.isFinite)
    await server.stop()
  }

  @Test(arguments: numbers)
  func `what apps report may be any number`(number: String) async throws {
    let server = try await TestServer(
      "alerts: {secret_env: ALERTS}", variables: ["ALERTS": "0123456789abcdef"])
    try await server.startPlan()
    for field in ["latency_ms", "input_tokens", "output_tokens", "cost_usd", "at"] {
      let body =
        #"{"outcomes":[{"feature":"ai-summary","user":"u","ok":true,"\#(field)":\#(number)}]}"#
      #expect(try await server.send("POST", "/v1/outcomes", body).status == 202)
    }
    for path in ["/v1/decisions", "/ofrep/v1/evaluate/flags/ai-summary"] {
      let body =
        path.hasPrefix("/ofrep")
        ? #"{"context":{"targetingKey":"u","age":\#(number)}}"#
        : #"{"features":["ai-summary"],"user":"u","attributes":{"age":\#(number)}}"#
      #expect(try await server.send("POST", path, body).status < 500)
    }
    for name in ["limit", "after"] {
      #expect(try await server.send("GET", "/v1/plans?\(name)=\(number)").status < 500)
      #expect(
        try await server.send("GET", "/v1/plans/ai-summary/events?\(name)=\(number)").status < 500)
    }
    #expect(
      try await server.send(
        "POST", "/v1/plans/ai-summary/pause", "{}", headers: [("If-Match", "\"\(number)\"")]
      ).status < 500)
    let alert = try await server.send(
      "POST", "/v1/alerts", "{}",
      headers: [
        ("webhook-id", "1"), ("webhook-timestamp", number), ("webhook-signature", "v1,AAAA"),
      ])
    #expect(alert.status == 401)
    #expect(try await server.send("GET", "/v1/plans/ai-summary/health").status == 200)
    await server.stop()
  }

  @Test func `a figure counts by its value, however it is spelt`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", #","stages":[{"name":"all","percent":100}]"#)
    let answer = try await server.send(
      "POST", "/v1/outcomes",
      """
      {"outcomes":[{"feature":"f","user":"a","ok":true,"input_tokens":2.0,"output_tokens":3e0,\
      "plan_version":2.0,"latency_ms":1.2e2},\
      {"feature":"f","user":"b","ok":true,"input_tokens":2.5,"output_tokens":1.0e-1},\
      {"feature":"f","user":"c","ok":true,"at":\(server.clock.now.milliseconds)0e-1}]}
      """)
    #expect(answer.json["accepted"]?.int == 3, "\(answer.text)")
    // Of the second only what is no whole number.
    #expect(answer.json["warnings"]?.array?.compactMap { $0["index"]?.int } == [1, 1])
    let arm = try await server.send("GET", "/v1/plans/f/health").json["arms"]?["treatment"]
    #expect(arm?["input_tokens"]?.int == 2, "\(arm?.jsonText ?? "")")
    #expect(arm?["output_tokens"]?.int == 3)
    await server.stop()
  }

  /// Every number that a plan may have, with every number there is: refused, or it works.
  @Test(arguments: numbers)
  func `a plan's numbers are refused or work`(number: String) async throws {
    let server = try await TestServer()
    let guards = [
      #""metric":"tokens_per_request","max":\#(number)"#,
      #""metric":"cost_per_request","max":"$\#(number)""#,
      #""metric":"cost_per_request","max":"\#(number)x""#,
      #""metric":"latency_mean","max":"\#(number)s""#,
      #""metric":"latency_p95","max":"\#(number)w""#,
      #""metric":"error_rate","max":"\#(number)%""#,
      #""metric":"error_rate","max":"5%","window":\#(number)"#,
      #""metric":"error_rate","max":"5%","min_requests":\#(number)"#,
      #""metric":"error_rate","max":"5%","margin":\#(number)"#,
      #""metric":"error_rate","max":"5%","evidence":\#(number)"#,
      #""metric":"error_rate","max":"5%","sustain":"\#(number)s""#,
      #""metric":"error_rate","max":"5%","min_affected_users":\#(number)"#,
      #""prometheus":"up","max":\#(number)"#,
    ]
    let outcomes = (0..<120).map {
      #"{"feature":"FEATURE","user":"u\#($0)","ok":true,"latency_ms":5,"input_tokens":1000000000,"#
        + #""output_tokens":1000000000,"cost_usd":1000000}"#
    }.joined(separator: ",")
    for (index, text) in guards.enumerated() {
      let feature = "f\(index)"
      let plan = #"{"feature":"\#(feature)","guards":[{\#(text)}]}"#
      let applied = try await server.send("PUT", "/v1/plans/\(feature)", plan)
      #expect([201, 400].contains(applied.status), "\(text): \(applied.text)")
      guard applied.status == 201 else { continue }
      try await server.command("start", feature)
      let body = #"{"outcomes":[\#(outcomes.replacing("FEATURE", with: feature))]}"#
      #expect(try await server.send("POST", "/v1/outcomes", body).status == 202)
      #expect(try await server.send("GET", "/v1/plans/\(feature)/health").status == 200)
      #expect(try await server.send("GET", "/v1/plans/\(feature)").status == 200)
    }
    #expect(try await server.send("GET", "/metrics").status == 200)
    await server.stop()
  }

  @Test(arguments: numbers)
  func `a configuration's numbers are refused or work`(number: String) throws {
    for yaml in [
      "prices: {m: {input: \(number), output: 1}}",
      "prices: {m: {input: 1, output: 1, image: \(number)}}",
      "budgets: [{name: a, limit_usd: \(number)}]",
      "budgets: [{name: a, limit_usd: 1, alert_at: [\(number)]}]",
      "limits: {per_user: \(number)/min}", "limits: {queue: {length: \(number)}}",
      "limits: {queue: {wait: \(number)w}}", "jobs: {concurrency: \(number), length: \(number)}",
      "jobs: {keep: \(number)w}", "capture: {sample: \(number)%, ttl: \(number)w}",
      "providers: {a: {kind: echo, latency: \(number)w, failing: \(number)%, max_in_flight: \(number)}}",
      "prometheus: {url: \"http://a\", interval: \(number)s}",
    ] {
      _ = try? ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil }
    }
  }
}
