import DocumentKit
import PlatformKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Whoever loses its token while a request waits for its turn does nothing any more.
@Suite(.serialized) struct WaitingTests {
  /// Keeps all of these threads busy until it is let go.
  private final class Jam: Sendable {
    private let gate = Semaphore()
    private let count = 64

    init(_ threads: QuietThreads) {
      for _ in 0..<count { threads.run { [gate] in _ = gate.take() } }
    }

    func end() { for _ in 0..<count { gate.put() } }
  }

  private func token(
    _ server: TestServer, _ scope: String
  ) async throws -> (id: String, text: String) {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(scope)","scopes":["\#(scope)"]}"#)
    return (
      try #require(made.json["id"]?.string, "\(made.text)"),
      try #require(made.json["token"]?.string)
    )
  }

  /// Tokens are named as their scopes.
  private func revoke(_ server: TestServer, _ id: String, _ name: String) async throws {
    let gone = try await server.send("DELETE", "/v1/tokens/\(id)?confirm=\(name)")
    try #require(gone.status == 204, "\(gone.text)")
  }

  private func file(_ percent: Int) -> String {
    let people = (0..<1000).map { "\"user-number-\($0)\"" }.joined(separator: ",")
    return #"""
      {"feature":"ai-summary","force_on":[\#(people)],
      "stages":[{"name":"a","percent":\#(percent)},{"name":"all","percent":100}]}
      """#
  }

  @Test func `a large plan is not applied for a token that was revoked while it waited`()
    async throws
  {
    let server = try await TestServer()
    let made = try await server.send("PUT", "/v1/plans/ai-summary", file(1))
    try #require(made.status == 201, "\(made.text)")
    let operate = try await token(server, "operate")
    let jam = Jam(QuietThreads.reads)
    async let waiting = server.send(
      "PUT", "/v1/plans/ai-summary", file(90), token: operate.text,
      headers: [("If-Match", "\"1\"")])
    try await Task.sleep(for: .milliseconds(300))
    try await revoke(server, operate.id, "operate")
    jam.end()
    let answer = try await waiting
    #expect(answer.status == 401, "\(answer.text)")
    #expect(answer.code == "unauthorized")
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int == 1)
    await server.stop()
  }

  @Test func `a question that left its loop is not answered to a token that was revoked`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    let evaluate = try await token(server, "evaluate")
    let jam = Jam(QuietThreads.process)
    let padding = String(repeating: "x", count: 1000)
    let attributes = (0..<30).map { #""a\#($0)":"\#(padding)""# }.joined(separator: ",")
    async let waiting = server.send(
      "POST", "/v1/decisions", #"{"user":{"id":"u","attributes":{\#(attributes)}}}"#,
      token: evaluate.text)
    try await Task.sleep(for: .milliseconds(300))
    try await revoke(server, evaluate.id, "evaluate")
    jam.end()
    let answer = try await waiting
    #expect(answer.status == 401, "\(answer.text)")
    await server.stop()
  }

  // MARK: Money

  /// A provider that takes one call at a time and is busy with it, and a call of another token that
  /// waits for its turn.
  @Test(arguments: [
    "/features/ai-summary/v1/chat/completions", "/v1/features/ai-summary/complete",
  ])
  func `a provider is not paid for a call whose token was revoked while it waited`(path: String)
    async throws
  {
    let upstream = ScriptedUpstream()
    upstream.always(.wait(milliseconds: 1500), .chat("hi"))
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)", max_in_flight: 1}}
      prices: {m: {input: 0, output: 1000}}
      routes: {main: {deadline: 20s, targets: [{provider: main, model: m}]}}
      budgets: [{name: cap, limit_usd: 5, window: day}]
      """)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    let evaluate = try await token(server, "evaluate")
    let body =
      path.hasSuffix("complete")
      ? #"{"prompt":"hi","user":"anna","max_tokens":3}"#
      : #"{"messages":[{"role":"user","content":"hi"}],"user":"anna","max_tokens":3}"#
    async let first = server.send("POST", path, body)
    #expect(try await server.eventually { upstream.requests.count == 1 })
    async let second = server.send("POST", path, body, token: evaluate.text)
    func budget(_ name: String) async throws -> Double? {
      try await server.send("GET", "/v1/budgets").json["budgets"]?.array?.first?[name]?.double
    }
    #expect(try await server.eventually { try await budget("reserved_usd") == 0.006 })
    try await revoke(server, evaluate.id, "evaluate")
    #expect(try await first.status == 200)
    let answer = try await second
    #expect(answer.status == 401, "\(answer.status) \(answer.text)")
    #expect(upstream.requests.count == 1, "the provider was asked")
    #expect(try await budget("reserved_usd") == 0)
    let spent = try await budget("spent_usd") ?? 1
    #expect(spent <= 0.003)
    await server.stop()
  }
}
