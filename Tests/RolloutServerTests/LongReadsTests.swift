import DocumentKit
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutServer

/// Questions that take long hold up neither people nor alerts.
@Suite struct LongReadsTests {
  private final class Record: Sendable {
    let state = Mutex((running: [Int](), most: 0, order: [Int]()))
  }

  @Test func `two are answered at a time, of one token one, and nobody waits for another's many`()
    async
  {
    let reads = LongReads()
    let record = Record()
    #expect((0..<LongReads.roomMax / 2).allSatisfy { _ in reads.admit(1) })
    #expect(!reads.admit(1), "one token may have half of the room")
    #expect(reads.admit(2))
    await withTaskGroup(of: Void.self) { group in
      func ask(_ account: Int) {
        group.addTask {
          await reads.answer(account) {
            record.state.withLock { state in
              #expect(!state.running.contains(account))
              state.running.append(account)
              state.most = max(state.most, state.running.count)
            }
            try? await Task.sleep(for: .milliseconds(20))
            record.state.withLock { state in
              state.running.removeAll { $0 == account }
              state.order.append(account)
            }
          }
        }
      }
      for _ in 0..<LongReads.roomMax / 2 { ask(1) }
      try? await Task.sleep(for: .milliseconds(10))
      ask(2)
    }
    let state = record.state.withLock { $0 }
    #expect(state.most <= LongReads.runningMax)
    #expect(state.order.firstIndex(of: 2).map { $0 <= 3 } == true, "\(state.order)")
    // All of the room is free again.
    #expect((0..<LongReads.roomMax / 2).allSatisfy { _ in reads.admit(1) })
  }

  /// A plan of 15 rules with 150 values each, and one that differs by the turn.
  private func plan(_ turn: Int) -> String {
    let values = (0..<150).map { "\"\(turn % 2 == 0 ? $0 : 149 - $0)\"" }.joined(separator: ",")
    let rules = (0..<15).map { #"{"attribute":"g","in":[\#(values),"\#(turn) \#($0)"]}"# }
    return #"""
      {"feature":"large","stages":[{"name":"some","rules":[\#(rules.joined(separator: ","))]},
      {"name":"all","percent":100}]}
      """#
  }

  /// Asks `count` times at once, and pauses and resumes another feature meanwhile.
  private func flood(
    _ server: TestServer, _ count: Int, _ ask: @escaping @Sendable () async throws -> Int
  ) async throws -> (statuses: [Int], pauses: [Duration]) {
    let flood = Task {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<count { group.addTask { try await ask() } }
        return try await group.reduce(into: []) { $0.append($1) }
      }
    }
    try await Task.sleep(for: .milliseconds(200))
    let clock = ContinuousClock()
    var pauses: [Duration] = []
    for command in ["pause", "resume", "pause", "resume"] {
      pauses.append(try await clock.measure { try await server.command(command, "other") })
    }
    return (try await flood.value, pauses)
  }

  @Test func `a pause is answered while forty compare large plans`() async throws {
    let server = try await TestServer()
    try await server.startPlan("other")
    let made = try await server.send("PUT", "/v1/plans/large", plan(0))
    try #require(made.status == 201, "\(made.text)")
    try await server.command("start", "large")
    let file = plan(1)
    let (statuses, pauses) = try await flood(server, 40) {
      let answer = try await server.send("PUT", "/v1/plans/large?dry_run=true", file)
      if answer.status == 503 { #expect(answer.header("retry-after") == "1") }
      return answer.status
    }
    #expect(pauses.allSatisfy { $0 < .seconds(2) }, "\(pauses)")
    #expect(Set(statuses) == [200, 503], "\(statuses)")
    let applied = try await server.send(
      "PUT", "/v1/plans/large", file, headers: [("If-Match", "\"2\"")])
    #expect(applied.status == 200, "\(applied.text)")
    #expect(applied.json["audience"]?["joins"]?.array?.count == 15, "\(applied.text)")
    await server.stop()
  }

  @Test func `a pause is answered while forty replay what was recorded`() async throws {
    let server = try await TestServer()
    try await server.startPlan("other")
    try await server.startPlan("ai-summary", #","dry_run":true"#)
    for round in 0..<3 {
      let outcomes = (0..<10_000).map {
        #"{"feature":"ai-summary","user":"u\#($0 % 500)","ok":true,"arm":"treatment","id":"\#(round)-\#($0)"}"#
      }
      let sent = try await server.send(
        "POST", "/v1/outcomes", #"{"outcomes":[\#(outcomes.joined(separator: ","))]}"#)
      try #require(sent.status == 200 || sent.status == 202, "\(sent.text)")
    }
    let (statuses, pauses) = try await flood(server, 40) {
      try await server.send("POST", "/v1/plans/ai-summary/backtest", "{}").status
    }
    #expect(pauses.allSatisfy { $0 < .seconds(2) }, "\(pauses)")
    #expect(Set(statuses) == [200, 503], "\(statuses)")
    #expect(statuses.count { $0 == 200 } >= LongReads.roomMax / 2)
    await server.stop()
  }
}
