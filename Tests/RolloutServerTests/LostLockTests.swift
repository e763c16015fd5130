import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// A lock file that is gone, spoilt or old: what the files know of each other then.
@Suite struct LostLockTests {
  private let yaml = """
    providers: {echo: {kind: echo}, slow: {kind: echo, latency: 60s}}
    prices: {m: {input: 1000, output: 1000}}
    routes:
      quick: {targets: [{provider: echo, model: m}]}
      late: {targets: [{provider: slow, model: m, timeout: 100s}]}
    jobs: {concurrency: 1}
    budgets: [{name: cap, limit_usd: 5, window: total}]
    """

  private func start(
    _ folder: TemporaryFolder, _ change: (inout DataDirectory.Permissions) -> Void = { _ in }
  ) async throws -> TestServer {
    var permissions = DataDirectory.Permissions()
    change(&permissions)
    return try await TestServer(yaml, folder: folder, permissions: permissions)
  }

  private func refusal(_ folder: TemporaryFolder) async throws -> String {
    do {
      let server = try await start(folder)
      await server.stop()
      return "it started"
    } catch { return "\(error)" }
  }

  private func warning(_ server: TestServer, _ what: String) async throws -> String? {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return list.first { $0["what"]?.string == what }?["detail"]?.string
  }

  private func copy(_ from: TemporaryFolder, _ names: [String], to: TemporaryFolder) throws {
    for name in names {
      let bytes = from.read(name)
      let target = Glibc.open("\(to.path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      defer { Glibc.close(target) }
      try #require(write(target, bytes, bytes.count) == bytes.count)
    }
  }

  private static let siblings = ["jobs.db", "budget.db", "telemetry.db", "holds.bin"]

  /// A folder in which a server has been, with a plan, a job and something spent.
  private func used() async throws -> TemporaryFolder {
    let server = try await start(TemporaryFolder())
    for (feature, route) in [("ai", "quick"), ("later", "late")] {
      try await server.startPlan(
        feature, #","route":"\#(route)","stages":[{"name":"all","percent":100}]"#)
    }
    try await use(server)
    await server.stop()
    return server.folder
  }

  private func use(_ server: TestServer) async throws {
    #expect(try await ask(server) == 200)
    let job = try await server.send(
      "POST", "/v1/features/later/jobs", #"{"user":"anna","prompt":"hi","max_tokens":5}"#)
    #expect(job.status == 202)
  }

  private func ask(_ server: TestServer) async throws -> Int {
    try await server.send(
      "POST", "/v1/features/ai/complete", #"{"user":"anna","prompt":"hi","max_tokens":50}"#
    ).status
  }

  private func spoilLock(_ folder: TemporaryFolder, _ how: String = "missing") {
    switch how {
    case "missing": remove("\(folder.path)/rollout.lock")
    case "empty": truncate("\(folder.path)/rollout.lock", 0)
    default: folder.write("rollout abc 99999999999999999999 open\n", to: "rollout.lock")
    }
  }

  // MARK: Nothing else is wrong

  @Test(arguments: ["missing", "empty", "garbage"])
  func `a used folder whose lock file is lost keeps hard budgets shut, and says so`(how: String)
    async throws
  {
    let folder = try await used()
    spoilLock(folder, how)
    let server = try await start(folder)
    #expect(try await warning(server, "files")?.contains("rollout.lock was missing") == true)
    #expect(try await warning(server, "budgets:lost")?.contains("rollout.lock") == true)
    #expect(try await ask(server) == 429)
    await server.stop()
    let again = try await start(folder)
    #expect(try await ask(again) == 429)
    #expect(
      try await again.send("POST", "/v1/budgets/accept", #"{"reason":"the bill"}"#).status == 200)
    #expect(try await ask(again) == 200)
    await again.stop()
    let well = try await start(folder)
    #expect(try await well.send("GET", "/readyz?strict").status == 200)
    #expect(try await ask(well) == 200)
    await well.stop()
  }

  @Test func `a folder that was never used has lost nothing with its lock file`() async throws {
    let folder = TemporaryFolder()
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    await store.close()
    directory.release()
    spoilLock(folder)
    let server = try await start(folder)
    #expect(try await server.send("GET", "/readyz?strict").status == 200)
    await server.stop()
  }

  @Test func `a lock file written over under the server is made anew`() async throws {
    let server = try await start(TemporaryFolder())
    try await server.startPlan()
    // Who commits next writes it, too, without a word.
    try await Task.sleep(for: .milliseconds(1500))
    truncate("\(server.folder.path)/rollout.lock", 0)
    #expect(
      try await server.eventually {
        try await warning(server, "files")?.contains("rollout.lock was written over") == true
      })
    #expect(server.folder.read("rollout.lock").starts(with: "rollout ".utf8))
    await server.stop()
  }

  // MARK: Something is missing

  @Test(arguments: [["budget.db"], ["budget.db", "holds.bin"], ["holds.bin"]])
  func `spending is missed without the lock file`(names: [String]) async throws {
    let folder = try await used()
    for name in names { remove("\(folder.path)/\(name)") }
    spoilLock(folder)
    let server = try await start(folder)
    #expect(try await warning(server, "budgets:lost") != nil)
    #expect(try await ask(server) == 429)
    await server.stop()
  }

  @Test(arguments: [true, false])
  func `jobs are missed when only the main file is left, of an earlier version too`(isOld: Bool)
    async throws
  {
    let folder = TemporaryFolder()
    try copy(try await used(), ["rollout.db", "admin.token"], to: folder)
    if isOld {
      let file = try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
      try file.execute("ALTER TABLE data_directory DROP COLUMN mark")
      file.close()
    }
    let why = try await refusal(folder)
    #expect(why.contains("jobs.db is missing") && why.contains("--quarantine"), "\(why)")
    // A refusal changes nothing.
    #expect(try await refusal(folder) == why)
    let server = try await start(folder) { $0.quarantines = true }
    #expect(try await warning(server, "budgets:lost") != nil)
    #expect(try await ask(server) == 429)
    await server.stop()
  }

  // MARK: Something is older

  /// The same folder as it was, and as it is now that it was used again.
  private func usedTwice() async throws -> (old: TemporaryFolder, now: TemporaryFolder) {
    let folder = try await used()
    let old = TemporaryFolder()
    try copy(folder, ["rollout.db", "rollout.lock"] + Self.siblings, to: old)
    let server = try await start(folder)
    try await use(server)
    try await server.command("kill", "later")
    await server.stop()
    return (old, folder)
  }

  @Test(arguments: ["missing", "garbage"])
  func `an older main file is told by its siblings`(how: String) async throws {
    let (old, folder) = try await usedTwice()
    try copy(old, ["rollout.db"], to: folder)
    spoilLock(folder, how)
    let why = try await refusal(folder)
    #expect(why.contains("rollout.db is older") && why.contains("--accept-older"), "\(why)")
    #expect(try await refusal(folder) == why)
    let server = try await start(folder) { $0.acceptsOlder = true }
    #expect(try await warning(server, "budgets:lost") != nil)
    await server.stop()
    #expect(try await refusal(folder) == "it started")
  }

  @Test func `older siblings are told by the main file`() async throws {
    let (old, folder) = try await usedTwice()
    try copy(old, ["jobs.db"], to: folder)
    spoilLock(folder)
    let why = try await refusal(folder)
    #expect(why.contains("jobs.db is older"), "\(why)")
    let (before, other) = try await usedTwice()
    try copy(before, ["budget.db"], to: other)
    spoilLock(other)
    let server = try await start(other)
    #expect(try await warning(server, "budgets:lost")?.contains("budget.db was older") == true)
    await server.stop()
  }

  @Test func `everything older but the main file is told, with the older lock file too`()
    async throws
  {
    let (old, folder) = try await usedTwice()
    try copy(old, ["rollout.lock"] + Self.siblings, to: folder)
    let why = try await refusal(folder)
    #expect(why.contains("jobs.db is older"), "\(why)")
    let server = try await start(folder) { $0.acceptsOlder = true }
    #expect(try await warning(server, "budgets:lost")?.contains("budget.db was older") == true)
    #expect(try await ask(server) == 429)
    await server.stop()
    #expect(try await refusal(folder) == "it started")
  }

  @Test func `after kill -9 an older main file is told by what was written in the last second`()
    async throws
  {
    let folder = try await used()
    let old = TemporaryFolder()
    try copy(folder, ["rollout.db"], to: old)
    let server = try await start(folder)
    try await server.command("kill", "later")
    try await Task.sleep(for: .milliseconds(1500))
    let crashed = TemporaryFolder()
    try copy(
      folder, ["budget.db", "budget.db-wal", "jobs.db", "jobs.db-wal", "holds.bin", "admin.token"],
      to: crashed)
    await server.stop()
    try copy(old, ["rollout.db"], to: crashed)
    let why = try await refusal(crashed)
    #expect(why.contains("rollout.db is older"), "\(why)")
  }
}
