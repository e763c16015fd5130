import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// What can go wrong at a provider, for every pair of dialects, plain and streamed, over real
/// sockets: each fault is either made good by the next target, or told in the caller's own dialect.
@Suite struct FaultMatrixTests {
  enum Spoken: String, CaseIterable, CustomTestStringConvertible {
    case openai, anthropic
    var testDescription: String { rawValue }
  }

  /// Who speaks what to whom.
  struct Pair: CustomTestStringConvertible {
    var caller: Spoken
    var provider: Spoken
    static let all = Spoken.allCases.flatMap { caller in
      Spoken.allCases.map { Pair(caller: caller, provider: $0) }
    }
    var testDescription: String { "\(caller) to \(provider)" }
  }

  let upstream = ScriptedUpstream()

  /// A feature whose first target is scripted, and whose second always answers.
  func start(
    _ pair: Pair, alone: Bool = false, isHurried: Bool = false, url: String? = nil,
    hasKeys: Bool = false, inFlight: Int = 500
  ) async throws
    -> TestServer
  {
    let clocks =
      isHurried
      ? "timeout: 400ms, first_content: 200ms, idle: 200ms"
      : "timeout: 900ms, first_content: 400ms, idle: 300ms"
    let keys = hasKeys ? ", api_key_env: [KEY_A, KEY_B]" : ""
    let server = try await TestServer(
      """
      providers:
        main: {kind: \(pair.provider), base_url: "\(url ?? upstream.url)"\(keys), \
      max_in_flight: \(inFlight)}
        backup: {kind: echo}
      routes:
        main:
          deadline: 6s
          targets:
            - {provider: main, model: m, \(clocks)}
            \(alone ? "" : "- {provider: backup, model: b}")
      """, variables: ["KEY_A": "secret-a", "KEY_B": "secret-b"])
    try await server.startPlan(
      "ai", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    return server
  }

  func ask(
    _ server: TestServer, _ pair: Pair, stream: Bool
  ) async throws -> TestServer.Answer {
    let path = pair.caller == .openai ? "chat/completions" : "messages"
    return try await server.send(
      "POST", "/features/ai/v1/\(path)",
      #"{"max_tokens":50,"messages":[{"role":"user","content":"hello"}],"stream":\#(stream)}"#)
  }

  /// Outcomes as the monitor has counted them.
  func counted(_ server: TestServer) async throws -> (requests: Int, failed: Int) {
    let arm = try await server.send("GET", "/v1/plans/ai/health").json["arms"]?["treatment"]
    return (arm?["requests"]?.int ?? -1, arm?["failed"]?.int ?? -1)
  }

  // MARK: Before any content: the next target takes over

  /// Faults that are over before anything was said; `calls` is how often the provider is asked.
  private func early(_ pair: Pair, stream: Bool) -> [(
    name: String, steps: [ScriptedUpstream.Step], calls: Int
  )] {
    let script = Script(pair.provider)
    var faults: [(name: String, steps: [ScriptedUpstream.Step], calls: Int)] = [
      ("accepts, then silent", [.hang], 1),
      ("closes without an answer", [.close], 2),
      ("resets", [.reset], 2),
      ("garbage", [.send("what?\r\n\r\n"), .close], 2),
      ("head, then silent", [.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"), .hang], 1),
      ("a head that never ends", [.send("HTTP/1.1 200 OK\r\nX: "), .hang], 1),
      ("throttled, no word how long", [script.error(429, script.throttle)], 1),
      ("throttled for seconds", [script.error(429, script.throttle, "Retry-After: 30\r\n")], 1),
      (
        "throttled for milliseconds",
        [script.error(429, script.throttle, "retry-after-ms: 30000\r\n")], 1
      ),
      (
        "throttled until a date",
        [script.error(429, script.throttle, "Retry-After: Fri, 15 Jan 2027 08:00:30 GMT\r\n")], 1
      ),
      (
        "throttled for ever",
        [script.error(429, script.throttle, "Retry-After: 99999999999999999999\r\n")], 1
      ),
      ("throttled for nonsense", [script.error(429, script.throttle, "Retry-After: soon\r\n")], 1),
      ("out of money", [script.error(script.money.status, script.money.error)], 1),
      ("payment required", [script.error(402, "billing_error")], 1),
      ("a refused key", [script.error(401, "authentication_error")], 1),
      ("a forbidden key", [script.error(403, "permission_error")], 1),
      ("an unknown model", [script.error(404, "not_found_error")], 1),
      ("500", [script.error(500, "api_error")], 2),
      ("502 without JSON", [.answer(502, "<html>", type: "text/html")], 2),
      ("503 overloaded", [script.error(503, "server_is_overloaded")], 2),
      ("504", [script.error(504, "timeout_error")], 2),
      ("529", [script.error(529, "overloaded_error")], 2),
      ("200 with an error inside", [.answer(200, script.errorBody("api_error"))], stream ? 1 : 2),
    ]
    if stream {
      faults += [
        ("an empty stream", [.streamHead, .close], 1),
        ("an error first", [.streamHead, script.failing, .close], 2),
        ("an error second", [.streamHead, script.opening, script.failing, .close], 2),
        (
          "only pings",
          [.streamHead] + (0..<20).flatMap { _ in [script.ping, .wait(milliseconds: 50)] }, 1
        ),
        ("opening, then silent", [.streamHead, script.opening, .hang], 1),
        ("a broken line first", [.streamHead, .send("data: {\"a\n\n"), .close], 1),
        ("an end without an answer", [.streamHead, script.opening(nil), script.end, .close], 1),
        (
          "endless opening",
          [.streamHead] + (0..<100).map { _ in script.opening } + [.hang], 1
        ),
      ]
      faults += script.unreadablePieces.map {
        ("streams \($0)", [.streamHead, script.opening, $0, .close], 1)
      }
    } else {
      faults += script.unreadableAnswers.map { ("answers \($0)", [.answer(200, $0)], 1) }
      faults += [
        ("no JSON", [.answer(200, "hello")], 1),
        ("an answer without an answer", [.answer(200, "{}")], 1),
        ("a choice of nothing", [.answer(200, #"{"choices":[null],"content":[null]}"#)], 1),
        ("a choice without words", [.answer(200, #"{"choices":[{}],"content":[{}]}"#)], 1),
        (
          "cut in the middle", [.send("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), .close], 2
        ),
      ]
    }
    return faults
  }

  @Test(arguments: Pair.all, [false, true])
  func `before any content the next target takes over`(pair: Pair, stream: Bool) async throws {
    for fault in early(pair, stream: stream) {
      let server = try await start(pair, isHurried: true)
      let before = upstream.requests.count
      for _ in 0..<3 { upstream.next(fault.steps) }
      let answer = try await ask(server, pair, stream: stream)
      #expect(answer.status == 200, "\(fault.name)")
      #expect(answer.header("x-rollout-provider") == "backup", "\(fault.name)")
      #expect(answer.text.contains("hello"), "\(fault.name)")
      #expect(!answer.text.contains("error"), "\(fault.name): \(answer.text)")
      #expect(isWhole(answer.text, pair, stream: stream), "\(fault.name)")
      let calls = upstream.requests.count - before
      #expect(calls == fault.calls, "\(fault.name)")
      #expect(answer.header("x-rollout-attempts") == "\(calls + 1)", "\(fault.name)")
      #expect(try await counted(server) == (1, 0), "\(fault.name)")
      upstream.clear()
      await server.stop()
    }
  }

  @Test(arguments: Pair.all, [false, true])
  func `a provider that is not there is passed over`(pair: Pair, stream: Bool) async throws {
    let server = try await start(pair, url: "http://127.0.0.1:1")
    let answer = try await ask(server, pair, stream: stream)
    #expect(answer.header("x-rollout-provider") == "backup")
    #expect(answer.text.contains("hello"))
    await server.stop()
  }

  func isWhole(_ text: String, _ pair: Pair, stream: Bool) -> Bool {
    switch (pair.caller, stream) {
    case (.openai, true):
      text.hasSuffix("data: [DONE]\n\n") && text.contains(#""finish_reason":"stop""#)
    case (.anthropic, true):
      text.contains("event: message_stop") && text.contains(#""stop_reason":"end_turn""#)
    case (.openai, false): text.contains(#""finish_reason":"stop""#)
    case (.anthropic, false): text.contains(#""stop_reason":"end_turn""#)
    }
  }

  // MARK: After content: the dialect's error, never a fake end

  private func late(_ pair: Pair) -> [(name: String, steps: [ScriptedUpstream.Step])] {
    let script = Script(pair.provider)
    let begun = [.streamHead, script.opening, script.text("some")]
    return [
      ("cut", begun + [script.text(" more"), .close]),
      ("reset", begun + [.wait(milliseconds: 30), .reset]),
      ("stalled", begun + [.hang]),
      (
        "only pings any more",
        begun + (0..<20).flatMap { _ in [script.ping, .wait(milliseconds: 50)] }
      ),
      ("an error", begun + [.wait(milliseconds: 30), script.failing, .close]),
      (
        "a piece that is none",
        begun + [.wait(milliseconds: 30), script.unreadablePieces[0], script.end, .close]
      ),
      (
        "a broken line",
        begun + [.wait(milliseconds: 30), .send("data: {\"choices\":[\n\n"), .close]
      ),
      (
        "a drip beyond the attempt's time",
        begun + (0..<30).flatMap { _ in [script.text("."), .wait(milliseconds: 50)] }
      ),
    ]
  }

  @Test(arguments: Pair.all)
  func `after content a broken stream says so and never ends as if whole`(pair: Pair) async throws {
    for fault in late(pair) {
      let server = try await start(pair)
      let before = upstream.requests.count
      upstream.next(fault.steps)
      let answer = try await ask(server, pair, stream: true)
      #expect(answer.status == 200, "\(fault.name)")
      #expect(answer.header("x-rollout-provider") == "main", "\(fault.name)")
      #expect(answer.text.contains("some"), "\(fault.name)")
      #expect(!isWhole(answer.text, pair, stream: true), "\(fault.name)")
      #expect(
        !answer.text.contains("[DONE]") && !answer.text.contains("message_stop"), "\(fault.name)")
      let told =
        pair.caller == .openai ? "upstream_stream_interrupted" : "event: error\ndata: "
      #expect(answer.text.contains(told), "\(fault.name): \(answer.text)")
      #expect(upstream.requests.count == before + 1, "\(fault.name)")
      #expect(try await counted(server) == (1, 1), "\(fault.name)")
      await server.stop()
    }
  }

  // MARK: Odd, but whole

  private func odd(_ pair: Pair) -> [(name: String, steps: [ScriptedUpstream.Step], text: String)] {
    let script = Script(pair.provider)
    let begun = [.streamHead, script.opening]
    let word = [script.text("some")]
    return [
      ("pings between", begun + [script.ping] + word + [script.ping, script.end, .close], "some"),
      (
        "unknown events", begun + [script.unknown] + word + [script.unknown, script.end, .close],
        "some"
      ),
      ("CRLF", script.withCRLF(begun + word + [script.end]) + [.close], "some"),
      ("data in several lines", begun + [script.multiLine("some"), script.end, .close], "some"),
      (
        "a comment and an id", begun + [.send(": hi\nid: 7\n\n")] + word + [script.end, .close],
        "some"
      ),
      ("no usage", begun + word + [script.endWithoutUsage, .close], "some"),
      ("usage of zero", begun + word + [script.endOfZero, .close], "some"),
      ("usage told twice", begun + word + [script.usageAgain, script.end, .close], "some"),
      ("no word that it ends", begun + word + [script.finish, .close], "some"),
      ("an unknown reason to stop", begun + word + [script.endForNewReason, .close], "some"),
    ]
  }

  @Test(arguments: Pair.all)
  func `what is odd but whole is served`(pair: Pair) async throws {
    let server = try await start(pair)
    for fault in odd(pair) {
      upstream.next(fault.steps)
      let answer = try await ask(server, pair, stream: true)
      #expect(answer.header("x-rollout-provider") == "main", "\(fault.name)")
      #expect(answer.text.contains(fault.text), "\(fault.name): \(answer.text)")
      let end = pair.caller == .openai ? "data: [DONE]\n\n" : "event: message_stop\n"
      #expect(answer.text.contains(end), "\(fault.name): \(answer.text)")
      #expect(!answer.text.contains("error"), "\(fault.name): \(answer.text)")
    }
    #expect(try await counted(server) == (odd(pair).count, 0))
    await server.stop()
  }

  @Test(arguments: Pair.all)
  func `a character split over two packets arrives whole`(pair: Pair) async throws {
    let server = try await start(pair)
    let script = Script(pair.provider)
    guard case .send(let event) = script.text("Zoë 🙂") else { return }
    let bytes = Array(event.utf8)
    let cut = (bytes.firstIndex(of: 0xF0) ?? 0) + 2
    upstream.next([
      .streamHead, script.opening, .bytes(Array(bytes[..<cut])), .wait(milliseconds: 30),
      .bytes(Array(bytes[cut...])), script.end, .close,
    ])
    let answer = try await ask(server, pair, stream: true)
    #expect(answer.text.contains("Zoë 🙂"), "\(answer.text)")
    await server.stop()
  }

  @Test(arguments: Pair.all)
  func `an empty answer and a large one are answers`(pair: Pair) async throws {
    let server = try await start(pair)
    let script = Script(pair.provider)
    upstream.next([script.whole("")])
    let empty = try await ask(server, pair, stream: false)
    #expect(empty.header("x-rollout-provider") == "main")
    #expect(empty.status == 200)
    upstream.next([.streamHead, script.opening, script.emptyBlock, script.end, .close])
    let emptyStream = try await ask(server, pair, stream: true)
    #expect(emptyStream.header("x-rollout-provider") == "main")
    #expect(isWhole(emptyStream.text, pair, stream: true), "\(emptyStream.text)")
    let large = String(repeating: "lorem ipsum ", count: 10 << 20 / 12)
    upstream.next([script.whole(large)])
    let answer = try await ask(server, pair, stream: false)
    #expect(answer.header("x-rollout-provider") == "main")
    #expect(answer.body.count > large.utf8.count)
    await server.stop()
  }

  // MARK: Nobody left to ask

  @Test(arguments: Pair.all, [false, true])
  func `with nobody left the caller's own dialect says what it was`(
    pair: Pair, stream: Bool
  ) async throws {
    let script = Script(pair.provider)
    let overloaded = pair.caller == .anthropic ? 529 : 502
    let cases: [(ScriptedUpstream.Step, Int, String)] = [
      (script.error(500, "api_error"), 502, "api_error"),
      (script.error(429, script.throttle, "Retry-After: 17\r\n"), 429, "rate_limit_error"),
      (
        script.error(529, "overloaded_error"), overloaded,
        overloaded == 529 ? "overloaded_error" : "api_error"
      ),
      (script.error(401, "authentication_error"), 502, "api_error"),
      (script.error(400, "invalid_request_error"), 400, "invalid_request_error"),
      (.hang, 504, pair.caller == .anthropic ? "timeout_error" : "api_error"),
    ]
    for (step, status, type) in cases {
      let server = try await start(pair, alone: true, isHurried: true)
      upstream.always(step)
      let answer = try await ask(server, pair, stream: stream)
      #expect(answer.status == status, "\(step)")
      #expect(answer.json["error"]?["type"]?.string == type, "\(step): \(answer.text)")
      #expect(answer.json["error"]?["message"]?.string?.isEmpty == false)
      #expect((answer.json["type"]?.string == "error") == (pair.caller == .anthropic))
      if status == 429 { #expect(answer.header("retry-after") == "17") }
      #expect(try await counted(server) == (status == 400 ? (0, 0) : (1, 1)), "\(step)")
      upstream.clear()
      await server.stop()
    }
  }

  // MARK: The client leaves

  /// Asks over a connection that ends when nobody holds it any more.
  private func connect(_ server: TestServer, _ pair: Pair, stream: Bool) -> RawConnection {
    let path = pair.caller == .openai ? "chat/completions" : "messages"
    let body =
      #"{"max_tokens":50,"messages":[{"role":"user","content":"hello"}],"stream":\#(stream)}"#
    let connection = RawConnection(port: server.port)
    connection.send(
      "POST /features/ai/v1/\(path) HTTP/1.1\r\nHost: a\r\n"
        + "Authorization: Bearer \(server.adminToken)\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    return connection
  }

  @Test(arguments: Pair.all, [false, true])
  func `a client that leaves after the last byte has been served`(
    pair: Pair, stream: Bool
  ) async throws {
    let server = try await start(pair)
    let script = Script(pair.provider)
    upstream.always(
      stream
        ? [.streamHead, script.opening, script.text("some"), script.end, .close]
        : [script.whole("some")])
    for _ in 0..<5 {
      let connection = connect(server, pair, stream: stream)
      let ending = pair.caller == .openai ? "[DONE]\n\n" : "message_stop\"}\n\n"
      let last = stream ? ending : #""some""#
      #expect(await connection.receive { $0.contains(last) }.text.contains(last))
    }
    #expect(try await server.eventually { try await counted(server) == (5, 0) })
    let provider = try await server.send("GET", "/v1/providers").json["providers"]?.array?
      .first { $0["name"]?.string == "main" }
    #expect(provider?["in_flight"]?.int == 0)
    #expect(provider?["failures"]?.int == 0)
    #expect(upstream.requests.count == 5)
    await server.stop()
  }

  @Test(arguments: Pair.all, [false, true])
  func `a client that leaves before or amid the answer cancels the provider`(
    pair: Pair, amid: Bool
  ) async throws {
    let server = try await start(pair)
    let script = Script(pair.provider)
    upstream.always(
      amid
        ? [.streamHead, script.opening, script.text("some"), .hang] : [.hang])
    do {
      let connection = connect(server, pair, stream: true)
      if amid {
        _ = await connection.receive { $0.contains("some") }
      } else {
        #expect(try await server.eventually { upstream.requests.count == 1 })
      }
    }
    #expect(try await server.eventually { upstream.peersGone == 1 })
    #expect(try await counted(server) == (0, 0))
    #expect(upstream.requests.count == 1)
    let provider = try await server.send("GET", "/v1/providers").json["providers"]?.array?
      .first { $0["name"]?.string == "main" }
    #expect(provider?["in_flight"]?.int == 0)
    #expect(provider?["failures"]?.int == 0)
    await server.stop()
  }
}
