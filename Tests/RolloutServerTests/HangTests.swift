import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// A provider that leaves requests hanging, through real sockets: some of those who asked leave,
/// some still wait when it has to be decided.
@Suite struct HangTests {
  private let upstream = ScriptedUpstream()
  private static let path = "/features/ai-summary/v1/chat/completions"

  /// A plan in its second stage that everybody has, whose answers should take 100 ms.
  private func start() async throws -> TestServer {
    upstream.always { $0.contains("hang") ? [.hang] : [.chat("here")] }
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)", max_in_flight: 1000}}
      routes: {main: {deadline: 1m, targets: [{provider: main, model: m}]}}
      """, looks: false)
    try await server.startPlan(
      "ai-summary",
      #","route":"main","stages":[{"name":"few","percent":100},{"name":"half","percent":100},"#
        + #"{"name":"all","percent":100}],"guards":[{"metric":"error_rate","max":"5%"},"#
        + #"{"metric":"latency_mean","max":"100ms","sustain":"2s"}]"#)
    try await server.command("advance")
    return server
  }

  private func ask(_ server: TestServer, _ user: Int, _ prompt: String) -> RawConnection {
    let connection = RawConnection(port: server.port)
    let body = #"{"messages":[{"role":"user","content":"\#(prompt)"}],"user":"u\#(user)"}"#
    connection.send(
      "POST \(Self.path) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(server.adminToken)\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    return connection
  }

  /// So many of every 20 requests hang. Of those a third wait to the end, the others leave after
  /// 400 ms and more. The clock goes with the real one. Returns the second of the step back.
  private func stepsBack(_ server: TestServer, hanging: Int) async throws -> Double? {
    var waiting: [RawConnection] = []
    var leaving: [(after: Int, connection: RawConnection)] = []
    for round in 0..<50 {
      if round % 5 == 0 {
        for number in 0..<20 {
          let hangs = number < hanging
          let connection = ask(server, round * 20 + number, hangs ? "hang" : "answer")
          if !hangs || number % 3 == 0 {
            waiting.append(connection)
          } else {
            leaving.append((round + 4 + number % 5, connection))
          }
        }
      }
      leaving.removeAll { $0.after <= round }
      try await Task.sleep(for: .milliseconds(100))
      server.clock.advance(TimeSpan(milliseconds: 100))
      await server.application.surface.monitor.look()
      if try await server.stage() == "few" { return Double(round + 1) / 10 }
    }
    return nil
  }

  @Test(arguments: [20, 15, 10])
  func `of 200 requests that all, three quarters or half of them hang, few are waited for`(
    hanging: Int
  ) async throws {
    let server = try await start()
    let second = try #require(try await stepsBack(server, hanging: hanging))
    // Half a second until anybody leaves, one until evidence is fresh, and that.
    #expect(second < 4.5, "\(second)")
    let events = try await server.send("GET", "/v1/plans/ai-summary/events").json["events"]
    let last = try #require(events?.array?.first)
    #expect(last["type"]?.string == "rolled_back")
    #expect(last["actor"]?.string == "monitor")
    #expect(last["evidence"]?["guard"]?.string == "latency_mean", "\(last.jsonText)")
    #expect(events?.array?.count { $0["type"]?.string == "rolled_back" } == 1)
    await server.stop()
  }
}
