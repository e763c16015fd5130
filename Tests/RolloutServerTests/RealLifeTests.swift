import DocumentKit
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutServer

/// What went wrong in real life, each by a whole server.
@Suite struct RealLifeTests {
  private let upstream = ScriptedUpstream()

  private func report(_ server: TestServer, _ outcomes: [String]) async throws -> Document {
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(outcomes.joined(separator: ","))]}"#)
    try #require(answer.status == 202, "\(answer.text)")
    return answer.json
  }

  private func firstGuard(_ server: TestServer, _ feature: String = "f") async throws -> Document {
    let health = try await server.send("GET", "/v1/plans/\(feature)/health").json
    return try #require(health["guards"]?.array?.first)
  }

  private static let errorsOnly = #""guards":[{"metric":"error_rate","max":"5%"}]"#

  @Test func `half of a short list is evidence enough, and a version yet to come is refused`()
    async throws
  {
    let server = try await TestServer(looks: false)
    try await server.startPlan(
      "f",
      #","stages":[{"name":"few","cohort":"few"},{"name":"all","percent":100}],\#(Self.errorsOnly)"#
    )
    let added = try await server.send(
      "POST", "/v1/cohorts/few/members", #"["ann","bob","cy","di"]"#,
      headers: [("Content-Type", "application/json")])
    #expect(added.status == 200, "\(added.text)")
    func waits(_ users: [String]) async throws -> [String] {
      _ = try await report(
        server,
        (0..<200).map { #"{"feature":"f","ok":true,"user":"\#(users[$0 % users.count])"}"# })
      let plan = try await server.send("GET", "/v1/plans/f").json
      return (plan["next"]?["waiting_on"]?.array ?? []).compactMap(\.string)
    }
    #expect(
      try await waits(["ann"]) == [
        "healthy evidence: the requests are those of 1 person; half of the 4 on the list are needed"
      ])
    #expect(try await waits(["ann", "bob"]).isEmpty)
    let refused = try await report(
      server, [#"{"feature":"f","ok":true,"user":"ann","plan_version":77}"#])
    #expect(
      refused["rejected"]?.array?.first?["error"]?.string?.contains("no version 77") == true,
      "\(refused)")
    await server.stop()
  }

  @Test func `AI calls that began before a person's step back are not the stage's fault`()
    async throws
  {
    upstream.always(.wait(milliseconds: 700), .answer(500, "{}"))
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)", probe: off}}
      routes: {main: {targets: [{provider: main, model: m}]}}
      """, looks: false)
    try await server.startPlan(
      "f",
      #","route":"main","preset":"sensitive","stages":[{"name":"few","percent":100},"#
        + #"{"name":"all","percent":100}],\#(Self.errorsOnly)"#)
    try await server.command("advance", "f")
    server.clock.advance(.seconds(1))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for user in 0..<12 {
        group.addTask {
          _ = try await server.send(
            "POST", "/v1/features/f/complete", #"{"user":"u\#(user)","prompt":"hi"}"#)
        }
      }
      // All of them are with the provider when a person steps back.
      #expect(try await server.eventually { upstream.requests.count >= 12 })
      server.clock.advance(.seconds(1))
      try await server.command("rollback", "f")
      server.clock.advance(.seconds(12))
      try await group.waitForAll()
    }
    await server.application.surface.monitor.look()
    #expect(try await server.stage("f") == "few")
    let errors = try await firstGuard(server)
    #expect(errors["requests"]?.int == 0 && errors["state"]?.string == "inconclusive", "\(errors)")
    // What begins in it is.
    for user in 0..<12 {
      _ = try await server.send(
        "POST", "/v1/features/f/complete", #"{"user":"v\#(user)","prompt":"hi"}"#)
    }
    await server.application.surface.monitor.look()
    #expect(try await server.stage("f") == "off")
    await server.stop()
  }

  @Test func `a feature that was rolled back to off vouches for no outage of another`()
    async throws
  {
    // The provider answers what is neutral: only a witness could excuse a feature.
    upstream.always { $0.contains("Reply with OK.") ? [.chat("OK")] : [.answer(500, "{}")] }
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {targets: [{provider: main, model: m}]}}
      """)
    for feature in ["yesterday", "today"] {
      try await server.startPlan(
        feature,
        #","route":"main","preset":"sensitive","stages":[{"name":"all","percent":100}],"#
          + Self.errorsOnly)
    }
    for feature in ["yesterday", "today"] {
      for user in 0..<12 {
        _ = try await server.send(
          "POST", "/v1/features/\(feature)/complete", #"{"user":"u\#(user)","prompt":"hi"}"#)
      }
      #expect(
        try await server.eventually { try await server.stage(feature) == "off" }, "\(feature)")
      let events = try await server.send("GET", "/v1/plans/\(feature)/events").json["events"]
      #expect(events?.array?.contains { $0["type"]?.string == "held" } == false, "\(feature)")
      server.clock.advance(.hours(20))
    }
    await server.stop()
  }

  @Test func `nobody completes a plan whose guard fires`() async throws {
    let server = try await TestServer(looks: false)
    try await server.startPlan(
      "f", #","preset":"calm","stages":[{"name":"all","percent":100}],\#(Self.errorsOnly)"#)
    _ = try await report(
      server, (0..<400).map { #"{"feature":"f","ok":false,"user":"u\#($0)"}"# })
    let version = try await server.send("GET", "/v1/plans/f").json["version"]?.int ?? 0
    let refused = try await server.send(
      "POST", "/v1/plans/f/complete", #"{"reason":"it is done"}"#,
      headers: [("If-Match", "\"\(version)\"")])
    #expect(refused.status == 409, "\(refused.text)")
    #expect(refused.json["code"]?.string == "gate_closed", "\(refused.text)")
    await server.stop()
  }

  @Test func `empty ids are none, and times in seconds are refused with what they look like`()
    async throws
  {
    let server = try await TestServer(looks: false)
    try await server.startPlan(
      "f", #","stages":[{"name":"all","percent":100}],\#(Self.errorsOnly)"#)
    let answer = try await report(
      server,
      (0..<300).map { #"{"feature":"f","user":"u\#($0)","ok":\#($0 % 10 != 0),"id":""}"# })
    #expect(answer["accepted"]?.int == 300)
    let errors = try await firstGuard(server)
    #expect(errors["requests"]?.int == 300 && errors["errors"]?.int == 30, "\(errors)")
    for _ in 0..<3 {
      let vote = try await server.send(
        "POST", "/v1/feedback",
        #"{"feature":"f","user":"","kind":"thumbs_up","request_id":""}"#)
      #expect(vote.status == 202)
    }
    let health = try await server.send("GET", "/v1/plans/f/health").json
    #expect(health["arms"]?["treatment"]?["feedback"]?["thumbs_up"]?.int == 3)
    let seconds = server.clock.now.milliseconds / 1000
    for key in ["at", "started_at"] {
      let late = try await report(
        server, [#"{"feature":"f","user":"a","ok":true,"\#(key)":\#(seconds)}"#])
      let rejected = late["rejected"]?.array?.first
      #expect(late["accepted"]?.int == 0 && rejected?["index"]?.int == 0)
      #expect(rejected?["error"]?.string?.contains("is it in seconds?") == true, "\(late)")
    }
    await server.stop()
  }

  @Test(
    arguments: [
      #""eligible":[{"attribute":"plan","equals":"pro"}],"stages":[{"name":"all","percent":100}]"#,
      #""stages":[{"name":"all","rules":[{"attribute":"plan","equals":"pro"}]}]"#,
    ])
  func `where rules decide, attributes say whose an outcome is, and without them nobody's`(
    members: String
  ) async throws {
    let server = try await TestServer(looks: false)
    try await server.startPlan("f", #","preset":"sensitive",\#(members),\#(Self.errorsOnly)"#)
    let nobodys = try await report(
      server, (0..<100).map { #"{"feature":"f","user":"n\#($0)","ok":false}"# })
    #expect(nobodys["unattributed"]?.int == 100, "\(nobodys)")
    #expect(nobodys["hint"]?.string?.contains("plan") == true, "\(nobodys)")
    let unknown = try await firstGuard(server)
    #expect(unknown["state"]?.string == "unavailable", "\(unknown)")
    await server.application.surface.monitor.look()
    #expect(try await server.stage("f") == "all")
    let others = try await report(
      server,
      (0..<100).map {
        #"{"feature":"f","user":"c\#($0)","ok":true,"attributes":{"plan":"free"}}"#
      })
    #expect(others["unattributed"] == nil)
    let theirs = try await report(
      server,
      (0..<500).map {
        #"{"feature":"f","user":"t\#($0)","ok":false,"attributes":{"plan":"pro"}}"#
      })
    #expect(theirs["unattributed"] == nil)
    let arms = try await server.send("GET", "/v1/plans/f/health").json["arms"]
    #expect(arms?["treatment"]?["failed"]?.int == 500 && arms?["control"]?["requests"]?.int == 100)
    await server.application.surface.monitor.look()
    #expect(try await server.stage("f") == "off")
    await server.stop()
  }

  @Test func `400 failures of 600 requests are no evidence of health, whoever's they are`()
    async throws
  {
    let server = try await TestServer(looks: false)
    try await server.startPlan(
      "f",
      #","advance":"automatic","stages":[{"name":"a","percent":100,"soak":"0s"},"#
        + #"{"name":"b","percent":100},{"name":"c","percent":100}],\#(Self.errorsOnly)"#)
    // Each of three people fails twice and succeeds once, in a row: as runs they are few errors.
    _ = try await report(
      server,
      (0..<600).map {
        #"{"feature":"f","user":"u\#($0 % 3)","ok":\#($0 / 3 % 3 == 2),"arm":"treatment"}"#
      })
    await server.application.surface.monitor.look()
    #expect(try await server.stage("f") == "a")
    let errors = try await firstGuard(server)
    #expect(try #require(errors["healthy_evidence"]?.double) < 1, "\(errors)")
    let next = try await server.send("GET", "/v1/plans/f").json["next"]
    #expect(next?["ready"]?.bool == false)
    await server.stop()
  }

  @Test func `a plan says how its feature does, and what fires and only tells`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "f",
      #","preset":"sensitive","stages":[{"name":"a","percent":100},{"name":"b","percent":100}],"#
        + #""guards":[{"metric":"error_rate","max":"5%"},"#
        + #"{"metric":"cost_per_request","max":"$0.01","action":"notify"}]"#)
    func health() async throws -> [String?] {
      let shown = try await server.send("GET", "/v1/plans/f").json["health"]
      let listed = try await server.send("GET", "/v1/plans").json["plans"]?.array?.first?["health"]
      #expect(shown == listed)
      return [shown?["verdict"]?.string, shown?["words"]?.string]
    }
    #expect(try await health() == ["inconclusive", "gathering"])
    _ = try await report(
      server, (0..<120).map { #"{"feature":"f","user":"u\#($0)","ok":true,"cost_usd":0.05}"# })
    #expect(try await health() == ["failing", "over a limit (only told)"])
    let told = try await server.send("GET", "/v1/plans/f").json
    #expect(told["next"]?["ready"]?.bool == true)
    #expect(told["health"]?["sentence"]?.string?.contains("cost $0.05 on average") == true)
    // The kept answer of a command says the same of the version that it made.
    let paused = try await server.send(
      "POST", "/v1/plans/f/pause", "{}",
      headers: [("If-Match", "\"2\""), ("Idempotency-Key", "p")])
    #expect(paused.json["health"]?["words"]?.string == "over a limit (only told)", "\(paused.text)")
    _ = try await report(
      server, (200..<300).map { #"{"feature":"f","user":"u\#($0)","ok":false,"cost_usd":0.05}"# })
    #expect(try await server.eventually { try await server.stage("f") == "off" })
    #expect(try await health() == ["not_serving", "off"])
    await server.stop()
  }

  @Test func `what is healthy by evidence advances without a reason`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "f",
      #","stages":[{"name":"a","percent":100},{"name":"b","percent":100},"#
        + #"{"name":"c","percent":100}],"guards":[{"metric":"error_rate","max":"5%"}]"#)
    _ = try await report(server, (0..<80).map { #"{"feature":"f","user":"u\#($0)","ok":true}"# })
    #expect(try await server.send("GET", "/v1/plans/f").json["next"]?["ready"]?.bool == true)
    let advanced = try await server.send(
      "POST", "/v1/plans/f/advance", "{}", headers: [("If-Match", "\"2\"")])
    #expect(advanced.status == 200 && advanced.json["warnings"] == nil, "\(advanced.text)")
    // Of the new stage nothing is known again.
    let again = try await server.send(
      "POST", "/v1/plans/f/advance", "", headers: [("If-Match", "\"3\"")])
    #expect(again.code == "gate_closed", "\(again.text)")
    await server.stop()
  }

  @Test func `a change by a person has its line in the log, the monitor's own has another`() {
    let lines = Mutex<[String]>([])
    let log = Log(clock: ManualClock()) { line in lines.withLock { $0.append(line) } }
    let plan = Samples.plan(atStage: 1)
    for actor in [Actor.token("anna"), .monitor, .alert("HighErrors")] {
      let event = PlanEvent(
        feature: "f", version: 7, at: Samples.start, kind: .rolledBack, actor: actor,
        reason: "odd answers", from: nil, to: .init(plan), evidence: nil)
      log.hear(StoredEvent(id: 1, event: event))
    }
    let all = lines.withLock { $0 }
    #expect(all.count == 2, "\(all)")
    for (line, actor) in zip(all, ["token:anna", "alert:HighErrors"]) {
      for part in [
        #""feature":"f""#, #""version":"7""#, #""what":"rolled_back""#, #""by":"\#(actor)""#,
        #""why":"odd answers""#,
      ] { #expect(line.contains(part), "\(line)") }
    }
  }
}
