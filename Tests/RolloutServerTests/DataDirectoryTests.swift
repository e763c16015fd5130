import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// Files of the data directory that are missing, old, foreign, damaged, or deleted under the server.
@Suite struct DataDirectoryTests {
  private let yaml = """
    budgets: [{name: cap, limit_usd: 5, window: total}, {name: soft, limit_usd: 1, hard: false}]
    """

  private func start(_ folder: TemporaryFolder, _ permissions: DataDirectory.Permissions? = nil)
    async throws -> TestServer
  {
    try await TestServer(yaml, folder: folder, permissions: permissions ?? .init())
  }

  /// A folder in which a server has been, with one started plan.
  private func used() async throws -> TemporaryFolder {
    let server = try await start(TemporaryFolder())
    try await server.startPlan()
    await server.stop()
    return server.folder
  }

  private func refusal(_ folder: TemporaryFolder) async throws -> String {
    do {
      let server = try await start(folder)
      await server.stop()
      return "it started"
    } catch { return "\(error)" }
  }

  private func allow(_ change: (inout DataDirectory.Permissions) -> Void)
    -> DataDirectory.Permissions
  {
    var permissions = DataDirectory.Permissions()
    change(&permissions)
    return permissions
  }

  private func copy(_ folder: TemporaryFolder, _ name: String, to other: String) throws {
    let bytes = folder.read(name)
    let target = Glibc.open("\(folder.path)/\(other)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { Glibc.close(target) }
    try #require(write(target, bytes, bytes.count) == bytes.count)
  }

  private func damage(_ folder: TemporaryFolder, _ name: String) {
    folder.write(String(repeating: "this is no database ", count: 500), to: name)
  }

  private func warning(_ server: TestServer, _ what: String) async throws -> String? {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return list.first { $0["what"]?.string == what }?["detail"]?.string
  }

  // MARK: The main file

  @Test func `a missing main file is refused, with what to do`() async throws {
    let folder = try await used()
    remove("\(folder.path)/rollout.db")
    let why = try await refusal(folder)
    #expect(why.contains("rollout.db is missing"))
    #expect(why.contains("--accept-empty"))
    // The siblings alone say it too.
    remove("\(folder.path)/rollout.lock")
    #expect(try await refusal(folder).contains("telemetry.db"))
    let server = try await start(folder, allow { $0.acceptsEmpty = true })
    #expect(try await server.send("GET", "/v1/plans").json["plans"]?.array == [])
    await server.stop()
    #expect(try await refusal(folder) == "it started")
  }

  @Test func `an older main file is refused until a person accepts it`() async throws {
    let folder = try await used()
    try copy(folder, "rollout.db", to: "old.db")
    let server = try await start(folder)
    try await server.command("pause")
    await server.stop()
    try copy(folder, "old.db", to: "rollout.db")
    let why = try await refusal(folder)
    #expect(why.contains("older") && why.contains("--accept-older"), "\(why)")
    let older = try await start(folder, allow { $0.acceptsOlder = true })
    #expect(try await older.send("GET", "/v1/plans/ai-summary").json["status"]?.string == "active")
    try await older.command("pause")
    await older.stop()
    #expect(try await refusal(folder) == "it started")
  }

  @Test func `a log that is gone after a crash is an older main file`() async throws {
    let folder = try await used()
    let server = try await start(folder)
    try await server.command("pause")
    // As kill -9 leaves it: the log holds what was acknowledged.
    let crashed = TemporaryFolder()
    for name in ["rollout.db", "rollout.db-wal", "rollout.lock"] {
      let bytes = folder.read(name)
      let target = Glibc.open("\(crashed.path)/\(name)", O_WRONLY | O_CREAT, 0o600)
      try #require(write(target, bytes, bytes.count) == bytes.count)
      Glibc.close(target)
    }
    await server.stop()
    let whole = TemporaryFolder()
    for name in ["rollout.db", "rollout.db-wal", "rollout.lock"] {
      let bytes = crashed.read(name)
      let target = Glibc.open("\(whole.path)/\(name)", O_WRONLY | O_CREAT, 0o600)
      try #require(write(target, bytes, bytes.count) == bytes.count)
      Glibc.close(target)
    }
    #expect(!crashed.read("rollout.db-wal").isEmpty)
    remove("\(crashed.path)/rollout.db-wal")
    #expect(try await refusal(crashed).contains("rollout.db-wal is gone"))
    let directory = try DataDirectory(whole.path)
    let store = try Store(directory, now: Samples.start)
    #expect(try await store.loadPlans().readable.first?.status == .paused)
    await store.close()
  }

  @Test func `a main file from elsewhere is refused`() async throws {
    let (folder, other) = (try await used(), try await used())
    let bytes = other.read("rollout.db")
    let target = Glibc.open("\(folder.path)/rollout.db", O_WRONLY | O_TRUNC)
    try #require(write(target, bytes, bytes.count) == bytes.count)
    Glibc.close(target)
    #expect(try await refusal(folder).contains("another data directory"))
  }

  @Test func `a damaged main file is refused and named`() async throws {
    let folder = try await used()
    damage(folder, "rollout.db")
    #expect(try await refusal(folder).contains("\(folder.path)/rollout.db"))
  }

  // MARK: Its siblings

  @Test func `damaged measurements are set aside by themselves, and that is said`() async throws {
    let folder = try await used()
    damage(folder, "telemetry.db")
    let server = try await start(folder)
    #expect(try await warning(server, "files")?.contains("telemetry.db.corrupt-") == true)
    #expect(try await server.send("GET", "/readyz").status == 200)
    await server.stop()
    let again = try await start(folder)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    await again.stop()
  }

  @Test func `damaged jobs refuse the start until they are set aside`() async throws {
    let folder = try await used()
    damage(folder, "jobs.db")
    let why = try await refusal(folder)
    #expect(why.contains("jobs.db cannot be used") && why.contains("--quarantine"), "\(why)")
    let server = try await start(folder, allow { $0.quarantines = true })
    #expect(try await warning(server, "files")?.contains("jobs.db.corrupt-") == true)
    await server.stop()
  }

  // MARK: Money

  @Test(arguments: ["missing", "damaged", "forged holds"])
  func `lost spending keeps hard budgets shut until a person accepts it`(how: String) async throws {
    let folder = try await used()
    switch how {
    case "missing": remove("\(folder.path)/budget.db")
    case "damaged": damage(folder, "budget.db")
    default: damage(folder, "holds.bin")
    }
    let first = try await start(folder)
    #expect(try await warning(first, "budgets:lost")?.contains("rollout budget accept") == true)
    await first.stop()
    // It stays so over restarts.
    let server = try await start(folder)
    let list = try await server.send("GET", "/v1/budgets").json
    #expect(list["lost"]?.string != nil)
    let shut = list["budgets"]?.array?.first { $0["name"]?.string == "cap" }?["shut"]?.bool
    #expect(shut == true)
    #expect(
      try await server.send("POST", "/v1/budgets/accept", #"{"name":"cap"}"#).status == 422)
    #expect(
      try await server.send("POST", "/v1/budgets/accept", #"{"name":"x","reason":"y"}"#).status
        == 404)
    let opened = try await server.send(
      "POST", "/v1/budgets/accept", #"{"name":"cap","reason":"the bill says $3"}"#)
    #expect(opened.status == 200, "\(opened.text)")
    #expect(opened.json["budgets"]?.array?.allSatisfy { $0["shut"] == nil } == true)
    #expect(opened.json["accepted"]?.array?.first?["actor"]?.string == "token:admin")
    #expect(
      try await server.send("POST", "/v1/budgets/accept", #"{"reason":"all of them"}"#).status
        == 200)
    await server.stop()
    let again = try await start(folder)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    #expect(try await again.send("GET", "/v1/budgets").json["lost"] == nil)
    await again.stop()
  }

  @Test func `shut budgets hold nothing, soft ones go on`() async throws {
    let folder = try await used()
    remove("\(folder.path)/budget.db")
    let directory = try DataDirectory(folder.path)
    let control = try Store(directory, now: Samples.start)
    let money = try await BudgetDatabase(directory, now: Samples.start)
    func line(_ name: String, hard: Bool) -> BudgetLine {
      let limit = Money(nanodollars: 5_000_000_000)
      let account = BudgetAccount(budget: name, scope: "", windowStart: Samples.start)
      return BudgetLine(account: account, ceiling: hard ? limit : nil, limit: limit, alertAt: [])
    }
    let cent = Money(nanodollars: 10_000_000)
    let hard = line("cap", hard: true)
    #expect(try await money.reserve("a", cent, [hard], at: Samples.start) == hard.account)
    #expect(
      try await money.reserve("b", cent, [line("soft", hard: false)], at: Samples.start) == nil)
    try await money.accept("cap", actor: .token("anna"), reason: "x", at: Samples.start)
    #expect(try await money.reserve("c", cent, [hard], at: Samples.start) == nil)
    await money.close()
    await control.close()
  }

  // MARK: Under the server

  @Test func `a directory deleted under the server stops writes, not decisions`() async throws {
    let server = try await start(TemporaryFolder())
    try await server.startPlan("ai-summary", #","stages":[{"name":"all","percent":100}]"#)
    let moved = server.folder.path + "-moved"
    rename(server.folder.path, moved)
    // At once, for who writes; within a second for everybody.
    #expect(try await server.send("PUT", "/v1/cohorts/c/members/u?create=true").status == 503)
    #expect(
      try await server.eventually {
        try await warning(server, "store")?.contains("deleted") == true
      })
    let decision = try await server.send("GET", "/v1/features/ai-summary/decision?user=u")
    #expect(decision.json["enabled"]?.bool == true)
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    let killed = try await server.send(
      "POST", "/v1/plans/ai-summary/kill", "{}", headers: [("If-Match", "\"\(version)\"")])
    #expect(killed.status == 202)
    // A new folder of that name is not the one that was opened.
    mkdir(server.folder.path, 0o700)
    server.folder.write("", to: "rollout.db")
    #expect(
      try await server.eventually {
        try await warning(server, "store")?.contains("replaced") == true
      })
    remove("\(server.folder.path)/rollout.db")
    rmdir(server.folder.path)
    rename(moved, server.folder.path)
    #expect(
      try await server.eventually { try await server.send("GET", "/readyz?strict").status == 200 })
    #expect(try await server.send("GET", "/v1/plans/ai-summary").json["durable"] == nil)
    await server.stop()
  }

  @Test func `every file is for its owner only, whatever the folder and the mask`() async throws {
    let folder = TemporaryFolder()
    chmod(folder.path, 0o777)
    let mask = umask(0)
    defer { umask(mask) }
    let server = try await start(folder)
    try await server.startPlan()
    _ = try await server.send("GET", "/v1/budgets")
    for name in [
      "rollout.db", "rollout.db-wal", "telemetry.db", "budget.db", "jobs.db",
      "holds.bin", "rollout.lock", "admin.token",
    ] {
      var info = stat()
      #expect(stat("\(folder.path)/\(name)", &info) == 0, "\(name)")
      #expect(info.st_mode & 0o077 == 0, "\(name)")
    }
    await server.stop()
  }
}
