import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct SeriesAPITests {
  private let upstream = ScriptedUpstream()

  private func start(
    _ clock: ManualClock = ManualClock(), folder: TemporaryFolder = TemporaryFolder()
  ) async throws -> TestServer {
    try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {targets: [{provider: main, model: large}]}}
      """, folder: folder, clock: clock, looks: false)
  }

  private func plan(_ server: TestServer) async throws {
    try await server.startPlan(
      "f",
      #","route":"main","fallback":{"content":"Later."},"guards":[],"stages":"#
        + #"[{"name":"half","percent":50},{"name":"all","percent":100}]"#)
  }

  private func report(_ server: TestServer, _ outcomes: [String]) async throws {
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(outcomes.joined(separator: ","))]}"#)
    #expect(answer.json["accepted"]?.int == outcomes.count, "\(answer.text)")
  }

  private func get(_ server: TestServer, _ path: String) async throws -> Document {
    let answer = try await server.send("GET", "/v1/plans/f/\(path)")
    #expect(answer.status == 200, "\(answer.text)")
    return answer.json
  }

  /// Rows as dictionaries.
  private func rows(_ series: Document) -> [[String: Document]] {
    let columns = (series["columns"]?.array ?? []).compactMap(\.string)
    return (series["rows"]?.array ?? []).map {
      Dictionary(uniqueKeysWithValues: zip(columns, $0.array ?? []))
    }
  }

  @Test func `what users met with stands in the series, by arm; what nobody measured is null`()
    async throws
  {
    let clock = ManualClock()
    let server = try await start(clock)
    try await plan(server)
    // Outcomes with a latency began before now.
    clock.advance(.minutes(1))
    try await report(
      server,
      [
        #"{"feature":"f","user":"a","arm":"treatment","ok":true,"latency_ms":800,"input_tokens":5,"cost_usd":0.01}"#,
        #"{"feature":"f","user":"b","arm":"treatment","ok":false,"kind":"timeout","id":"r-1","latency_ms":3000}"#,
        #"{"feature":"f","user":"b","arm":"treatment","ok":false,"kind":"client_cancelled"}"#,
        #"{"feature":"f","user":"c","arm":"control","ok":true}"#,
      ])
    let vote = #"{"feature":"f","user":"a","kind":"thumbs_down","request_id":"x"}"#
    _ = try await server.send("POST", "/v1/feedback", vote)
    for user in ["a", "b", "c", "d"] {
      _ = try await server.send(
        "POST", "/v1/features/f/decision", #"{"user":{"id":"\#(user)"}}"#)
    }
    await server.application.surface.monitor.look()
    let series = try await get(server, "series")
    #expect(series["step_s"]?.int == 10)
    #expect(series["columns"]?.array?.compactMap(\.string) == SeriesView.columnNames)
    let found = rows(series)
    let treatment = try #require(found.first { $0["arm"]?.string == "treatment" })
    #expect(treatment["stage"]?.string == "half")
    #expect(treatment["requests"]?.int == 2)
    #expect(treatment["ok"]?.int == 1 && treatment["failed"]?.int == 1)
    #expect(treatment["excluded"]?.int == 1)
    #expect(treatment["users"]?.int == 2)
    #expect(treatment["tokens"]?.int == 5 && treatment["cost_usd"]?.double == 0.01)
    let p50 = try #require(treatment["p50_ms"]?.double)
    #expect(abs(p50 - 800) < 60)
    let control = try #require(found.first { $0["arm"]?.string == "control" })
    #expect(control["p95_ms"]?.isNull == true && control["tokens"]?.isNull == true)
    #expect(control["decisions_on"]?.isNull == true && treatment["decisions_off"]?.isNull == true)
    let decisions = (treatment["decisions_on"]?.int ?? 0) + (control["decisions_off"]?.int ?? 0)
    #expect(decisions == 4)
    let down = (treatment["thumbs_down"]?.int ?? 0) + (control["thumbs_down"]?.int ?? 0)
    #expect(down == 1)
    #expect(series["marks"]?.array?.map { $0["type"]?.string } == ["applied", "started"])
    await server.stop()
  }

  @Test func `failures say what failed, where, and under which request id; no prompt, no user`()
    async throws
  {
    let server = try await start()
    try await plan(server)
    try await server.command("advance", "f", #"{"reason":"all"}"#)
    upstream.always(.send("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}"))
    let answer = try await server.send(
      "POST", "/features/f/v1/chat/completions",
      #"{"messages":[{"role":"user","content":"secret prompt"}],"user":"anna"}"#)
    #expect(answer.header("x-rollout-served-by") == "fallback")
    try await report(
      server, [#"{"feature":"f","user":"b","ok":false,"kind":"empty","id":"app-7"}"#])
    let list = try await get(server, "failures")
    let failures = try #require(list["failures"]?.array)
    #expect(failures.count == 2)
    let ours = try #require(failures.first { $0["kind"]?.string == "server_error" })
    #expect(ours["provider"]?.string == "main" && ours["model"]?.string == "large")
    #expect(ours["count"]?.int == 1 && ours["segment"]?.isNull == true)
    let recent = try #require(list["recent"]?.array)
    #expect(recent.map { $0["request_id"]?.string } == ["app-7", answer.header("x-request-id")])
    #expect(recent.map { $0["status"]?.int } == [nil, 500])
    #expect(list["next"]?.isNull == true)
    let first = try await get(server, "failures?limit=1")
    let next = try #require(first["next"]?.string)
    let second = try await get(server, "failures?limit=1&after=\(next)")
    #expect(second["recent"]?.array?.first?["kind"]?.string == "server_error")
    for secret in ["anna", "secret prompt"] { #expect(!list.jsonText.contains(secret)) }
    await server.stop()
  }

  @Test func `the series survive a restart, grow coarser with age, and nothing is counted twice`()
    async throws
  {
    let clock = ManualClock()
    let folder = TemporaryFolder()
    var server = try await start(clock, folder: folder)
    try await plan(server)
    for _ in 0..<3 {
      try await report(
        server, [#"{"feature":"f","user":"a","arm":"treatment","ok":false,"kind":"timeout"}"#])
      clock.advance(.seconds(10))
    }
    await server.stop()
    server = try await start(clock, folder: folder)
    #expect(rows(try await get(server, "series")).map { $0["failed"]?.int } == [1, 1, 1])
    for (age, from, step) in [
      (TimeSpan.hours(30), "48h&step=10s", 300), (.days(40), "50d", 3600), (.days(40), "90d", 3600),
    ] {
      clock.advance(age)
      #expect(
        try await server.eventually {
          let series = try await get(server, "series?from=\(from)")
          return series["step_s"]?.int == step
            && rows(series).map { $0["failed"]?.int } == [3]
        })
      let failures = try await get(server, "failures?from=\(from)")
      #expect(failures["failures"]?.array?.map { $0["count"]?.int } == [3])
    }
    clock.advance(.days(330))
    #expect(
      try await server.eventually {
        rows(try await get(server, "series?from=415d")).isEmpty
      })
    await server.stop()
  }

  @Test(
    arguments: [
      ("series?step=2s", "step is 10s, 5m, 1h or auto"), ("series?from=tomorrow", "RFC 3339"),
      ("series?from=1h&to=2h", "must lie before"), ("failures?to=now", "RFC 3339"),
      ("series?since=1h", "Unknown query parameter"), ("failures?after=x", "after must be"),
      ("series?from=9000-01-01T00:00:00Z", "must lie before"),
    ])
  func `what cannot be meant is refused, with what to send`(_ path: String, _ words: String)
    async throws
  {
    let server = try await start()
    try await plan(server)
    let answer = try await server.send("GET", "/v1/plans/f/\(path)")
    #expect(answer.status == 400)
    #expect(answer.text.contains(words), "\(answer.text)")
    #expect(try await server.send("GET", "/v1/plans/g/series").status == 404)
    await server.stop()
  }
}
