import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct PlanAPITests {
  @Test func `a new plan is 201, a change needs If-Match, the same again is no version`()
    async throws
  {
    let server = try await TestServer()
    let plan = #"{"feature":"x","description":"a"}"#
    let created = try await server.send("PUT", "/v1/plans/x", plan)
    #expect(created.status == 201)
    #expect(created.header("etag") == "\"1\"")
    #expect(created.json["status"]?.string == "draft")
    #expect(created.json["hold"]?.isNull == true)
    let missing = try await server.send("PUT", "/v1/plans/x", plan)
    #expect(missing.status == 428)
    #expect(missing.code == "version_required")
    let exists = try await server.send(
      "PUT", "/v1/plans/x", plan, headers: [("If-None-Match", "*")])
    #expect(exists.status == 409)
    for (tag, status) in [("\"1\"", 200), ("1", 400), ("*", 400), ("\"0\"", 400), ("\"7\"", 409)] {
      let answer = try await server.send("PUT", "/v1/plans/x", plan, headers: [("If-Match", tag)])
      #expect(answer.status == status, "\(tag)")
      if status == 200 { #expect(answer.json["version"]?.int == 1) }
    }
    let changed = try await server.send(
      "PUT", "/v1/plans/x", #"{"feature":"x","description":"b"}"#, headers: [("If-Match", "\"1\"")])
    #expect(changed.json["version"]?.int == 2)
    await server.stop()
  }

  @Test func `a stale command changes nothing and shows the plan as it is`() async throws {
    let server = try await TestServer()
    let version = try await server.startPlan()
    try await server.command("advance")
    let stale = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", "{}", headers: [("If-Match", "\"\(version)\"")])
    #expect(stale.status == 409)
    #expect(stale.code == "stale_version")
    #expect(stale.json["plan"]?["version"]?.int == version + 1)
    #expect(try await server.stage() == "beta")
    await server.stop()
  }

  @Test func `two people at once: one wins, the other is told, history has one change`()
    async throws
  {
    let server = try await TestServer()
    var version = try await server.startPlan()
    for _ in 0..<30 {
      let current = version
      let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
        for command in ["advance", "rollback", "pause"] {
          group.addTask {
            try await server.send(
              "POST", "/v1/plans/ai-summary/\(command)", #"{"reason":"race"}"#,
              headers: [("If-Match", "\"\(current)\"")]
            ).status
          }
        }
        return try await group.reduce(into: [Int]()) { $0.append($1) }
      }
      #expect(statuses.filter { $0 == 200 }.count <= 1)
      #expect(statuses.allSatisfy { [200, 409, 422].contains($0) })
      let plan = try await server.send("GET", "/v1/plans/ai-summary")
      let now = try #require(plan.json["version"]?.int)
      #expect(now == current + statuses.filter { $0 == 200 }.count)
      version = now
      if plan.json["status"]?.string == "paused" { version = try await server.command("resume") }
    }
    let events = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1000")
    let versions = try #require(events.json["events"]?.array).compactMap { $0["version"]?.int }
    #expect(versions == Array((1...version).reversed()))
    await server.stop()
  }

  @Test func `an idempotency key is carried out once`() async throws {
    let server = try await TestServer()
    let version = try await server.startPlan()
    func advance(_ body: String) async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/v1/plans/ai-summary/advance", body,
        headers: [("If-Match", "\"\(version)\""), ("Idempotency-Key", "k1")])
    }
    let first = try await advance(#"{"reason":"a"}"#)
    let second = try await advance(#"{"reason":"a"}"#)
    #expect(first.status == 200)
    #expect(second.status == 200)
    #expect(second.body == first.body)
    #expect(second.header("etag") == first.header("etag"))
    #expect(first.header("etag") == "\"\(version + 1)\"")
    #expect(try await advance(#"{"reason":"b"}"#).code == "idempotency_key_reused")
    #expect(try await server.stage() == "beta")
    await server.stop()
  }

  @Test func `the same command twenty times at once is one, and all get its answer`() async throws {
    let server = try await TestServer()
    var version = try await server.startPlan()
    for command in ["pause", "resume", "pause"] {
      let present = version
      let answers = try await withThrowingTaskGroup(of: TestServer.Answer.self) { group in
        for _ in 0..<20 {
          group.addTask {
            try await server.send(
              "POST", "/v1/plans/ai-summary/\(command)", #"{"reason":"same"}"#,
              headers: [("If-Match", "\"\(present)\""), ("Idempotency-Key", "k\(present)")])
          }
        }
        return try await group.reduce(into: []) { $0.append($1) }
      }
      #expect(Set(answers.map(\.status)) == [200])
      #expect(Set(answers.map(\.body)).count == 1)
      #expect(Set(answers.map { $0.header("etag") }) == ["\"\(present + 1)\""])
      version += 1
    }
    // With one key and another request only one is carried out.
    let statuses = try await withThrowingTaskGroup(of: String.self) { group in
      for index in 0..<8 {
        group.addTask { [version] in
          let answer = try await server.send(
            "POST", "/v1/plans/ai-summary/resume", #"{"reason":"\#(index)"}"#,
            headers: [("If-Match", "\"\(version)\""), ("Idempotency-Key", "other")])
          return answer.code ?? "\(answer.status)"
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(statuses.count { $0 == "200" } == 1)
    #expect(statuses.count { $0 == "idempotency_key_reused" } == 7)
    await server.stop()
  }

  @Test func `everything is as it was after a restart`() async throws {
    let folder = TemporaryFolder()
    let clock = ManualClock()
    let server = try await TestServer(folder: folder, clock: clock)
    try await server.startPlan()
    try await server.command("advance", "ai-summary", #"{"reason":"looks good"}"#)
    _ = try await server.send("PUT", "/v1/cohorts/beta/members/anna%40acme.com")
    let plan = try await server.send("GET", "/v1/plans/ai-summary")
    let events = try await server.send("GET", "/v1/plans/ai-summary/events")
    let token = server.adminToken
    await server.stop()
    let again = try await TestServer(folder: folder, clock: clock)
    #expect(again.adminToken == token)
    #expect(try await again.send("GET", "/v1/plans/ai-summary").body == plan.body)
    #expect(try await again.send("GET", "/v1/plans/ai-summary/events").body == events.body)
    let decision = try await again.send(
      "GET", "/v1/features/ai-summary/decision?user=anna@acme.com&explain=1")
    #expect(decision.json["enabled"]?.bool == true)
    #expect(decision.json["because"]?.string?.contains("cohort beta") == true)
    await again.stop()
  }

  @Test func `a dry run changes nothing and counts who would join`() async throws {
    let server = try await TestServer()
    try await server.startPlan("x", #","stages":[{"name":"a","percent":10}]"#)
    let diff = try await server.send(
      "PUT", "/v1/plans/x?dry_run=true", #"{"feature":"x","stages":[{"name":"a","percent":30}]}"#)
    #expect(diff.status == 200)
    #expect(diff.json["joins_per_100000"]?.int == 20_000)
    #expect(diff.json["changes"]?.array?.first?["path"]?.string == "stages[0].percent")
    let preview = try await server.send("GET", "/v1/plans/x/preview?stage=a")
    #expect(preview.json["served_per_100000"]?.int == 10_000)
    #expect(try await server.send("GET", "/v1/plans/x").json["version"]?.int == 2)
    await server.stop()
  }

  @Test func `bad plans, commands and cohorts are refused with what to do`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let v2 = [(name: "If-Match", value: "\"2\"")]
    let plan = "/v1/plans/ai-summary"
    let cases: [(String, String, String, [(name: String, value: String)], Int, String)] = [
      ("PUT", "/v1/plans/y", #"{"feature":"z"}"#, [], 400, "invalid_plan"),
      ("PUT", "/v1/plans/y", #"{"feature":"y","stagess":[]}"#, [], 400, "invalid_plan"),
      ("PUT", "/v1/plans/y", #"{"feature":"y","route":"nowhere"}"#, [], 400, "invalid_plan"),
      ("PUT", "/v1/plans/y", #"{"feature":"y","feature":"y"}"#, [], 400, "invalid_plan"),
      (
        "PUT", "/v1/plans/y",
        #"{"feature":"y","stages":[{"name":"a","percent":9},{"name":"b","percent":3}]}"#, [], 400,
        "invalid_plan"
      ),
      ("POST", "\(plan)/advance", "{}", [], 428, "version_required"),
      ("POST", "\(plan)/advance", #"{"why":"x"}"#, v2, 400, "bad_request"),
      ("POST", "\(plan)/advance", #"{"to":"50"}"#, v2, 409, "unexpected_stage"),
      ("POST", "\(plan)/advance", #"{"force":true}"#, v2, 422, "reason_required"),
      ("POST", "\(plan)/start", "{}", v2, 422, "invalid_transition"),
      ("POST", "\(plan)/launch", "{}", v2, 404, "not_found"),
      ("GET", "\(plan)?x=1", "", [], 400, "bad_request"),
      ("GET", "\(plan)/events?limit=0", "", [], 400, "bad_request"),
      ("GET", "/v1/plans/none", "", [], 404, "not_found"),
      ("PUT", "/v1/cohorts/a%20b/members/u", "", [], 400, "bad_request"),
      (
        "PUT", "/v1/cohorts/beta/members/\(String(repeating: "u", count: 600))", "", [], 400,
        "bad_request"
      ),
      ("POST", "/v1/cohorts/beta/members", "a", [], 415, "unsupported_media_type"),
      ("POST", "/v1/tokens", #"{"name":"x","scopes":["root"]}"#, [], 400, "bad_request"),
      ("DELETE", "/v1/tokens/none", "", [], 404, "not_found"),
    ]
    for (method, path, body, headers, status, code) in cases {
      let answer = try await server.send(method, path, body, headers: headers)
      #expect(answer.status == status, "\(method) \(path.prefix(60)) \(body): \(answer.text)")
      #expect(answer.code == code, "\(method) \(path.prefix(60)) \(body)")
    }
    #expect(try await server.stage() == "internal")
    await server.stop()
  }

  @Test func `cohorts grow by one, in bulk, and shrink`() async throws {
    let server = try await TestServer()
    let csv = try await server.send(
      "POST", "/v1/cohorts/beta/members?create=true", "user,since\nanna,2020\n\"b,ob\",2021\n",
      headers: [("Content-Type", "text/csv")])
    #expect(csv.json["added"]?.int == 2)
    let lines = try await server.send(
      "POST", "/v1/cohorts/beta/members", "\"carl\"\n{\"user\":\"dora\"}\n",
      headers: [("Content-Type", "application/x-ndjson")])
    #expect(lines.json["added"]?.int == 2)
    #expect(try await server.send("DELETE", "/v1/cohorts/beta/members/anna").status == 204)
    #expect(try await server.send("DELETE", "/v1/cohorts/beta/members/anna").status == 204)
    let list = try await server.send("GET", "/v1/cohorts/beta?limit=2")
    #expect(list.json["members"] == .array([.string("b,ob"), .string("carl")]))
    let rest = try await server.send("GET", "/v1/cohorts/beta?after=carl")
    #expect(rest.json["members"] == .array([.string("dora")]))
    await server.stop()
  }

  @Test func `a cohort that nobody knows is not an empty one`() async throws {
    let server = try await TestServer()
    let unknown = try await server.send("GET", "/v1/cohorts/nope")
    #expect(unknown.status == 404 && unknown.code == "not_found")
    #expect(unknown.json["detail"]?.string?.contains("rollout cohort list") == true)
    try await server.startPlan("f", #","stages":[{"name":"in","cohort":"testers"}]"#)
    let near = try await server.send("GET", "/v1/cohorts/tester")
    #expect(near.status == 404 && near.text.contains("Did you mean testers?"), "\(near.text)")
    // One that a plan uses may be empty.
    let empty = try await server.send("GET", "/v1/cohorts/testers")
    #expect(empty.status == 200 && empty.json["members"] == .array([]))
    await server.stop()
  }
}
