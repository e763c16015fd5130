import DocumentKit
import RolloutTesting
import Testing

extension FaultMatrixTests {
  // MARK: One of two keys

  /// The keys that the provider was asked with so far.
  private var keysUsed: [String] {
    upstream.requests.map { $0.contains("secret-a") ? "a" : $0.contains("secret-b") ? "b" : "" }
  }

  private func states(_ server: TestServer) async throws -> [String?] {
    let provider = try await server.send("GET", "/v1/providers").json["providers"]?.array?
      .first { $0["name"]?.string == "main" }
    let keys = provider?["keys"]?.array ?? []
    #expect(keys.map { $0["name"]?.string } == ["KEY_A", "KEY_B"])
    return keys.map { $0["state"]?.string }
  }

  @Test(arguments: Pair.all, [false, true])
  func `what one key is refused the other gets, and a refused key rests`(
    pair: Pair, stream: Bool
  ) async throws {
    let script = Script(pair.provider)
    let good =
      stream
      ? [.streamHead, script.opening, script.text("hello"), script.end, .close]
      : [script.whole("hello")]
    let cases: [(step: ScriptedUpstream.Step, after: String, state: String)] = [
      (script.error(401, "authentication_error"), "bbb", "refused"),
      (script.error(script.money.status, script.money.error), "bbb", "out_of_money"),
      (script.error(429, script.throttle, "Retry-After: 600\r\n"), "bbb", "limited"),
      // It may be this model or this prompt: nobody else has to suffer for it.
      (script.error(403, "permission_error"), "aba", "ok"),
    ]
    for (step, after, state) in cases {
      let server = try await start(pair, alone: true, hasKeys: true)
      let before = upstream.requests.count
      upstream.next([step])
      upstream.always(good)
      for attempts in ["2", "1", "1", "1"] {
        let answer = try await ask(server, pair, stream: stream)
        #expect(answer.status == 200, "\(step)")
        #expect(answer.text.contains("hello") && isWhole(answer.text, pair, stream: stream))
        #expect(answer.header("x-rollout-attempts") == attempts, "\(step)")
        #expect(answer.header("x-rollout-provider") == "main")
      }
      #expect(keysUsed[before...].joined() == "ab" + after, "\(step)")
      #expect(try await states(server) == [state, "ok"])
      let isUp = state == "ok" || state == "limited"
      let metrics = try await server.send("GET", "/metrics").text
      #expect(
        metrics.contains(
          #"rollout_provider_key_up{provider="main",key="KEY_A"} \#(isUp ? 1 : 0)"#))
      #expect(!metrics.contains("secret-"))
      #expect(try await counted(server) == (4, 0), "\(step)")
      await server.stop()
    }
  }

  @Test(arguments: Pair.all)
  func `a call that a key was refused keeps its place before those who wait`(
    pair: Pair
  ) async throws {
    let script = Script(pair.provider)
    let server = try await start(pair, alone: true, hasKeys: true, inFlight: 1)
    upstream.next([.wait(milliseconds: 300), script.error(401, "authentication_error")])
    upstream.always([script.whole("hello")])
    async let first = ask(server, pair, stream: false)
    #expect(try await server.eventually { upstream.requests.count == 1 })
    async let second = ask(server, pair, stream: false)
    let answers = [try await first, try await second]
    #expect(answers.map(\.status) == [200, 200])
    #expect(answers.map { $0.header("x-rollout-attempts") } == ["2", "1"])
    #expect(keysUsed == ["a", "b", "b"])
    await server.stop()
  }

  @Test(arguments: Pair.all, [false, true])
  func `with both keys refused nobody is asked any more, and it is not the caller's fault`(
    pair: Pair, stream: Bool
  ) async throws {
    let server = try await start(pair, alone: true, hasKeys: true)
    upstream.always(Script(pair.provider).error(401, "authentication_error"))
    for attempts in ["2", "0", "0"] {
      let answer = try await ask(server, pair, stream: stream)
      #expect(answer.status == 502)
      #expect(answer.header("x-rollout-attempts") == attempts)
      #expect(answer.json["error"]?["type"]?.string == "api_error")
      #expect(answer.text.contains("credential_refused"))
    }
    #expect(keysUsed == ["a", "b"])
    #expect(try await states(server) == ["refused", "refused"])
    #expect(try await counted(server) == (3, 3))
    await server.stop()
  }

  // MARK: Now and then

  @Test(arguments: Pair.all, [false, true])
  func `every tenth call that fails is made good by a second, and opens no breaker`(
    pair: Pair, stream: Bool
  ) async throws {
    let server = try await start(pair, alone: true)
    let script = Script(pair.provider)
    let good =
      stream
      ? [.streamHead, script.opening, script.text("hello"), script.end, .close]
      : [script.whole("hello")]
    let statuses = [500, 502, 503, 504, 529]
    for round in 0..<50 {
      if round % 10 == 9 { upstream.next([script.error(statuses[round / 10], "api_error")]) }
      upstream.next(good)
      let answer = try await ask(server, pair, stream: stream)
      #expect(answer.status == 200)
      #expect(isWhole(answer.text, pair, stream: stream))
      #expect(answer.header("x-rollout-attempts") == (round % 10 == 9 ? "2" : "1"))
    }
    let model = try await server.send("GET", "/v1/providers").json["providers"]?.array?
      .first { $0["name"]?.string == "main" }?["models"]?.array?.first
    #expect(model?["breaker"]?.string == "closed")
    #expect(model?["requests"]?.int == 55 && model?["failures"]?.int == 5)
    #expect(try await counted(server) == (50, 0))
    await server.stop()
  }

  @Test(arguments: Pair.all, [500, 502, 503, 504, 529])
  func `through a burst of failures the next target answers, and after it the first`(
    pair: Pair, status: Int
  ) async throws {
    let server = try await start(pair)
    let script = Script(pair.provider)
    for _ in 0..<6 { upstream.next([script.error(status, "api_error")]) }
    upstream.always([script.whole("hello")])
    // Two tries each at first; then half of the retries that a provider gets are used up.
    for (provider, attempts) in [
      ("backup", "3"), ("backup", "3"), ("backup", "2"), ("backup", "2"), ("main", "1"),
    ] {
      let answer = try await ask(server, pair, stream: false)
      #expect(answer.status == 200)
      #expect(answer.header("x-rollout-provider") == provider)
      #expect(answer.header("x-rollout-attempts") == attempts)
    }
    #expect(try await counted(server) == (5, 0))
    await server.stop()
  }
}
