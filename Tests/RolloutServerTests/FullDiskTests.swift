import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// Starts on a disk that takes nothing. No file of this process may have a single byte meanwhile,
/// which a full disk looks like to SQLite; `script/faults` does the same with real ones.
@Suite(.serialized) struct FullDiskTests {
  private static let config = """
    providers: {echo: {kind: echo}}
    prices: {m: {input: 1, output: 1}}
    routes: {r: {targets: [{provider: echo, model: m}]}}
    budgets:
      - {name: hard, limit_usd: 5, window: total, match: {feature: hard}}
      - {name: soft, limit_usd: 5, window: total, hard: false}
      - {name: daily, limit_usd: 5, window: day, hard: false, match: {feature: soft}}
    """

  private func setDisk(isFull: Bool) {
    signal(SIGXFSZ, SIG_IGN)
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
    limit.rlim_cur = isFull ? 0 : limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
  }

  /// A folder in which a server has been, with three features for everybody.
  private func used() async throws -> TestServer {
    let server = try await TestServer(Self.config)
    for feature in ["all", "hard", "soft"] {
      try await server.startPlan(
        feature, #","route":"r","stages":[{"name":"all","percent":100}]"#)
    }
    await server.stop()
    return server
  }

  private func warnings(_ server: TestServer) async throws -> Set<String> {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return Set(list.compactMap { $0["what"]?.string })
  }

  private func isOn(_ server: TestServer) async throws -> Bool? {
    try await server.send("GET", "/v1/features/all/decision?user=anna").json["enabled"]?.bool
  }

  private func ask(_ server: TestServer, _ feature: String) async throws -> TestServer.Answer {
    try await server.send(
      "POST", "/v1/features/\(feature)/complete", #"{"user":"anna","prompt":"hi","max_tokens":5}"#)
  }

  private func budget(_ server: TestServer, _ name: String) async throws -> Document? {
    try await server.send("GET", "/v1/budgets").json["budgets"]?.array?
      .first { $0["name"]?.string == name }
  }

  @Test func `a start on a full disk serves what can be read, and is well once there is room`()
    async throws
  {
    let before = try await used()
    setDisk(isFull: true)
    defer { setDisk(isFull: false) }
    let server = try await TestServer(Self.config, folder: before.folder, clock: before.clock)
    #expect(try await isOn(server) == true)
    #expect(try await server.send("GET", "/readyz").status == 200)
    #expect(try await server.send("GET", "/readyz?strict").status == 503)
    #expect(
      try await server.eventually {
        try await warnings(server).isSuperset(of: ["store", "jobs", "budgets", "telemetry"])
      })
    #expect(
      try await server.send("GET", "/metrics").text.contains(#"rollout_degraded{what="store"} 1"#))
    #expect(try await server.send("GET", "/v1/plans/all/events").json["events"]?.array?.count == 2)
    // What lowers exposure acts; what gives the feature to anybody waits for the disk.
    let killed = try await server.send(
      "POST", "/v1/plans/all/kill", #"{"reason":"x"}"#, headers: [("If-Match", "\"2\"")])
    #expect(killed.status == 202 && killed.json["durable"]?.bool == false, "\(killed.text)")
    #expect(try await isOn(server) == false)
    let more = try await server.send("PUT", "/v1/plans/new", #"{"feature":"new"}"#)
    #expect(more.status == 503)
    let job = try await server.send("POST", "/v1/features/soft/jobs", #"{"prompt":"x"}"#)
    #expect(job.status == 503)
    // Money that cannot be counted is not spent where there is a ceiling.
    #expect(try await ask(server, "hard").status == 503)
    #expect(try await budget(server, "hard")?["shut"]?.bool == true)
    let soft = try await ask(server, "soft")
    let cost = try #require(soft.header("x-rollout-cost-usd").flatMap(Double.init))
    #expect(soft.status == 200 && cost > 0)
    setDisk(isFull: false)
    #expect(try await server.eventually { try await warnings(server).isEmpty })
    #expect(try await ask(server, "hard").status == 200)
    #expect(try await budget(server, "hard")?["shut"]?.bool != true)
    #expect(
      try await server.eventually {
        try await budget(server, "soft")?["spent_usd"]?.double ?? 0 > 1.9 * cost
      })
    await server.stop()
    let after = try await TestServer(Self.config, folder: before.folder, clock: before.clock)
    #expect(try await isOn(after) == false)
    await after.stop()
  }

  @Test func `a window that begins while the disk is full refuses nobody under a soft budget`()
    async throws
  {
    let before = try await used()
    let server = try await TestServer(Self.config, folder: before.folder, clock: before.clock)
    #expect(try await ask(server, "soft").status == 200)
    setDisk(isFull: true)
    defer { setDisk(isFull: false) }
    server.clock.advance(.days(1))
    for _ in 0..<3 { #expect(try await ask(server, "soft").status == 200) }
    let killed = try await server.send(
      "POST", "/v1/plans/all/kill", #"{"reason":"x"}"#, headers: [("If-Match", "\"2\"")])
    #expect(killed.status == 202)
    setDisk(isFull: false)
    #expect(
      try await server.eventually {
        let spent = try await budget(server, "daily")?["spent_usd"]?.double ?? 0
        return try await warnings(server).isEmpty && spent > 0
      })
    await server.stop()
  }

  @Test func `a first start on a full disk is refused: there is nothing to serve`() async throws {
    let folder = TemporaryFolder()
    setDisk(isFull: true)
    defer { setDisk(isFull: false) }
    await #expect(throws: StoreError.self) { _ = try await TestServer(folder: folder) }
  }

  @Test func `what another has written meanwhile is not written over`() async throws {
    let folder = try await used().folder
    setDisk(isFull: true)
    defer { setDisk(isFull: false) }
    let store = try Store(try DataDirectory(folder.path), now: Samples.start)
    await #expect(throws: StoreError.self) { try await store.probe() }
    setDisk(isFull: false)
    let file = try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
    try file.execute("UPDATE data_directory SET commits = commits + 1")
    file.close()
    await #expect {
      try await store.probe()
    } throws: {
      "\($0)".contains("restart the server")
    }
    #expect(try await store.loadPlans().readable.count == 3)
    await store.close()
  }
}
