import DocumentKit
import HTTPKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

@Suite struct BudgetAPITests {
  private let upstream = ScriptedUpstream()

  private func start(_ budgets: String, fallback: String? = "later") async throws -> TestServer {
    let server = try await TestServer(
      """
      providers:
        main: {kind: openai, base_url: "\(upstream.url)"}
      prices: {m: {input: 0, output: 1000}}
      routes:
        main: {deadline: 2s, targets: [{provider: main, model: m, timeout: 300ms}]}
        dear: {targets: [{provider: main, model: nobody-knows}]}
      budgets: \(budgets)
      """)
    let tail = fallback.map { #","fallback":{"content":"\#($0)"}"# } ?? ""
    for (feature, route) in [("ai-summary", "main"), ("dear", "dear")] {
      try await server.startPlan(
        feature, #","route":"\#(route)","stages":[{"name":"all","percent":100}]\#(tail)"#)
    }
    return server
  }

  /// Three tokens of output at $1,000 per million: a third of a cent each call.
  private func ask(
    _ server: TestServer, _ feature: String = "ai-summary", user: String = "anna",
    more: String = #","max_tokens":3"#
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/features/\(feature)/v1/chat/completions",
      #"{"messages":[{"role":"user","content":"hi"}],"user":"\#(user)"\#(more)}"#)
  }

  private func budgets(_ server: TestServer) async throws -> [Document] {
    try await server.send("GET", "/v1/budgets").json["budgets"]?.array ?? []
  }

  @Test func `a spent budget serves the fallback, and without one says 429`() async throws {
    upstream.always(.chat("hi"))
    let server = try await start("[{name: cap, limit_usd: 0.006, window: day}]")
    for _ in 0..<2 {
      #expect(try await ask(server).header("x-rollout-served-by") == "provider")
    }
    let third = try await ask(server)
    #expect(third.header("x-rollout-served-by") == "fallback")
    #expect(third.header("x-rollout-reason") == "budget")
    let stream = try await ask(server, more: #","max_tokens":3,"stream":true"#)
    #expect(stream.text.contains("later"))
    #expect(upstream.requests.count == 2)
    let view = try #require(try await budgets(server).first)
    #expect(view["spent_usd"]?.double == 0.006)
    #expect(view["reserved_usd"]?.double == 0)
    // A new day, a new window.
    server.clock.advance(.days(1))
    #expect(try await ask(server).header("x-rollout-served-by") == "provider")
    // Budget refusals are nobody's failure.
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["failed"]?.int == 0)
    #expect(arms?["treatment"]?["outcomes"]?["excluded"]?.int == 2)
    await server.stop()
    let bare = try await start("[{name: cap, limit_usd: 0}]", fallback: nil)
    let refused = try await ask(bare)
    #expect(refused.status == 429)
    #expect(refused.json["error"]?["code"]?.string == "budget_exceeded")
    await bare.stop()
  }

  @Test func `a model without a price is refused under a hard budget, and told under a soft one`()
    async throws
  {
    upstream.always(.chat("hi"))
    let hard = try await start("[{name: cap, limit_usd: 5}]")
    #expect(try await ask(hard, "dear").header("x-rollout-reason") == "unknown_price")
    #expect(upstream.requests.isEmpty)
    await hard.stop()
    let soft = try await start("[{name: cap, limit_usd: 5, hard: false}]")
    #expect(try await ask(soft, "dear").header("x-rollout-served-by") == "provider")
    await soft.stop()
  }

  @Test func `each user, feature and provider has an account of its own`() async throws {
    upstream.always(.chat("hi"))
    let server = try await start(
      """
      [{name: person, limit_usd: 0.003, per: user}, {name: all, limit_usd: 5},
       {name: by-provider, limit_usd: 5, per: provider},
       {name: other, limit_usd: 0, match: {feature: another}}]
      """)
    #expect(try await ask(server).header("x-rollout-served-by") == "provider")
    #expect(try await ask(server).header("x-rollout-reason") == "budget")
    #expect(try await ask(server, user: "bob").header("x-rollout-served-by") == "provider")
    let views = try await budgets(server)
    #expect(views.filter { $0["name"]?.string == "person" }.count == 2)
    #expect(views.first { $0["name"]?.string == "all" }?["spent_usd"]?.double == 0.006)
    #expect(views.first { $0["name"]?.string == "by-provider" }?["scope"]?.string == "main")
    #expect(!views.contains { $0["scope"]?.string == "anna" })
    await server.stop()
  }

  @Test func `what a refusal did not cost is given back, what nobody knows is paid`() async throws {
    let server = try await start("[{name: cap, limit_usd: 5}]")
    upstream.always(.answer(500, "{}"))
    _ = try await ask(server)
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0)
    // Silent until the timeout: the provider may have worked on it.
    upstream.always(.hang)
    _ = try await ask(server)
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0.003)
    // A stream that breaks off has told no usage.
    upstream.always(.streamHead, .chunk("Hel"), .close)
    _ = try await ask(server, more: #","max_tokens":3,"stream":true"#)
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0.006)
    upstream.always(.streamHead, .chunk("Hel"), .streamEnd, .close)
    _ = try await ask(server, more: #","max_tokens":3,"stream":true"#)
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0.009)
    #expect(try await budgets(server).first?["reserved_usd"]?.double == 0)
    await server.stop()
  }

  @Test(arguments: [
    "", #","usage":{}"#, #","usage":null"#, #","usage":{"prompt_tokens":1}"#,
    #","usage":{"prompt_tokens":-5,"completion_tokens":2}"#,
    #","usage":{"prompt_tokens":1,"completion_tokens":"2"}"#,
  ])
  func
    `a usage that does not say both counts says nothing: it is paid in full, and shown as unknown`(
      _ usage: String
    ) async throws
  {
    let body =
      #"{"model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]\#(usage)}"#
    upstream.always(.answer(200, body))
    let server = try await start("[{name: cap, limit_usd: 1, window: total}]")
    let answer = try await ask(server)
    #expect(answer.status == 200)
    #expect(answer.header("x-rollout-cost-usd") == nil)
    let native = try await server.send(
      "POST", "/v1/features/ai-summary/complete",
      #"{"user":"anna","prompt":"hi","max_tokens":3}"#)
    #expect(native.json["cost_usd"]?.isNull == true, "\(native.text)")
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0.006)
    await server.stop()
  }

  @Test func `a request that is larger than what is left is told so, and what helps`() async throws
  {
    let server = try await start("[{name: cap, limit_usd: 1, window: total}]", fallback: nil)
    let total = try await ask(server, more: #","max_tokens":1001"#)
    #expect(total.status == 429 && total.header("retry-after") == nil)
    #expect(
      total.text.contains(
        "The budget cap has no room for this request, which may cost up to $1.001: "
          + "ask for fewer tokens, raise the budget."), "\(total.text)")
    await server.stop()
  }

  @Test func `an answer without a bound gets one, so that it cannot cost more than was held`()
    async throws
  {
    upstream.always(.chat("hi"))
    let server = try await start("[{name: cap, limit_usd: 5}]")
    _ = try await ask(server, more: "")
    #expect(upstream.requests.last?.contains(#""max_tokens":4096"#) == true)
    await server.stop()
  }

  @Test func `marks are told on the event stream`() async throws {
    upstream.always(.chat("hi"))
    let server = try await start("[{name: cap, limit_usd: 0.006, alert_at: [50]}]")
    let live = try await server.stream("/v1/events")
    _ = try await ask(server)
    var received = ""
    while !received.contains("event: budget"), let bytes = try await live.next() {
      received += String(decoding: bytes, as: UTF8.self)
    }
    #expect(received.contains("budget cap: 50 % of $0.006 spent since "))
    await server.stop()
  }

  @Test(arguments: [
    "[{name: a, limit_usd: -1}]", "[{limit_usd: 1}]", "[{name: a, limit_usd: 1, window: hour}]",
    "[{name: a, limit_usd: 1, per: planet}]", "[{name: a, limit_usd: 1, alert_at: [0]}]",
    "[{name: a, limit_usd: 1}, {name: a, limit_usd: 2}]", "[{name: a, limit_usd: 1, cap: yes}]",
  ])
  func `a wrong budget is refused at the start`(budgets: String) {
    #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array("budgets: \(budgets)".utf8))) { _ in nil }
    }
  }

  @Test(arguments: [
    #""max_tokens":-1"#, #""max_tokens":0"#, #""max_tokens":1.5"#, #""max_tokens":"many""#,
    #""max_tokens":true"#, #""max_tokens":[3]"#, #""max_tokens":1e400"#,
    #""max_tokens":9223372036854775807"#, #""max_tokens":-9223372036854775808"#,
    #""max_tokens":10000001"#, #""max_completion_tokens":-1,"max_tokens":3"#,
    #""max_tokens":3,"n":500"#, #""max_tokens":3,"n":0"#, #""max_tokens":3,"n":-5"#,
    #""max_tokens":3,"n":1.5"#, #""max_tokens":3,"best_of":1e9"#, #""Max_Tokens":20000"#,
    #""max_to\u212Aens":20000"#, #""max_output_tokens":-7"#, #""maxTokens":20000"#,
    #""options":{"num_predict":-1}"#, #""options":{"Num_Predict":9}"#, #""n_predict":-1"#,
    #""reasoning":{"max_tokens":-1}"#, #""thinking":{"budget_tokens":0.5}"#,
    #""parameters":{"best_of":500}"#, #""min_tokens":-1"#, #""num_return_sequences":129"#,
    #""options":{"num_predict":5,"num_predict":50000}"#, #""parameters":{"n":"16"}"#,
  ])
  func `a bound on the answer that is no whole number above 0 is refused, and traps nothing`(
    wish: String
  ) async throws {
    upstream.always(.chat("hi"))
    let server = try await start("[{name: cap, limit_usd: 5, window: day}]")
    let answer = try await ask(server, more: "," + wish)
    #expect(answer.status == 400, "\(answer.text)")
    #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
    #expect(upstream.requests.isEmpty)
    #expect(try await budgets(server).first?["reserved_usd"]?.double ?? 0 == 0)
    await server.stop()
  }

  @Test(arguments: [
    (#""max_completion_tokens":1,"max_tokens":20000"#, 20_000.0),
    (#""max_completion_tokens":20000,"max_tokens":1"#, 20_000),
    (#""max_tokens":1,"max_output_tokens":300"#, 300), (#""max_tokens":20000.0"#, 20_000),
    (#""max_tokens":2e4"#, 20_000), (#""max_tokens":3,"n":16.0"#, 48),
    (#""max_tokens":3,"n":2,"best_of":5"#, 15), (#""max_tokens":null,"n":2"#, 8192),
    (#""max_tokens":3,"num_return_sequences":4"#, 12), (#""max_tokens":3,"candidate_count":4"#, 12),
    (#""max_tokens":3,"options":{"num_predict":700.0}"#, 700), (#""n_predict":50"#, 50),
    (#""max_tokens":3,"parameters":{"max_new_tokens":70,"best_of":2}"#, 140),
    (#""max_tokens":3,"min_tokens":50"#, 50), (#""min_tokens":5000"#, 5000),
    (#""min_tokens":0"#, 4096), (#""max_tokens":30,"reasoning":{"max_tokens":500}"#, 530),
    (#""max_tokens":30,"thinking":{"budget_tokens":500}"#, 500),
    (#""max_tokens":3,"chat_template_kwargs":{"thinking_budget":500},"n":2"#, 1006),
    (#""max_tokens":3,"reasoning_effort":"high","reasoning":{"effort":"high"}"#, 3),
    (#""max_tokens":3,"metadata":{"n":"a"},"response_format":{"x":{"max_tokens":"b"}}"#, 3),
    (#""max_tokens":3,"vendor":{"n":"a","route":"b","list":[{"num_predict":9}]}"#, 9),
  ])
  func `the largest of all bounds is held, times the answers wanted`(
    wish: String, tokens: Double
  ) async throws {
    upstream.always(.hang)
    let server = try await start("[{name: cap, limit_usd: 50, window: day}]")
    async let answer = ask(server, more: "," + wish)
    #expect(
      try await server.eventually {
        try await budgets(server).first?["reserved_usd"]?.double == tokens / 1000
      })
    _ = try await answer
    await server.stop()
    // Obeyed is what every server knows.
    let text = try #require(upstream.requests.last)
    let sent = try JSONReader.read(Array(text.utf8.drop { $0 != UInt8(ascii: "{") }))
    let each = Double(sent["max_tokens"]?.int ?? sent["max_completion_tokens"]?.int ?? 0)
    #expect(each > 0 && each * Double(sent["n"]?.int ?? 1) <= tokens)
    #expect(sent["options"]?["num_predict"] == nil || sent["options"]?["num_predict"] == .int(700))
    // The budget is an end: where less is left than that, nothing is asked.
    let poor = try await start("[{name: cap, limit_usd: \((tokens - 1) / 1000), window: day}]")
    let asked = upstream.requests.count
    #expect(try await ask(poor, more: "," + wish).header("x-rollout-reason") == "budget")
    #expect(upstream.requests.count == asked)
    await poor.stop()
  }

  @Test(arguments: [
    #""models":["m","dear"]"#, #""fallbacks":[{"model":"dear"}]"#, #""route":"fallback""#,
    #""provider":{"order":["x"]}"#, #""extra_body":{"models":["dear"]}"#, #""preset":"best""#,
    #""options":{"fallback_models":["dear"]}"#, #""service_tier":"priority""#, #""speed":"fast""#,
    #""plugins":[{"id":"web"}]"#,
  ])
  func `what may be answered at another price is refused under a hard budget`(
    wish: String
  ) async throws {
    upstream.always(.chat("hi"))
    let hard = try await start("[{name: cap, limit_usd: 5, window: day}]")
    let answer = try await ask(hard, more: #","max_tokens":3,"# + wish)
    #expect(answer.status == 400, "\(answer.text)")
    #expect(answer.text.contains("hard budget"), "\(answer.text)")
    #expect(upstream.requests.isEmpty)
    #expect(try await budgets(hard).first?["reserved_usd"]?.double ?? 0 == 0)
    for free in [#""models":[]"#, #""provider":null"#, #""service_tier":"auto""#] {
      #expect(try await ask(hard, more: #","max_tokens":3,"# + free).status == 200)
    }
    await hard.stop()
    let soft = try await start("[{name: cap, limit_usd: 5, window: day, hard: false}]")
    #expect(try await ask(soft, more: #","max_tokens":3,"# + wish).status == 200)
    await soft.stop()
  }

  @Test func `what is sent is what was held, with the target's parameters over it`() async throws {
    upstream.always(.hang)
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      prices: {m: {input: 0, output: 1000}}
      routes:
        main:
          deadline: 2s
          targets:
            - {provider: main, model: m, timeout: 300ms, params: {max_tokens: 100, n: 2.0}}
        free:
          deadline: 2s
          targets:
            - {provider: main, model: m, timeout: 300ms, params: {max_completion_tokens: 7}}
      budgets: [{name: cap, limit_usd: 50, window: day}]
      """)
    for (feature, route) in [("ai-summary", "main"), ("free", "free")] {
      try await server.startPlan(
        feature, #","route":"\#(route)","stages":[{"name":"all","percent":100}]"#)
    }
    func held(_ feature: String, _ more: String) async throws -> Double? {
      let before = upstream.requests.count
      async let answer = ask(server, feature, more: more)
      #expect(try await server.eventually { upstream.requests.count > before })
      let held = try await budgets(server).first?["reserved_usd"]?.double
      _ = try await answer
      return held
    }
    #expect(try await held("ai-summary", #","max_tokens":20000.0,"n":9"#) == 0.2)
    let sent = try #require(upstream.requests.last)
    #expect(sent.contains(#""max_tokens":100"#) && !sent.contains("20000"))
    #expect(sent.contains(#""n":2"#) && !sent.contains(#""n":9"#))
    // A bound that only the target knows is enough: no other is added that would undo it.
    #expect(try await held("free", "") == 0.007)
    #expect(upstream.requests.last?.contains(#""max_tokens""#) == false)
    #expect(try await held("free", #","max_tokens":50.0"#) == 0.05)
    #expect(upstream.requests.last?.contains(#""max_tokens":50,"#) == true)
    await server.stop()
  }

  @Test func `images, files, tools and schemas are part of what is held`() async throws {
    upstream.always(.hang)
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      prices: {m: {input: 1000, output: 0}, seen: {input: 1000, output: 0, image: 2000}}
      routes:
        main: {deadline: 2s, targets: [{provider: main, model: m, timeout: 300ms}]}
        seen: {deadline: 2s, targets: [{provider: main, model: seen, timeout: 300ms}]}
      budgets: [{name: cap, limit_usd: 5000, window: day}]
      """)
    for (feature, route) in [("ai-summary", "main"), ("seen", "seen")] {
      try await server.startPlan(
        feature, #","route":"\#(route)","stages":[{"name":"all","percent":100}]"#)
    }
    func held(_ feature: String, _ body: String) async throws -> Int {
      let before = upstream.requests.count
      async let answer = server.send("POST", "/features/\(feature)/v1/chat/completions", body)
      #expect(try await server.eventually { upstream.requests.count > before })
      let held = try await budgets(server).first?["reserved_usd"]?.double ?? 0
      _ = try await answer
      return Int((held * 1000).rounded())
    }
    func image(_ url: String) -> String {
      #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"\#(url)"}}]}]}"#
    }
    let link = image("https://a.example/b.png")
    #expect(try await held("ai-summary", link) == link.utf8.count + 765)
    #expect(try await held("seen", link) == link.utf8.count + 2000)
    // However many bytes it has; a text that says it is an image is none.
    let data = "data:image/png;base64," + String(repeating: "A", count: 100_000)
    #expect(try await held("ai-summary", image(data)) == image("").utf8.count + 765)
    let text = image("data:text/plain;base64," + String(repeating: "A", count: 100_000))
    #expect(try await held("ai-summary", text) == text.utf8.count + 765)
    let disguised = link.replacing(#""type":"image_url""#, with: #""type":"im\u0061ge_url""#)
    #expect(try await held("ai-summary", disguised) == disguised.utf8.count + 765)
    let file = #"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}"#
    #expect(try await held("ai-summary", file) == file.utf8.count + 100_000)
    // Which of the two is read is the provider's choice.
    for twice in [
      #"[{"role":"user","content":[{"type":"text","type":"file","file":{"file_id":"f"}}]}]"#,
      #"[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}],"a":1,"a":2}]"#,
    ] {
      let answer = try await server.send(
        "POST", "/features/ai-summary/v1/chat/completions", #"{"messages":\#(twice)}"#)
      #expect(answer.status == 400)
      #expect(answer.text.contains("stands twice"), "\(answer.text)")
    }
    let schema = String(repeating: "x", count: 5000)
    let rest =
      #"{"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","#
      + #""json_schema":{"name":"\#(schema)"}},"tools":[{"type":"function"}]}"#
    #expect(try await held("ai-summary", rest) == rest.utf8.count + 700)
    await server.stop()
  }

  @Test func `who leaves before the answer pays what may be billed, who leaves the queue nothing`()
    async throws
  {
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)", max_in_flight: 1}}
      prices: {m: {input: 0, output: 1000}}
      routes: {main: {deadline: 5s, targets: [{provider: main, model: m}]}}
      budgets: [{name: cap, limit_usd: 5, window: day}]
      """)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    upstream.always(.hang)
    let body =
      #"{"messages":[{"role":"user","content":"hi"}],"user":"anna","max_tokens":3,"stream":true}"#
    let request =
      "POST /features/ai-summary/v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
      + "Authorization: Bearer \(server.adminToken)\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    func reserved() async throws -> Double? {
      try await budgets(server).first?["reserved_usd"]?.double
    }
    do {
      let asking = RawConnection(port: server.port)
      asking.send(request)
      #expect(try await server.eventually { upstream.requests.count == 1 })
      do {
        let waiting = RawConnection(port: server.port)
        waiting.send(request)
        #expect(try await server.eventually { try await reserved() == 0.006 })
      }
      #expect(try await server.eventually { try await reserved() == 0.003 })
      #expect(try await budgets(server).first?["spent_usd"]?.double == 0)
    }
    #expect(try await server.eventually { try await reserved() == 0 })
    #expect(try await budgets(server).first?["spent_usd"]?.double == 0.003)
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `a clock that steps over a window pays where it was held, forwards and back`()
    async throws
  {
    upstream.always(.wait(milliseconds: 200), .chat("hi"))
    let server = try await start("[{name: cap, limit_usd: 0.006, window: day}]")
    func spent() async throws -> Double? {
      try await budgets(server).first?["spent_usd"]?.double
    }
    let today = server.clock.now
    async let first = ask(server)
    #expect(try await server.eventually { upstream.requests.count == 1 })
    server.clock.set(today + .days(1))
    #expect(try await first.header("x-rollout-served-by") == "provider")
    #expect(try await spent() == 0)
    async let second = ask(server)
    #expect(try await server.eventually { upstream.requests.count == 2 })
    server.clock.set(today)
    #expect(try await second.header("x-rollout-served-by") == "provider")
    // The first is paid in today's window; one more fits in, and no third.
    #expect(try await spent() == 0.003)
    #expect(try await ask(server).header("x-rollout-served-by") == "provider")
    #expect(try await ask(server).header("x-rollout-reason") == "budget")
    #expect(try await spent() == 0.006)
    server.clock.set(today + .days(1))
    #expect(try await spent() == 0.003)
    await server.stop()
  }
}
