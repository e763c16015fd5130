import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct JobTests {
  private let upstream = ScriptedUpstream()
  private let path = "/v1/features/ai-summary/jobs"

  private func start(
    _ more: String = "", folder: TemporaryFolder = TemporaryFolder(),
    clock: ManualClock = ManualClock()
  ) async throws -> TestServer {
    try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {deadline: 3s, targets: [{provider: main, model: m}]}}
      \(more)
      """, folder: folder, clock: clock)
  }

  private func plan(_ server: TestServer, _ more: String = "") async throws {
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]\#(more)"#)
  }

  private func submit(
    _ server: TestServer, _ user: String = "anna", _ more: String = "",
    headers: [(name: String, value: String)] = []
  ) async throws -> TestServer.Answer {
    try await server.send(
      "POST", path, #"{"user":"\#(user)","prompt":"hi"\#(more)}"#, headers: headers)
  }

  private func status(_ server: TestServer, _ id: String) async throws -> String? {
    try await server.send("GET", "/v1/jobs/\(id)").json["status"]?.string
  }

  private func id(_ answer: TestServer.Answer) throws -> String {
    try #require(answer.json["job_id"]?.string, "\(answer.text)")
  }

  @Test(arguments: ["revoked", "expired"])
  func `a job whose token has ended before it is begun is not processed`(how: String) async throws {
    let server = try await start("jobs: {concurrency: 1}")
    try await plan(server)
    upstream.next(.wait(milliseconds: 1500), .chat("first"))
    upstream.always(.chat("never"))
    let first = try id(try await submit(server, "anna"))
    #expect(try await server.eventually { upstream.requests.count == 1 })
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"app","scopes":["evaluate"],"expires_in":"1h"}"#
    ).json
    let waiting = try id(
      try await server.send(
        "POST", path, #"{"user":"bob","prompt":"hi"}"#, token: made["token"]?.string))
    if how == "revoked" {
      let token = try #require(made["id"]?.string)
      #expect(try await server.send("DELETE", "/v1/tokens/\(token)?confirm=app").status == 204)
    } else {
      server.clock.step(milliseconds: 7_200_000)
    }
    #expect(try await server.eventually { try await status(server, waiting) == "failed" })
    let job = try await server.send("GET", "/v1/jobs/\(waiting)").json
    #expect(job["error"]?["code"]?.string == "unauthorized")
    #expect(job["error"]?["detail"]?.string?.contains("revoked or had expired") == true)
    #expect(try await status(server, first) == "succeeded")
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `a job is accepted, processed, and its answer kept`() async throws {
    upstream.always(.chat("done"))
    let server = try await start()
    try await plan(server)
    let accepted = try await submit(server)
    #expect(accepted.status == 202)
    #expect(accepted.json["status"]?.string == "queued")
    let id = try id(accepted)
    #expect(accepted.header("location") == "/v1/jobs/\(id)")
    #expect(try await server.eventually { try await status(server, id) == "succeeded" })
    let job = try await server.send("GET", "/v1/jobs/\(id)").json
    #expect(job["result"]?["content"]?.string == "done")
    #expect(job["result"]?["served_by"]?.string == "provider")
    #expect(job["attempts"]?.int == 1)
    #expect(job["error"] == nil)
    let metrics = try await server.send("GET", "/metrics").text
    #expect(metrics.contains(#"rollout_jobs{status="succeeded"} 1"#))
    await server.stop()
  }

  @Test func `what cannot be processed is refused at once`() async throws {
    let server = try await start()
    try await plan(server)
    for body in [
      "{}", #"{"prompt":1}"#, #"{"prompt":"a","messages":[]}"#, #"{"prompt":"a","expires_in":5}"#,
      #"{"prompt":"a","expires_in":"8d"}"#, #"{"prompt":"a","what":1}"#, "[]", "{",
    ] {
      #expect(try await server.send("POST", path, body).status == 400, "\(body)")
    }
    #expect(try await server.send("POST", "/v1/features/x/jobs", #"{"prompt":"a"}"#).status == 404)
    #expect(try await server.send("GET", "/v1/jobs/job_x").status == 404)
    #expect(try await server.send("DELETE", "/v1/jobs/job_x").status == 404)
    await server.stop()
  }

  @Test func `the same key makes one job, another request with it is refused`() async throws {
    upstream.always(.chat("done"))
    let server = try await start()
    try await plan(server)
    let key = [(name: "Idempotency-Key", value: "k1")]
    let first = try id(try await submit(server, headers: key))
    #expect(try id(try await submit(server, headers: key)) == first)
    let other = try await submit(server, "bob", headers: key)
    #expect(other.status == 422)
    #expect(other.code == "idempotency_key_reused")
    #expect(try await server.eventually { try await status(server, first) == "succeeded" })
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `many at once with one key make one job`() async throws {
    upstream.always(.chat("done"))
    let server = try await start()
    try await plan(server)
    let ids = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<20 {
        group.addTask {
          try id(try await submit(server, headers: [(name: "Idempotency-Key", value: "k")]))
        }
      }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(ids.count == 1)
    let job = try #require(ids.first)
    #expect(try await server.eventually { try await status(server, job) == "succeeded" })
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `users take turns, the position says when, and a queued job can be cancelled`()
    async throws
  {
    upstream.next(.wait(milliseconds: 600), .chat("slow"))
    upstream.always(.chat("done"))
    let server = try await start("jobs: {concurrency: 1}")
    try await plan(server)
    let first = try id(try await submit(server, "greedy"))
    #expect(try await server.eventually { upstream.requests.count == 1 })
    let second = try id(try await submit(server, "greedy"))
    let third = try id(try await submit(server, "greedy"))
    let anna = try await submit(server, "anna")
    #expect(anna.json["position"]?.int == 2)
    #expect(try await server.send("GET", "/v1/jobs/\(third)").json["position"]?.int == 3)
    let cancelled = try await server.send("DELETE", "/v1/jobs/\(second)")
    #expect(cancelled.json["status"]?.string == "cancelled")
    #expect(try await server.send("GET", "/v1/jobs/\(third)").json["position"]?.int == 1)
    #expect(try await server.eventually { try await status(server, third) == "succeeded" })
    #expect(try await status(server, first) == "succeeded")
    #expect(try await status(server, second) == "cancelled")
    // A final job stays as it is.
    #expect(
      try await server.send("DELETE", "/v1/jobs/\(first)").json["status"]?.string == "succeeded")
    #expect(upstream.requests.count == 3)
    await server.stop()
  }

  @Test func `cancelling a job under way leaves the provider`() async throws {
    upstream.always(.hang)
    let server = try await start()
    try await plan(server)
    let id = try id(try await submit(server))
    #expect(try await server.eventually { upstream.requests.count == 1 })
    #expect(try await status(server, id) == "processing")
    #expect(
      try await server.send("DELETE", "/v1/jobs/\(id)").json["status"]?.string == "cancelled")
    #expect(try await server.eventually { upstream.peersGone == 1 })
    #expect(try await status(server, id) == "cancelled")
    let arms = try await server.send("GET", "/v1/plans/ai-summary/health").json["arms"]
    #expect(arms?["treatment"]?["failed"]?.int == 0)
    await server.stop()
  }

  @Test func `what waited too long expires, and nobody is asked`() async throws {
    upstream.next(.wait(milliseconds: 500), .chat("slow"))
    let clock = ManualClock()
    let server = try await start("jobs: {concurrency: 1}", clock: clock)
    try await plan(server)
    _ = try await submit(server, "bob")
    #expect(try await server.eventually { upstream.requests.count == 1 })
    let id = try id(try await submit(server, "anna", #","expires_in":"1m""#))
    clock.advance(.minutes(2))
    #expect(try await server.eventually { try await status(server, id) == "expired" })
    #expect(upstream.requests.count == 1)
    await server.stop()
  }

  @Test func `a failure is told as a problem, a limit is waited for`() async throws {
    upstream.next(.answer(400, #"{"error":{"message":"no such thing"}}"#))
    upstream.always(.chat("done"))
    let server = try await start("limits: {per_user: 1/s}")
    try await plan(server)
    let failing = try id(try await submit(server, "bob"))
    #expect(try await server.eventually { try await status(server, failing) == "failed" })
    let problem = try await server.send("GET", "/v1/jobs/\(failing)").json["error"]
    #expect(problem?["detail"]?.string == "no such thing")
    let ids = [try id(try await submit(server)), try id(try await submit(server))]
    for id in ids {
      #expect(try await server.eventually { try await status(server, id) == "succeeded" })
      #expect(try await server.send("GET", "/v1/jobs/\(id)").json["attempts"]?.int == 1)
    }
    await server.stop()
  }

  @Test func `only the token that made a job sees it, and an administrator`() async throws {
    upstream.always(.chat("done"))
    let server = try await start()
    try await plan(server)
    var tokens: [String] = []
    for name in ["one", "two"] {
      let made = try await server.send(
        "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["evaluate"]}"#)
      tokens.append(try #require(made.json["token"]?.string))
    }
    let job = try id(
      try await server.send("POST", path, #"{"prompt":"hi","user":"u"}"#, token: tokens[0]))
    #expect(try await server.send("GET", "/v1/jobs/\(job)", token: tokens[0]).status == 200)
    #expect(try await server.send("GET", "/v1/jobs/\(job)", token: tokens[1]).status == 404)
    #expect(try await server.send("DELETE", "/v1/jobs/\(job)", token: tokens[1]).status == 404)
    #expect(try await server.send("GET", "/v1/jobs/\(job)").status == 200)
    await server.stop()
  }

  @Test func `too many are refused with when to come back`() async throws {
    upstream.always(.hang)
    let server = try await start("jobs: {concurrency: 1, length: 1}")
    try await plan(server)
    _ = try await submit(server)
    #expect(try await server.eventually { upstream.requests.count == 1 })
    #expect(try await submit(server).status == 202)
    let refused = try await submit(server)
    #expect(refused.status == 503)
    #expect(refused.header("retry-after") == "10")
    #expect(refused.header("x-rollout-limit") == "jobs")
    await server.stop()
  }

  @Test func `a restart goes on where it was`() async throws {
    upstream.next(.hang)
    upstream.always(.chat("done"))
    let folder = TemporaryFolder()
    let first = try await start("jobs: {concurrency: 1}", folder: folder)
    try await plan(first)
    let ids = [try id(try await submit(first)), try id(try await submit(first))]
    #expect(try await first.eventually { upstream.requests.count == 1 })
    await first.stop()
    let again = try await start("jobs: {concurrency: 1}", folder: folder)
    for id in ids {
      #expect(try await again.eventually { try await status(again, id) == "succeeded" })
    }
    await again.stop()
  }

  @Test func `one token's jobs leave room for all others, by number and by size`() {
    var room = JobRoom(length: 1000)
    func take(_ app: String, _ size: Int = 100) -> JobRoom.Refusal? {
      do throws(JobRoom.Refusal) {
        try room.take(app, size: size)
        return nil
      } catch { return error }
    }
    // Alone it may have half, and then another comes.
    #expect((0..<500).allSatisfy { _ in take("loud") == nil })
    #expect(take("loud") == .share)
    #expect((0..<100).allSatisfy { _ in take("quiet") == nil })
    #expect(take("quiet") == .share)
    for _ in 0..<400 { room.giveBack("loud", size: 100) }
    #expect(take("loud") == .share)
    #expect((0..<8).allSatisfy { app in (0..<100).allSatisfy { _ in take("app\(app)") == nil } })
    #expect(take("last") == .full)
    // Few and large are many too.
    var large = JobRoom(length: 10_000)
    func put(_ app: String) -> JobRoom.Refusal? {
      do throws(JobRoom.Refusal) {
        try large.take(app, size: 4 << 20)
        return nil
      } catch { return error }
    }
    var taken = 0
    while put("loud") == nil { taken += 1 }
    #expect(taken == 128)
    #expect((0..<25).allSatisfy { _ in put("quiet") == nil })
    #expect(put("quiet") == .share)
  }

  @Test func `a flood of one token's jobs is refused with when to come back, others' are taken`()
    async throws
  {
    upstream.always(.hang)
    let server = try await start("jobs: {concurrency: 1, length: 100}")
    try await plan(server)
    var tokens: [String] = []
    for name in ["loud", "quiet"] {
      let made = try await server.send(
        "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["evaluate"]}"#)
      tokens.append(try #require(made.json["token"]?.string))
    }
    let loud = tokens[0]
    // Under ever new names, many at once.
    let answers = try await withThrowingTaskGroup(of: TestServer.Answer.self) { group in
      for number in 0..<150 {
        group.addTask {
          try await server.send(
            "POST", path, #"{"prompt":"hi","user":"u\#(number)"}"#, token: loud)
        }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    let taken = answers.count { $0.status == 202 }
    #expect((49...52).contains(taken), "\(taken)")
    #expect(answers.allSatisfy { $0.status == 202 || $0.status == 429 })
    let refused = try #require(answers.first { $0.status == 429 })
    #expect(refused.header("retry-after") == "10" && refused.header("x-rollout-limit") == "jobs")
    // The other's job is next but one, not behind fifty.
    let other = try await server.send(
      "POST", path, #"{"prompt":"hi","user":"u"}"#, token: tokens[1])
    #expect(other.status == 202)
    #expect(try #require(other.json["position"]?.int) <= 2)
    // A restart knows who holds what.
    await server.stop()
    let again = try await start(
      "jobs: {concurrency: 1, length: 100}", folder: server.folder, clock: server.clock)
    #expect(
      try await again.eventually {
        try await again.send("POST", path, #"{"prompt":"hi"}"#, token: tokens[0]).status == 429
      })
    #expect(try await again.send("POST", path, #"{"prompt":"hi"}"#, token: tokens[1]).status == 202)
    await again.stop()
  }
}
