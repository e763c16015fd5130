import DocumentKit
import HTTPKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

@Suite struct MonitorTests {
  private func report(
    _ server: TestServer, _ range: Range<Int>, _ more: (Int) -> String
  ) async throws {
    let items = range.map { #"{"feature":"ai-summary","user":"u\#($0)",\#(more($0))}"# }
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(items.joined(separator: ","))]}"#)
    try #require(answer.status == 202, "\(answer.text)")
  }

  private func plan(_ server: TestServer) async throws -> Document {
    try await server.send("GET", "/v1/plans/ai-summary").json
  }

  private func health(_ server: TestServer) async throws -> Document {
    try await server.send("GET", "/v1/plans/ai-summary/health").json
  }

  @Test func `thumbs down roll back, and a vote for the same request counts once`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","preset":"sensitive","stages":[{"name":"all","percent":100}],"#
        + #""guards":[{"metric":"thumbs_down_rate","max":"10%"}]"#)
    func vote(_ user: Int, _ request: String, _ kind: String = "thumbs_down") async throws -> Int {
      try await server.send(
        "POST", "/v1/feedback",
        #"{"feature":"ai-summary","user":"u\#(user)","kind":"\#(kind)","request_id":"\#(request)"}"#
      ).status
    }
    for _ in 0..<50 { #expect(try await vote(1, "same") == 202) }
    #expect(try await vote(2, "up", "thumbs_up") == 202)
    try await report(server, 0..<100) { _ in #""ok":true"# }
    #expect(try await health(server)["guards"]?.array?.first?["errors"]?.int == 1)
    for user in 0..<30 { #expect(try await vote(user, "r\(user)") == 202) }
    try await report(server, 100..<200) { _ in #""ok":true"# }
    #expect(try await server.eventually { try await server.stage() == "off" })
    let feedback = try await server.send("GET", "/metrics").text
    #expect(
      feedback.contains(#"rollout_feedback_total{feature="ai-summary",kind="thumbs_down"} 31"#))
    for (body, status) in [
      (#"{"feature":"nope","kind":"thumbs_up"}"#, 404), (#"{"feature":"ai-summary"}"#, 400),
      (#"{"feature":"ai-summary","kind":"shrug"}"#, 400), ("[]", 400),
      (#"{"feature":"ai-summary","kind":"abandon","x":1}"#, 400),
    ] {
      #expect(try await server.send("POST", "/v1/feedback", body).status == status, "\(body)")
    }
    await server.stop()
  }

  @Test func `votes say which stage they are about, and roll back no other`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","preset":"sensitive","stages":[{"name":"few","percent":50},{"name":"all","percent":100}],"#
        + #""guards":[{"metric":"thumbs_down_rate","max":"10%"}]"#)
    let before = try #require(try await plan(server)["version"]?.int)
    let began = server.clock.now.rfc3339
    server.clock.advance(.minutes(1))
    try await server.command("advance", "ai-summary")
    func vote(_ about: String) async throws {
      for user in 0..<40 {
        let answer = try await server.send(
          "POST", "/v1/feedback",
          """
          {"feature":"ai-summary","user":"u\(user)","arm":"treatment","kind":"thumbs_down",\(about)}
          """)
        #expect(answer.status == 202, "\(answer.text)")
      }
    }
    try await vote(#""plan_version":\#(before)"#)
    try await vote(#""started_at":"\#(began)""#)
    #expect(try await health(server)["guards"]?.array?.first?["requests"]?.int == 0)
    try await vote(#""plan_version":\#(before + 1)"#)
    #expect(try await server.eventually { try await server.stage() == "few" })
    await server.stop()
  }

  @Test func `slow answers roll back, and health shows latency, cost and the other arm`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","preset":"sensitive""#)
    try await server.command("advance")
    server.clock.advance(.minutes(1))
    try await report(server, 0..<120) { _ in
      #""ok":true,"latency_ms":800,"cost_usd":0.001,"input_tokens":10,"output_tokens":5,"arm":"treatment""#
    }
    try await report(server, 200..<240) { _ in #""ok":true,"arm":"control""# }
    let arms = try await health(server)["arms"]
    let latency = try #require(arms?["treatment"]?["latency_ms_p95"]?.double)
    #expect((750...850).contains(latency))
    #expect(arms?["treatment"]?["cost_usd"]?.double == 0.12)
    #expect(arms?["treatment"]?["input_tokens"]?.int == 1200)
    #expect(arms?["treatment"]?["share"]?.double == 0.75)
    #expect(arms?["control"]?["outcomes"]?["ok"]?.int == 40)
    try await report(server, 300..<340) { _ in
      #""ok":true,"latency_ms":25000,"arm":"treatment""#
    }
    #expect(try await server.eventually { try await server.stage() == "internal" })
    let event = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
      .json["events"]?.array?.first
    #expect(event?["evidence"]?["guard"]?.string == "latency_mean")
    #expect(event?["reason"]?.string?.hasPrefix("latency_mean: the last ") == true)
    #expect(event?["reason"]?.string?.contains("took 25 s on average") == true)
    await server.stop()
  }

  @Test func `an outage of both arms holds, says so, and ends by itself`() async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","preset":"sensitive""#)
    try await server.command("advance")
    try await report(server, 0..<200) {
      #""ok":true,"latency_ms":100,"arm":"\#($0 % 4 == 0 ? "treatment" : "control")""#
    }
    server.clock.advance(.seconds(20))
    try await report(server, 200..<500) {
      #""ok":\#($0 % 2 == 0),"latency_ms":100,"arm":"\#($0 % 4 < 2 ? "treatment" : "control")""#
    }
    #expect(
      try await server.eventually { try await plan(server)["hold"]?["cause"]?.string == "outage" })
    #expect(try await plan(server)["hold"]?["reason"]?.string?.hasPrefix("shared outage: ") == true)
    #expect(try await server.stage() == "beta")
    for second in 0..<32 {
      server.clock.advance(.seconds(1))
      try await report(server, 1000 + second * 40..<1040 + second * 40) {
        #""ok":true,"latency_ms":100,"arm":"\#($0 % 4 < 2 ? "treatment" : "control")""#
      }
      await server.application.surface.monitor.look()
    }
    #expect(try await server.eventually { try await plan(server)["hold"]?.isNull == true })
    // Held for the outage, and then for the window's memory of it.
    let causes = try await server.send("GET", "/v1/plans/ai-summary/events").json["events"]?.array?
      .compactMap { $0["reason"]?.string?.prefix(12) }
    #expect(causes?.contains("the outage i") == true)
    #expect(causes?.contains("shared outag") == true)
    await server.stop()
  }

  @Test func `a plan advances by itself on evidence, and only then`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","advance":"automatic","stages":[{"name":"a","percent":5,"soak":"0s"},{"name":"b","percent":50,"soak":"0s"},"#
        + #"{"name":"c","percent":100,"approvals":1}],"guards":[{"metric":"error_rate","max":"5%"}]"#
    )
    let waiting = try await plan(server)["next"]?["waiting_on"]?.array?.compactMap(\.string)
    #expect(
      waiting == ["outcomes: none of this stage yet", "healthy evidence: 0 of 77 samples"])
    try await report(server, 0..<60) { _ in #""ok":true,"arm":"treatment""# }
    #expect(
      try await plan(server)["next"]?["waiting_on"]?.array?.compactMap(\.string)
        == ["healthy evidence: 60 of 77 samples"])
    try await report(server, 60..<80) { _ in #""ok":true,"arm":"treatment""# }
    #expect(try await server.eventually { try await server.stage() == "b" })
    let event = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
      .json["events"]?.array?.first
    #expect(event?["type"]?.string == "advanced")
    #expect(event?["actor"]?.string == "monitor")
    // The last step waits for a person.
    try await report(server, 100..<300) { _ in #""ok":true,"arm":"treatment""# }
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.stage() == "b")
    #expect(
      try await plan(server)["next"]?["waiting_on"]?.array?.compactMap(\.string)
        == ["approval: 1 more person must approve"])
    // Not for the one who let it advance by itself.
    try await server.command("approve")
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.stage() == "b")
    let waits = try await plan(server)["next"]?["waiting_on"]?.array?.compactMap(\.string)
    #expect(waits?.first?.hasPrefix("approval: admin applied the file") == true, "\(waits ?? [])")
    let made = try await server.send("POST", "/v1/tokens", #"{"name":"bob","scopes":["operate"]}"#)
    let version = try #require(try await plan(server)["version"]?.int)
    let approved = try await server.send(
      "POST", "/v1/plans/ai-summary/approve", #"{"reason":"looks good"}"#,
      token: try #require(made.json["token"]?.string), headers: [("If-Match", "\"\(version)\"")])
    #expect(approved.status == 200, "\(approved.text)")
    #expect(try await server.eventually { try await server.stage() == "c" })
    await server.stop()
  }

  @Test func `a person passes missing evidence with a reason, unless the plan requires it`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    for body in ["{}", #"{"reason":" "}"#, #"{"reason":null}"#] {
      let silent = try await server.send(
        "POST", "/v1/plans/ai-summary/advance", body, headers: [("If-Match", "\"2\"")])
      #expect(silent.status == 409 && silent.code == "gate_closed", "\(silent.text)")
      #expect(silent.json["detail"]?.string?.contains("give a reason") == true)
      let next = try await plan(server)["next"]
      #expect(silent.json["waiting_on"] == next?["warnings"], "\(silent.text)")
      #expect(silent.json["waiting_on"] == next?["waiting_on"])
    }
    let answer = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", #"{"reason":"nobody uses it at night"}"#,
      headers: [("If-Match", "\"2\"")])
    #expect(answer.status == 200)
    #expect(
      answer.json["warnings"]?.array?.first?.string == "outcomes: none of this stage yet")
    try await server.startPlan("strict", #","require_evidence":true"#)
    let refused = try await server.send(
      "POST", "/v1/plans/strict/advance", #"{"reason":"launch day"}"#,
      headers: [("If-Match", "\"2\"")])
    #expect(refused.status == 409)
    #expect(refused.code == "gate_closed")
    #expect(refused.json["detail"]?.string?.contains("reason") == false)
    let forced = try await server.send(
      "POST", "/v1/plans/strict/advance", #"{"force":true,"reason":"launch day"}"#,
      headers: [("If-Match", "\"2\"")])
    #expect(forced.status == 200)
    await server.stop()
  }

  @Test func `time spent paused is no soaking`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","stages":[{"name":"a","percent":5,"soak":"1h"},{"name":"b","percent":50}]"#)
    server.clock.advance(.minutes(30))
    try await server.command("pause")
    server.clock.advance(.hours(10))
    try await server.command("resume")
    let waiting = try await plan(server)["next"]?["waiting_on"]?.array?.first?.string
    #expect(waiting == "soak: 30 m left")
    server.clock.advance(.minutes(31))
    try await server.command("advance")
    await server.stop()
  }

  @Test func `two rollbacks in a day turn automatic advance off`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","advance":"automatic","preset":"sensitive","rollback":{"cooldown":"1m"},"#
        + #""guards":[{"metric":"error_rate","max":"5%"}]"#)
    for round in 0..<2 {
      if round == 1 {
        server.clock.advance(.minutes(2))
        try await server.command("acknowledge")
      }
      try await server.command("advance", "ai-summary")
      let before = try #require(try await plan(server)["version"]?.int)
      try await report(server, round * 1000..<round * 1000 + 60) { _ in
        #""ok":false,"arm":"treatment""#
      }
      #expect(
        try await server.eventually { try await plan(server)["version"]?.int == before + 1 })
      #expect(try await server.stage() == "internal")
    }
    server.clock.advance(.minutes(2))
    try await server.command("acknowledge")
    try await report(server, 5000..<5100) { _ in #""ok":true,"arm":"treatment""# }
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.stage() == "internal")
    #expect(
      try await plan(server)["next"]?["waiting_on"]?.array?.first?.string?.hasPrefix(
        "automatic advance: off after two rollbacks") == true)
    // A person's advance turns it on again.
    try await server.command("advance")
    // A stage that states no soak is left after an hour.
    server.clock.advance(.minutes(61))
    try await report(server, 6000..<6100) { _ in #""ok":true,"arm":"treatment""# }
    #expect(try await server.eventually { try await server.stage() == "25" })
    await server.stop()
  }

  @Test func `after a downtime no stage is skipped`() async throws {
    let first = try await TestServer()
    try await first.startPlan(
      "ai-summary",
      #","advance":"automatic","stages":[{"name":"a","percent":5,"soak":"1h"},"#
        + #"{"name":"b","percent":25,"soak":"1h"},{"name":"c","percent":100}],"#
        + #""guards":[{"metric":"error_rate","max":"5%"}]"#)
    try await report(first, 0..<100) { _ in #""ok":true,"arm":"treatment""# }
    await first.stop()
    first.clock.advance(.hours(12))
    let server = try await TestServer(folder: first.folder, clock: first.clock)
    try await Task.sleep(for: .milliseconds(500))
    // Soaked and healthy by old evidence, but nobody has said lately how it does.
    #expect(try await server.stage() == "a")
    try await report(server, 200..<210) { _ in #""ok":true,"arm":"treatment""# }
    #expect(try await server.eventually { try await server.stage() == "b" })
    server.clock.advance(.hours(12))
    try await Task.sleep(for: .milliseconds(500))
    #expect(try await server.stage() == "b")
    await server.stop()
  }

  @Test func `a paused plan is still watched`() async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","preset":"sensitive""#)
    try await server.command("advance")
    try await server.command("pause")
    try await report(server, 0..<40) { _ in #""ok":false,"arm":"treatment""# }
    #expect(try await server.eventually { try await server.stage() == "internal" })
    #expect(try await plan(server)["status"]?.string == "paused")
    await server.stop()
  }

  @Test func `verdicts and dry runs reach the event stream, and come back to who missed them`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","preset":"sensitive","dry_run":true"#)
    let live = try await server.stream("/v1/events")
    // A verdict is told when it changes, so the monitor must have had one.
    try await Task.sleep(for: .milliseconds(400))
    server.clock.advance(.seconds(1))
    try await report(server, 0..<40) { _ in #""ok":false,"latency_ms":1,"arm":"treatment""# }
    var received = ""
    while !received.contains("event: dry_run"), let bytes = try await live.next() {
      received += String(decoding: bytes, as: UTF8.self)
    }
    #expect(received.contains("\"reason\":\"Would have acted (rollback): error_rate: the last "))
    #expect(received.contains("event: verdict"))
    #expect(received.contains("id: 2."))
    let again = try await server.stream("/v1/events", headers: [("Last-Event-ID", "2")])
    var missed = ""
    while !missed.contains("event: dry_run"), let bytes = try await again.next() {
      missed += String(decoding: bytes, as: UTF8.self)
    }
    #expect(missed.contains("event: verdict"))
    #expect(!missed.contains("event: started"))
    #expect(try await server.stage() == "internal")
    await server.stop()
  }

  @Test func `a backtest replays what was recorded, after a restart too`() async throws {
    let first = try await TestServer()
    try await first.startPlan("ai-summary", #","preset":"sensitive","dry_run":true"#)
    try await report(first, 0..<300) { #""ok":\#($0 < 200 || $0 % 2 == 0),"arm":"treatment""# }
    await first.stop()
    let server = try await TestServer(folder: first.folder, clock: first.clock)
    let strict = try await server.send(
      "POST", "/v1/plans/ai-summary/backtest",
      #"{"guards":[{"metric":"error_rate","max":"5%"}],"preset":"sensitive"}"#)
    #expect(strict.status == 200, "\(strict.text)")
    #expect(strict.json["outcomes"]?.int == 300)
    #expect(try #require(strict.json["alarms"]?.array?.count) >= 1)
    #expect(strict.json["false_alarms"]?.int == 0)
    let lax = try await server.send(
      "POST", "/v1/plans/ai-summary/backtest",
      #"{"guards":[{"metric":"error_rate","max":"60%"},{"metric":"abandon_rate","max":"5%"}]}"#)
    #expect(lax.json["alarms"]?.array?.isEmpty == true)
    #expect(lax.json["not_replayed"]?.array?.compactMap(\.string) == ["abandon_rate"])
    for body in [#"{"guards":[{"metric":"x"}]}"#, #"{"preset":"wild"}"#, #"{"since":"soon"}"#] {
      #expect(
        try await server.send("POST", "/v1/plans/ai-summary/backtest", body).status == 400)
    }
    #expect(try await server.send("POST", "/v1/plans/nope/backtest").status == 404)
    await server.stop()
  }

  @Test func `what cannot be written is said in readyz, and written once it can be`() async throws {
    let first = try await TestServer("budgets: [{name: cap, limit_usd: 5}]")
    try await first.startPlan("ai-summary", #","preset":"sensitive","dry_run":true"#)
    let telemetry = first.application.stores.data.telemetry.database
    try await telemetry.write {
      try $0.execute(
        """
        CREATE TRIGGER fault BEFORE INSERT ON outcome_chunk
        BEGIN
          SELECT RAISE(ABORT, 'the disk is on fire');
        END
        """)
    }
    for round in 0..<3 {
      try await report(first, (round * 100)..<(round * 100 + 100)) { _ in
        #""ok":true,"arm":"treatment""#
      }
      #expect(
        try await first.eventually {
          let ready = try await first.send("GET", "/readyz")
          let warnings = ready.json["warnings"]?.array ?? []
          return ready.status == 200 && ready.json["status"]?.string == "degraded"
            && warnings.count == 1 && warnings[0]["what"]?.string == "telemetry"
            && warnings[0]["detail"]?.string?.contains("on fire") == true
        })
    }
    try await telemetry.write { try $0.execute("DROP TRIGGER fault") }
    #expect(
      try await first.eventually { try await first.send("GET", "/readyz?strict").status == 200 })
    let before = try await health(first)
    await first.stop()
    let server = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(try await health(server) == before)
    let replay = try await server.send("POST", "/v1/plans/ai-summary/backtest", "{}")
    #expect(replay.json["outcomes"]?.int == 300)
    await server.stop()
  }

  @Test func `everything measured survives a restart`() async throws {
    let first = try await TestServer()
    try await first.startPlan()
    try await first.command("advance")
    try await report(first, 0..<90) {
      #""ok":\#($0 % 8 != 0),"latency_ms":\#($0 * 10),"arm":"\#($0 % 3 == 0 ? "control" : "treatment")""#
    }
    let before = try await health(first)
    await first.stop()
    let again = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(try await health(again) == before)
    await again.stop()
  }
}

@Suite struct MetricsTests {
  @Test func `metrics name what the contract names, without user ids`() async throws {
    let server = try await TestServer(
      """
      providers: {echo: {kind: echo}, broken: {kind: echo, failing: 100%}}
      routes: {main: {targets: [{provider: broken, model: a}, {provider: echo, model: b}]}}
      """)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    for _ in 0..<3 {
      _ = try await server.send("GET", "/v1/features/ai-summary/decision?user=secret-user")
    }
    _ = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags/ai-summary", #"{"context":{"targetingKey":"secret-user"}}"#)
    for stream in ["", #","stream":true"#] {
      _ = try await server.send(
        "POST", "/features/ai-summary/v1/chat/completions",
        #"{"messages":[{"role":"user","content":"secret words"}],"user":"secret-user"\#(stream)}"#)
    }
    _ = try await server.send("GET", "/nope")
    // Once the monitor has looked, and before the step back: then there is nothing to score.
    #expect(
      try await server.eventually {
        try await server.send("GET", "/metrics", token: "").text
          .contains(#"rollout_guard_score{feature="ai-summary",guard="error_rate"}"#)
      })
    try await server.command("rollback")
    let answer = try await server.send("GET", "/metrics", token: "")
    #expect(answer.status == 200)
    #expect(answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
    for line in [
      #"rollout_evaluations_total{feature="ai-summary",enabled="true"} 6"#,
      #"rollout_stage_index{feature="ai-summary"} -1"#,
      #"rollout_plan_version{feature="ai-summary"} 3"#,
      #"rollout_requests_total{feature="ai-summary",arm="treatment",outcome="degraded_model"} 2"#,
      #"rollout_request_duration_seconds_count{feature="ai-summary",arm="treatment"} 2"#,
      #"rollout_rollbacks_total{feature="ai-summary",cause="person"} 1"#,
      #"rollout_http_requests_total{route="/v1/features/{feature}/decision",status="200"} 3"#,
      #"rollout_http_requests_total{route="none",status="404"} 1"#,
      #"gen_ai_client_operation_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="broken",gen_ai_request_model="a",error_type="server_error"}"#,
      #"gen_ai_client_token_usage_count{gen_ai_operation_name="chat",gen_ai_provider_name="echo",gen_ai_request_model="b",gen_ai_token_type="output"} 2"#,
      #"gen_ai_client_operation_time_to_first_chunk_seconds_count{gen_ai_operation_name="chat",gen_ai_provider_name="echo",gen_ai_request_model="b"} 1"#,
      "process_resident_memory_bytes", "rollout_outbox_pending 0",
    ] { #expect(answer.text.contains(line), "\(line)\n\(answer.text)") }
    #expect(!answer.text.contains("secret"))
    await server.stop()
  }
}
