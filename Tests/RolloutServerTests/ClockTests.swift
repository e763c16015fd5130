import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Somebody sets the wall clock: nothing that is measured may notice, and nobody is refused.
@Suite struct ClockTests {
  private static let hour: Int64 = 3_600_000
  private static let day = 24 * hour

  private static let soaking = """
    ,"stages":[{"name":"a","percent":10,"soak":"6h"},{"name":"b","percent":50}]
    """

  private func advance(_ server: TestServer) async throws -> TestServer.Answer {
    let plan = try await server.send("GET", "/v1/plans/ai-summary")
    let version = try #require(plan.json["version"]?.int)
    return try await server.send(
      "POST", "/v1/plans/ai-summary/advance", #"{"reason":"a test"}"#,
      headers: [("If-Match", "\"\(version)\"")])
  }

  private func alert(
    _ server: TestServer, _ action: String, _ print: String
  ) async throws -> (acted: Bool?, why: String?) {
    let body = """
      {"alerts":[{"status":"firing","labels":{"alertname":"High","feature":"ai-summary",\
      "rollout_action":"\(action)"},"startsAt":"\(server.clock.now.rfc3339)",\
      "fingerprint":"\(print)"}]}
      """
    let answer = try await server.send("POST", "/v1/alerts/alertmanager", body)
    #expect(answer.status == 200, "\(answer.text)")
    let result = answer.json["results"]?.array?.first
    return (result?["acted"]?.bool, result?["why"]?.string)
  }

  private func fail(_ server: TestServer, _ range: Range<Int>) async throws {
    let items = range.map {
      #"{"feature":"ai-summary","user":"u\#($0)","ok":false,"arm":"treatment","id":"o\#($0)"}"#
    }
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(items.joined(separator: ","))]}"#)
    #expect(answer.json["accepted"]?.int == range.count)
  }

  @Test(arguments: [day, -day])
  func `setting the clock neither ends a soak nor makes it longer`(step: Int64) async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", Self.soaking)
    server.clock.advance(.hours(2))
    server.clock.step(milliseconds: step)
    let refused = try await advance(server)
    #expect(refused.code == "gate_closed")
    #expect(refused.json["waiting_on"]?.array?.first?.string == "soak: 4 h left")
    server.clock.advance(.hours(4))
    #expect(try await advance(server).status == 200)
    await server.stop()
  }

  @Test func `after a step back errors still count, and an alert and a person still act`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", #","preset":"sensitive""#)
    for _ in 0..<2 { try await server.command("advance") }
    server.clock.advance(.minutes(5))
    server.clock.step(milliseconds: -Self.hour)
    try await fail(server, 0..<400)
    #expect(try await server.eventually { try await server.stage() == "beta" })
    // The alert began, by its own clock, before the stage did by ours.
    #expect(try await alert(server, "pause", "p").acted == true)
    try await server.command("resume")
    #expect(try await alert(server, "kill", "k").acted == true)
    await server.stop()
  }

  @Test func `an alert is compared with the stage again once another stage has begun`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    server.clock.step(milliseconds: -Self.hour)
    // Until it has been seen, every stage may have begun before it.
    #expect(server.application.stores.clock.hasStepped(since: Samples.start))
    server.clock.advance(.seconds(10))
    try await server.command("advance")
    server.clock.advance(.seconds(10))
    let body = """
      {"alerts":[{"status":"firing","labels":{"alertname":"High","feature":"ai-summary"},\
      "startsAt":"2020-01-01T00:00:00Z","fingerprint":"old"}]}
      """
    let answer = try await server.send("POST", "/v1/alerts/alertmanager", body)
    #expect(answer.json["results"]?.array?.first?["why"]?.string == "older than the stage")
    await server.stop()
  }

  @Test func `setting the clock ahead ends no cooldown, and expires no job and no repeat`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan()
    try await server.command("advance")
    #expect(try await alert(server, "rollback", "r").acted == true)
    server.clock.step(milliseconds: Self.day)
    let plan = try await server.send("GET", "/v1/plans/ai-summary")
    let waiting = plan.json["next"]?["waiting_on"]?.array?.compactMap(\.string) ?? []
    #expect(waiting.contains("cooldown: 30 m left"), "\(waiting)")
    #expect(try await alert(server, "rollback", "r2").why == "held")
    server.clock.advance(.minutes(30))
    try await server.command("acknowledge")
    await server.stop()
  }

  @Test func `a repeated request is known as one although the clock was set ahead`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    func pause() async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/v1/plans/ai-summary/pause", "{}",
        headers: [("If-Match", "\"2\""), ("Idempotency-Key", "k1")])
    }
    #expect(try await pause().status == 200)
    server.clock.step(milliseconds: 2 * Self.day)
    #expect(try await pause().status == 200)
    server.clock.advance(.hours(25))
    #expect(try await pause().status == 409)
    await server.stop()
  }

  @Test(arguments: [day, -day, 0])
  func `a stop counts as long as it was, though the clock was set meanwhile`(step: Int64)
    async throws
  {
    var server = try await TestServer()
    try await server.startPlan("ai-summary", Self.soaking)
    server.clock.advance(.hours(1))
    await server.stop()
    server.clock.step(milliseconds: step)
    server.clock.advance(.hours(3))
    server = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(
      try await advance(server).json["waiting_on"]?.array?.first?.string == "soak: 2 h left")
    await server.stop()
    server.clock.advance(.hours(2))
    server = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await advance(server).status == 200)
    await server.stop()
  }

  @Test func `a soak does not end while the machine is off`() async throws {
    var server = try await TestServer()
    try await server.startPlan("ai-summary", Self.soaking)
    server.clock.advance(.hours(1))
    await server.stop()
    server.clock.reboot(off: .days(3))
    server.clock.advance(.minutes(1))
    server = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(
      try await advance(server).json["waiting_on"]?.array?.first?.string == "soak: 4 h 59 m left")
    await server.stop()
  }

  @Test func `a step is said by readyz and counted, and forgotten after an hour`() async throws {
    let server = try await TestServer()
    func warning() async throws -> Bool {
      try await server.send("GET", "/readyz").text.contains("the wall clock was set back by 1 h ")
    }
    #expect(try await !warning())
    server.clock.step(milliseconds: -Self.hour)
    #expect(try await server.eventually { try await warning() })
    let metrics = try await server.send("GET", "/metrics").text
    #expect(metrics.contains("rollout_clock_steps_total 1\n"))
    #expect(metrics.contains("rollout_clock_offset_seconds -3600\n"), "\(metrics)")
    server.clock.advance(.minutes(61))
    #expect(try await server.eventually { try await !warning() })
    await server.stop()
  }

  @Test func `a signed alert is believed before and after our clock was set`() async throws {
    let secret = "a secret of enough bytes"
    let server = try await TestServer(
      "alerts: {secret_env: ALERTS}", variables: ["ALERTS": secret])
    try await server.startPlan()
    let key = try #require(WebhookSecret(secret))
    func post(_ id: String, at instant: Instant) async throws -> Int {
      let body = #"{"feature":"ai-summary","action":"pause","id":"\#(id)"}"#
      let timestamp = Int(instant.milliseconds / 1000)
      let signature = key.signature(id: id, timestamp: timestamp, body: Array(body.utf8))
      return try await server.send(
        "POST", "/v1/alerts", body,
        headers: [
          ("webhook-id", id), ("webhook-timestamp", "\(timestamp)"),
          ("webhook-signature", signature),
        ]
      ).status
    }
    let right = server.clock.now
    server.clock.step(milliseconds: Self.hour)
    #expect(try await post("1", at: right) == 200)
    #expect(try await post("2", at: server.clock.now) == 200)
    #expect(try await post("3", at: right + .minutes(30)) == 401)
    await server.stop()
  }

  @Test func `a job's lease and its place in the queue go by the steady clock`() async throws {
    let folder = TemporaryFolder()
    let directory = try DataDirectory(folder.path)
    let clock = ManualClock()
    let store = try JobDatabase(directory, now: clock.now)
    let job = Job(
      id: "job_1", feature: "f", app: "a", user: nil, request: [1], createdAt: clock.steady,
      expiresAt: clock.steady + .hours(2))
    _ = try await store.add(job, nil)
    clock.step(milliseconds: Self.day)
    let runner = JobRunner(
      store: store, settings: Current(ServerConfiguration()), clock: clock,
      log: Log(clock: clock, isSilent: true)
    ) { _ in .done(.succeeded, []) }
    runner.enqueue(job)
    for _ in 0..<200 where try await store.job("job_1")?.status != .succeeded {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(try await store.job("job_1")?.status == .succeeded)
    await runner.stop()
    await store.close()
    directory.release()
  }
}
