import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// Numbers in the files at the edges of what there is: refused with the file's name, or counted up
/// to the edge; nothing ends the process.
@Suite struct StoredNumberTests {
  private let yaml = """
    providers: {echo: {kind: echo}}
    prices: {m: {input: 1, output: 1}}
    routes: {r: {targets: [{provider: echo, model: m}]}}
    budgets: [{name: cap, limit_usd: 5, window: total}]
    """

  private func used() async throws -> TemporaryFolder {
    let server = try await TestServer(yaml)
    try await server.startPlan("f", #","route":"r","stages":[{"name":"all","percent":100}]"#)
    #expect(try await ask(server) == 200)
    await server.stop()
    return server.folder
  }

  private func ask(_ server: TestServer) async throws -> Int {
    try await server.send(
      "POST", "/v1/features/f/complete", #"{"user":"anna","prompt":"hi","max_tokens":5}"#
    ).status
  }

  private func change(_ folder: TemporaryFolder, _ name: String, _ sql: String) throws {
    let file = try Connection(path: "\(folder.path)/\(name)", durability: .normal)
    defer { file.close() }
    try file.execute(sql)
  }

  private func warning(_ server: TestServer, _ what: String) async throws -> String? {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return list.first { $0["what"]?.string == what }?["detail"]?.string
  }

  @Test(arguments: [Int.min, -1, Int.max])
  func `a file that cannot have so many commits is refused or set aside`(commits: Int)
    async throws
  {
    let sql = "UPDATE data_directory SET commits = \(commits)"
    for name in ["rollout.db", "jobs.db"] {
      let folder = try await used()
      try change(folder, name, sql)
      await #expect {
        _ = try await TestServer(yaml, folder: folder)
      } throws: {
        "\($0)".contains("\(folder.path)/\(name)") && "\($0)".contains("\(commits) commits")
      }
    }
    let folder = try await used()
    try change(folder, "telemetry.db", sql)
    try change(folder, "budget.db", sql)
    let server = try await TestServer(yaml, folder: folder)
    let said = try await warning(server, "files")
    #expect(said?.contains("telemetry.db.corrupt-") == true, "\(said ?? "")")
    #expect(said?.contains("budget.db.corrupt-") == true, "\(said ?? "")")
    #expect(try await ask(server) == 429)
    await server.stop()
  }

  @Test(arguments: [Int.min, Int.max])
  func `spending that was written too often to count on is lost, and the file named`(number: Int)
    async throws
  {
    let folder = try await used()
    try change(folder, "budget.db", "UPDATE flush SET number = \(number)")
    let server = try await TestServer(yaml, folder: folder)
    #expect(try await warning(server, "files")?.contains("budget.db.corrupt-") == true)
    #expect(try await ask(server) == 429)
    await server.stop()
  }

  @Test func `holds that no start can have begun are lost`() async throws {
    let folder = try await used()
    let descriptor = Glibc.open("\(folder.path)/holds.bin", O_WRONLY)
    var generation = Int64.max
    try #require(pwrite(descriptor, &generation, 8, 16) == 8)
    Glibc.close(descriptor)
    let server = try await TestServer(yaml, folder: folder)
    #expect(try await warning(server, "files")?.contains("holds.bin.corrupt-") == true)
    #expect(try await ask(server) == 429)
    await server.stop()
  }

  @Test func `a plan at the last version there is serves nobody and ends nothing`() async throws {
    let folder = try await used()
    try change(folder, "rollout.db", "UPDATE plan SET version = \(Int.max)")
    let server = try await TestServer(yaml, folder: folder)
    #expect(try await warning(server, "plan:f") != nil)
    let headers = [(name: "If-Match", value: "\"\(Int.max)\"")]
    let put = try await server.send(
      "PUT", "/v1/plans/f", #"{"feature":"f"}"#, headers: headers)
    #expect(put.status >= 400)
    _ = try await server.send("POST", "/v1/plans/f/kill", "{}", headers: headers)
    #expect(
      try await server.send("GET", "/v1/features/f/decision?user=u").json["enabled"]?.bool == false)
    await server.stop()
  }

  @Test func `what was measured is counted up to the edge`() async throws {
    let folder = TemporaryFolder()
    let store = try TelemetryDatabase(DataDirectory(folder.path), now: Samples.start)
    var changes = TelemetryChanges(
      chunks: [OutcomeChunk(feature: "f", count: 1, at: Samples.start, bytes: [1])],
      ids: [SeenIDs(feature: "f", ids: [1])])
    let step = SeriesStep.allCases[0]
    let key = FailureKey(
      step: step, at: step.start(of: Samples.start), arm: .treatment, kind: "timeout", target: nil)
    var series = SeriesChanges()
    series.failures[key] = 1
    changes.series = [FeatureSeries(feature: "f", changes: series)]
    try await store.save(changes)
    try await store.database.write { file in
      try file.execute(
        """
        PRAGMA ignore_check_constraints = ON;
        UPDATE outcome_chunk SET outcome_count = \(Int.max);
        UPDATE seen_id SET id_count = \(Int.max);
        UPDATE failure SET failure_count = \(Int.max);
        """)
    }
    try await store.save(changes)
    try await store.save(changes)
    let end = step.start(of: Samples.start) + .days(400)
    let counts = try await store.failures("f", from: Samples.start, to: end, step: step)
    #expect(counts.values.allSatisfy { $0 > 1 << 51 })
    try await store.ageSeries(now: end)
    await store.close()
  }
}
