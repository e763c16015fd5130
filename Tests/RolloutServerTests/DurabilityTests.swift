import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// Disks that fail, and plans that cannot be read: what is in force, what is refused, what is said.
@Suite struct DurabilityTests {
  private static let fault = "the disk is on fire"

  /// Makes every write of a plan, alert or member fail, as a full disk would.
  private func breakDisk(_ server: TestServer) async throws {
    try await onOpenFile(server) { file in
      for table in ["plan_version", "alert", "cohort_member", "token"] {
        for event in ["INSERT", "DELETE", "UPDATE"] {
          try file.execute(
            """
            CREATE TRIGGER fault_\(table)_\(event) BEFORE \(event) ON \(table)
            BEGIN
              SELECT RAISE(ABORT, '\(Self.fault)');
            END
            """)
        }
      }
    }
  }

  private func mendDisk(_ server: TestServer) async throws {
    try await onOpenFile(server) { file in
      let names = try file.query(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE 'fault%'"
      ) { $0.text(0) }
      for name in names { try file.execute("DROP TRIGGER \(name)") }
    }
  }

  /// Nobody but the server can open the file.
  private func onOpenFile(
    _ server: TestServer, _ work: @escaping @Sendable (Connection) throws -> Void
  ) async throws {
    try await server.application.stores.data.control.database.write(work)
  }

  private func onFile(_ folder: TemporaryFolder, _ work: (Connection) throws -> Void) throws {
    let file = try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
    defer { file.close() }
    try work(file)
  }

  private func send(
    _ server: TestServer, _ command: String, _ body: String = #"{"reason":"smoke"}"#
  ) async throws -> TestServer.Answer {
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    return try await server.send(
      "POST", "/v1/plans/ai-summary/\(command)", body, headers: [("If-Match", "\"\(version)\"")])
  }

  private func isOn(_ server: TestServer, _ feature: String = "ai-summary") async throws -> Bool? {
    try await server.send("GET", "/v1/features/\(feature)/decision?user=anna").json["enabled"]?.bool
  }

  private func warnings(_ server: TestServer) async throws -> [String: String] {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return Dictionary(
      uniqueKeysWithValues: list.map { ($0["what"]?.string ?? "", $0["detail"]?.string ?? "") })
  }

  private func startForAll() async throws -> TestServer {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary",
      #","stages":[{"name":"beta","percent":0},{"name":"half","percent":100},{"name":"all","percent":100}]"#
    )
    try await server.command("advance", "ai-summary", #"{"force":true,"reason":"test"}"#)
    return server
  }

  // MARK: What lowers exposure

  @Test func `a kill that cannot be written is in force at once, said, and written later`()
    async throws
  {
    let server = try await startForAll()
    #expect(try await isOn(server) == true)
    try await breakDisk(server)
    // What gives the feature to more people waits for the disk.
    let advance = try await send(server, "advance", #"{"force":true,"reason":"x"}"#)
    #expect(advance.status == 503)
    let killed = try await send(server, "kill")
    #expect(killed.status == 202, "\(killed.text)")
    #expect(killed.json["durable"]?.bool == false)
    #expect(killed.json["status"]?.string == "killed")
    #expect(try await isOn(server) == false)
    let seen = try await server.send("GET", "/v1/plans/ai-summary")
    #expect(seen.json["durable"]?.bool == false)
    #expect(seen.json["degraded"]?.string?.contains("in memory only") == true)
    let history = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1").json["events"]
    #expect(history?.array?.map { $0["type"]?.string } == ["killed", "advanced"])
    #expect(history?.array?.map { $0["durable"]?.bool } == [false, nil])
    #expect(try await warnings(server)["plan:ai-summary"]?.contains("killed") == true)
    #expect(
      try await server.send("GET", "/metrics").text
        .contains(#"rollout_degraded{what="plan:ai-summary"} 1"#))
    // What is not written yet cannot be built upon.
    #expect(try await send(server, "resume").status == 503)
    try await mendDisk(server)
    #expect(
      try await server.eventually {
        try await server.send("GET", "/readyz?strict").status == 200
      })
    let events = try await server.send("GET", "/v1/plans/ai-summary/events")
    #expect(events.json["events"]?.array?.first?["type"]?.string == "killed")
    #expect(events.json["events"]?.array?.allSatisfy { $0["durable"] == nil } == true)
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["durable"] == nil)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await isOn(again) == false)
    await again.stop()
  }

  @Test func `several steps down are written in their order`() async throws {
    let server = try await startForAll()
    try await breakDisk(server)
    #expect(try await send(server, "pause").status == 202)
    #expect(try await send(server, "rollback").status == 202)
    #expect(try await send(server, "kill").status == 202)
    try await mendDisk(server)
    #expect(
      try await server.eventually { try await server.send("GET", "/readyz?strict").status == 200 })
    let events = try await server.send("GET", "/v1/plans/ai-summary/events")
    let list = events.json["events"]?.array ?? []
    #expect(list.prefix(3).map { $0["type"]?.string } == ["killed", "rolled_back", "paused"])
    #expect(list.map { $0["version"]?.int } == [6, 5, 4, 3, 2, 1])
    await server.stop()
  }

  @Test func `before it is written a restart brings the older state back`() async throws {
    let server = try await startForAll()
    try await breakDisk(server)
    #expect(try await send(server, "kill").status == 202)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await isOn(again) == true)
    await again.stop()
  }

  @Test func `an alert acts although nothing can be written`() async throws {
    let server = try await startForAll()
    try await breakDisk(server)
    let answer = try await server.send(
      "POST", "/v1/alerts", #"{"feature":"ai-summary","action":"rollback","id":"INC-1"}"#)
    #expect(answer.status == 200, "\(answer.text)")
    let result = answer.json["results"]?.array?.first
    #expect(result?["acted"]?.bool == true)
    #expect(result?["durable"]?.bool == false)
    #expect(try await isOn(server) == false)
    // Its repeat is in force, and on no disk either.
    let again = try await server.send(
      "POST", "/v1/alerts", #"{"feature":"ai-summary","action":"rollback","id":"INC-1"}"#)
    #expect(again.status == 200, "\(again.text)")
    let repeated = again.json["results"]?.array?.first
    #expect(repeated?["why"]?.string == "repeat")
    #expect(repeated?["durable"]?.bool == false)
    // What does nothing and cannot be kept is to be sent again.
    let unknown = try await server.send(
      "POST", "/v1/alerts", #"{"feature":"nope","action":"kill","id":"INC-2"}"#)
    #expect(unknown.status == 503)
    try await mendDisk(server)
    #expect(
      try await server.eventually { try await server.send("GET", "/readyz?strict").status == 200 })
    #expect(try await server.stage() == "beta")
    await server.stop()
  }

  @Test func `who leaves a cohort is out, written or not`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    for user in ["anna", "bert"] {
      _ = try await server.send("PUT", "/v1/cohorts/internal/members/\(user)")
    }
    #expect(try await isOn(server) == true)
    try await breakDisk(server)
    let left = try await server.send("DELETE", "/v1/cohorts/internal/members/anna")
    #expect(left.status == 202)
    #expect(try await isOn(server) == false)
    let seen = try await server.send("GET", "/v1/cohorts/internal?limit=1")
    #expect(seen.json["members"]?.array == [.string("bert")])
    #expect(seen.json["durable"]?.bool == false)
    #expect(try await server.send("PUT", "/v1/cohorts/internal/members/bob").status == 503)
    #expect(try await warnings(server)["cohort:internal"] != nil)
    try await mendDisk(server)
    #expect(
      try await server.eventually { try await server.send("GET", "/readyz?strict").status == 200 })
    let members = try await server.send("GET", "/v1/cohorts/internal")
    #expect(members.json["members"]?.array == [.string("bert")])
    #expect(members.json["durable"] == nil)
    await server.stop()
  }

  @Test func `a token that is revoked is useless at once, written or not`() async throws {
    let server = try await TestServer()
    func make(_ name: String) async throws -> (id: String, text: String) {
      let made = try await server.send(
        "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["view"]}"#)
      return (
        try #require(made.json["id"]?.string), try #require(made.json["token"]?.string)
      )
    }
    let leaked = try await make("leaked")
    #expect(try await server.send("GET", "/v1/plans", token: leaked.text).status == 200)
    try await breakDisk(server)
    for _ in 1...2 {
      let answer = try await server.send("DELETE", "/v1/tokens/\(leaked.id)?confirm=leaked")
      #expect(answer.status == 202, "\(answer.text)")
      #expect(answer.json["durable"]?.bool == false)
      #expect(try await server.send("GET", "/v1/plans", token: leaked.text).status == 401)
    }
    let tokens = try await server.send("GET", "/v1/tokens").json["tokens"]?.array ?? []
    #expect(tokens.first { $0["name"]?.string == "leaked" }?["revoked_at"]?.string != nil)
    let watch = server.application.surface.tokenWatch
    await watch.look()
    #expect(try await warnings(server)["tokens"]?.contains("in memory only: leaked") == true)
    // Nobody locks himself out because the file cannot be asked.
    let own = try #require(tokens.first { $0["name"]?.string == "admin" }?["id"]?.string)
    let last = try await server.send("DELETE", "/v1/tokens/\(own)?confirm=admin")
    #expect(last.json["code"]?.string == "last_admin", "\(last.text)")
    #expect(try await server.send("DELETE", "/v1/tokens/nobody").status == 404)
    try await mendDisk(server)
    // Its name is free again, as after any revocation.
    _ = try await make("leaked")
    await watch.look()
    #expect(try await warnings(server)["tokens"] == nil)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await again.send("GET", "/v1/plans", token: leaked.text).status == 401)
    await again.stop()
  }

  // MARK: Truth

  @Test func `a commit that failed and is in the file all the same is found there`() async throws {
    let folder = TemporaryFolder()
    let store = LateFailingStore(try Store(DataDirectory(folder.path), now: Samples.start))
    let controller = try await PlanController(
      planStore: store, cohortStore: MemoryStore(), box: SnapshotBox(),
      clock: ManualClock(), ledger: OutcomeLedger(), observers: [])
    var version = try await controller.apply(
      PlanDefinition(feature: "a"), expecting: nil, actor: .token("anna"), reason: ""
    ).plan.version
    for command in [Command.start, .pause, .resume, .kill] {
      store.fails(commits: 1, reads: 0)
      let done = try await controller.perform(
        command, on: "a", expecting: version, Samples.context())
      version += 1
      #expect(done.plan.version == version)
      #expect(done.stored?.event.version == version)
    }
    // Nobody knows what is on disk, until somebody can read it: then that counts.
    store.fails(commits: 1, reads: 1)
    await #expect(throws: (any Error).self) {
      try await controller.perform(.resume, on: "a", expecting: version, Samples.context())
    }
    #expect(await controller.planIfAny("a")?.status == .killed)
    await controller.repair()
    #expect(await controller.planIfAny("a")?.status == .active)
    let done = try await controller.perform(
      .pause, on: "a", expecting: version + 1, Samples.context())
    #expect(done.isDurable)
    #expect(try await store.loadPlan("a") == .readable(done.plan))
  }

  @Test func `a plan that somebody else has written is loaded again`() async throws {
    let server = try await startForAll()
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    try await onOpenFile(server) { file in
      try file.execute(
        """
        INSERT INTO plan_version
        SELECT feature, version + 1, status, stage,
          replace(body_json, '"version":\(version)', '"version":\(version + 1)'), created_at_ms
        FROM plan_version
        WHERE feature = 'ai-summary' AND version = \(version);
        UPDATE plan SET version = version + 1 WHERE feature = 'ai-summary';
        """)
    }
    let first = try await server.send(
      "POST", "/v1/plans/ai-summary/pause", "{}", headers: [("If-Match", "\"\(version)\"")])
    #expect(first.status == 409)
    #expect(first.code == "stale_version")
    #expect(first.json["plan"]?["version"]?.int == version + 1)
    try await server.command("pause")
    await server.stop()
  }

  @Test func `members are in memory as they are on disk, whoever was first`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<300 {
        let path = "/v1/cohorts/internal/members/u\(number % 100)"
        for method in ["PUT", "DELETE"] {
          group.addTask { _ = try? await server.send(method, path) }
        }
      }
    }
    let answer = try await server.send("GET", "/v1/cohorts/internal?limit=1000")
    let stored = Set(answer.json["members"]?.array?.compactMap(\.string) ?? [])
    for number in 0..<100 {
      let decision = try await server.send(
        "GET", "/v1/features/ai-summary/decision?user=u\(number)")
      #expect(decision.json["enabled"]?.bool == stored.contains("u\(number)"), "u\(number)")
    }
    await server.stop()
  }

  // MARK: Plans that cannot be read

  @Test func `whatever is accepted can be read after a restart`() async throws {
    let server = try await TestServer()
    let spans = ["0.333d", "500ms", "1.001w", "9999999w", "0.123h", "999999999ms"]
    for (index, span) in spans.enumerated() {
      let answer = try await server.send(
        "PUT", "/v1/plans/f\(index)",
        """
        {"feature":"f\(index)","stages":[{"name":"s","percent":"0.001%","soak":"\(span)"}],
        "rollback":{"cooldown":"\(span)"},
        "guards":[{"metric":"latency_p99","max":"1.337h","sustain":"\(span)"}]}
        """)
      #expect(answer.status == 201, "\(answer.text)")
    }
    let before = try await server.send("GET", "/v1/plans").json
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await again.send("GET", "/v1/plans").json == before)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    await again.stop()
  }

  /// A server on data whose plan `ai-summary` is at version 3 (killed by a stranger's hand).
  private func startUnreadable(_ body: String) async throws -> TestServer {
    let server = try await TestServer()
    try await server.startPlan()
    try await server.startPlan("other", #","stages":[{"name":"all","percent":100}]"#)
    await server.stop()
    try onFile(server.folder) { file in
      try file.run(
        """
        INSERT INTO plan_version
        SELECT feature, 3, 'active', 'beta', :body, created_at_ms
        FROM plan_version
        WHERE feature = 'ai-summary' AND version = 2
        """, ["body": .text(body)])
      try file.execute("UPDATE plan SET version = 3 WHERE feature = 'ai-summary'")
    }
    return try await TestServer(folder: server.folder, clock: server.clock)
  }

  @Test(arguments: [
    "{}", "{\"definition\":", "[]", #"{"definition":{"feature":"other"},"version":3}"#,
  ])
  func `a stored plan that cannot be read is one degraded feature`(body: String) async throws {
    let server = try await startUnreadable(body)
    #expect(try await isOn(server, "other") == true)
    #expect(try await isOn(server) == false)
    let ready = try await server.send("GET", "/readyz")
    #expect(ready.status == 200)
    #expect(try await warnings(server)["plan:ai-summary"]?.contains("cannot be read") == true)
    #expect(
      try await server.send("GET", "/metrics").text
        .contains(#"rollout_degraded{what="plan:ai-summary"} 1"#))
    let view = try await server.send("GET", "/v1/plans/ai-summary")
    #expect(view.json["version"]?.int == 3)
    #expect(view.json["status"]?.string == "killed")
    #expect(view.json["degraded"]?.string?.contains("If-Match \"3\"") == true)
    // What is there cannot be gone on with.
    #expect(try await send(server, "resume").status == 422)
    await server.stop()
  }

  @Test func `a fresh definition takes the place of one that cannot be read`() async throws {
    let server = try await startUnreadable("{}")
    let fresh = #"{"feature":"ai-summary","salt":"new","stages":[{"name":"beta","percent":100}]}"#
    #expect(try await server.send("PUT", "/v1/plans/ai-summary", fresh).status == 428)
    #expect(
      try await server.send("PUT", "/v1/plans/ai-summary?dry_run=true", fresh).status == 200)
    let put = try await server.send(
      "PUT", "/v1/plans/ai-summary", fresh, headers: [("If-Match", "\"3\"")])
    #expect(put.status == 200, "\(put.text)")
    #expect(put.json["version"]?.int == 4)
    // Nobody is served before a person says so; then at the stage it had.
    #expect(put.json["status"]?.string == "killed")
    #expect(try await server.send("GET", "/readyz?strict").status == 200)
    let resumed = try await send(server, "resume")
    #expect(resumed.json["stage"]?.string == "beta")
    #expect(try await isOn(server) == true)
    await server.stop()
  }

  @Test func `what cannot be read can be killed for good`() async throws {
    let server = try await startUnreadable("[1]")
    let killed = try await send(server, "kill")
    #expect(killed.status == 200, "\(killed.text)")
    #expect(killed.json["version"]?.int == 4)
    #expect(try await server.send("GET", "/readyz?strict").status == 200)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    #expect(
      try await again.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "killed")
    await again.stop()
  }

  @Test func `a plan whose version is missing is one degraded feature, and can be replaced`()
    async throws
  {
    let first = try await TestServer()
    try await first.startPlan()
    await first.stop()
    try onFile(first.folder) { try $0.execute("UPDATE plan SET version = 99") }
    let server = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(try await isOn(server) == false)
    #expect(
      try await warnings(server)["plan:ai-summary"]?.contains("not in the database") == true)
    #expect(
      try await server.send("GET", "/v1/plans").json["plans"]?.array?.first?["version"]?.int == 99)
    let put = try await server.send(
      "PUT", "/v1/plans/ai-summary", #"{"feature":"ai-summary"}"#,
      headers: [("If-Match", "\"99\"")])
    #expect(put.status == 200 && put.json["version"]?.int == 100, "\(put.text)")
    #expect(put.json["status"]?.string == "killed")
    #expect(try await send(server, "resume").status == 200)
    await server.stop()
    let again = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    #expect(try await again.send("GET", "/v1/plans/ai-summary").json["version"]?.int == 101)
    await again.stop()
  }

  @Test func `a plan without its row is at the last version there is`() async throws {
    let first = try await TestServer()
    try await first.startPlan()
    await first.stop()
    try onFile(first.folder) { try $0.execute("PRAGMA foreign_keys = OFF; DELETE FROM plan") }
    let server = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(
      try await server.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "active")
    try await server.command("pause")
    await server.stop()
    let again = try await TestServer(folder: first.folder, clock: first.clock)
    #expect(try await again.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "paused")
    await again.stop()
  }
}
