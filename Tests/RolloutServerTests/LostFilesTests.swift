import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// The files beside the main one, when an old copy, an empty file or none is found at a start.
@Suite struct LostFilesTests {
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

  private func refusal(
    _ folder: TemporaryFolder, _ allow: (inout DataDirectory.Permissions) -> Void = { _ in }
  ) async throws -> String {
    do {
      let server = try await start(folder, allow)
      await server.stop()
      return "it started"
    } catch { return "\(error)" }
  }

  private func warning(_ server: TestServer, _ what: String) async throws -> String? {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return list.first { $0["what"]?.string == what }?["detail"]?.string
  }

  private func copy(_ from: TemporaryFolder, _ name: String, to: TemporaryFolder) throws {
    try keep(from.read(name), name, in: to)
  }

  private func keep(_ bytes: [UInt8], _ name: String, in to: TemporaryFolder) throws {
    let target = Glibc.open("\(to.path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { Glibc.close(target) }
    try #require(write(target, bytes, bytes.count) == bytes.count)
  }

  private static let files = [
    "rollout.lock", "admin.token", "rollout.db", "rollout.db-wal", "jobs.db", "jobs.db-wal",
    "budget.db", "budget.db-wal", "telemetry.db", "holds.bin",
  ]

  /// The directory as kill -9 would leave it now, without some files.
  private func crashed(_ server: TestServer, without: Set<String> = []) throws -> TemporaryFolder {
    let names = Self.files.filter { !without.contains($0) }
    // It stops all files at one moment, so they are read until none has changed meanwhile.
    var found = names.map(server.folder.read)
    for _ in 0..<100 {
      let again = names.map(server.folder.read)
      if again == found { break }
      found = again
    }
    let folder = TemporaryFolder()
    for (name, bytes) in zip(names, found) { try keep(bytes, name, in: folder) }
    return folder
  }

  /// A server with a feature that spends and one whose jobs wait.
  private func begin() async throws -> TestServer {
    let server = try await start(TemporaryFolder())
    for (feature, route) in [("ai", "quick"), ("later", "late")] {
      try await server.startPlan(
        feature, #","route":"\#(route)","stages":[{"name":"all","percent":100}]"#)
    }
    return server
  }

  private func ask(_ server: TestServer) async throws -> Int {
    try await server.send(
      "POST", "/v1/features/ai/complete", #"{"user":"anna","prompt":"hi","max_tokens":50}"#
    ).status
  }

  private func spent(_ server: TestServer) async throws -> Double {
    try await server.send("GET", "/v1/budgets").json["budgets"]?.array?.first?["spent_usd"]?.double
      ?? -1
  }

  private func submit(_ server: TestServer) async throws -> String {
    let answer = try await server.send(
      "POST", "/v1/features/later/jobs", #"{"user":"anna","prompt":"hi","max_tokens":5}"#)
    return try #require(answer.json["job_id"]?.string, "\(answer.text)")
  }

  // MARK: Money

  /// Hard budgets are shut, for `why`, until a person says otherwise; over restarts.
  private func expectShut(_ folder: TemporaryFolder, _ why: String) async throws {
    let server = try await start(folder)
    let said = try await warning(server, "budgets:lost")
    #expect(said?.contains(why) == true, "\(said ?? "nothing")")
    #expect(try await ask(server) == 429)
    await server.stop()
    let again = try await start(folder)
    #expect(try await ask(again) == 429)
    #expect(
      try await again.send("POST", "/v1/budgets/accept", #"{"reason":"the bill"}"#).status == 200)
    #expect(try await ask(again) == 200)
    await again.stop()
    let well = try await start(folder)
    #expect(try await warning(well, "budgets:lost") == nil)
    #expect(try await ask(well) == 200)
    await well.stop()
  }

  @Test(arguments: [["budget.db"], ["budget.db", "holds.bin"]])
  func `an older copy of what was spent keeps hard budgets shut`(names: [String]) async throws {
    let first = try await begin()
    #expect(try await ask(first) == 200)
    await first.stop()
    let old = TemporaryFolder()
    for name in names { try copy(first.folder, name, to: old) }
    let second = try await start(first.folder)
    #expect(try await ask(second) == 200)
    await second.stop()
    for name in names { try copy(old, name, to: first.folder) }
    try await expectShut(first.folder, "budget.db was older")
  }

  @Test func `spending whose log is gone after kill -9 keeps hard budgets shut`() async throws {
    let server = try await begin()
    #expect(try await ask(server) == 200)
    let spent = try await spent(server)
    #expect(spent > 0)
    let whole = try crashed(server)
    let cut = try crashed(server, without: ["budget.db-wal"])
    await server.stop()
    let again = try await start(whole)
    #expect(try await warning(again, "budgets:lost") == nil)
    #expect(try await self.spent(again) == spent)
    await again.stop()
    try await expectShut(cut, "its log is gone")
  }

  @Test func `a power loss may take the last spending, and shuts nothing`() async throws {
    let server = try await begin()
    #expect(try await ask(server) == 200)
    #expect(try await spent(server) > 0)
    let folder = try crashed(server, without: ["budget.db-wal"])
    await server.stop()
    let mark = String(decoding: folder.read("rollout.lock"), as: UTF8.self)
    let boot = "00000000-0000-4000-8000-000000000000"
    _ = folder.write(mark.replacing(DirectoryMark.thisBoot, with: boot), to: "rollout.lock")
    for name in ["rollout.db", "jobs.db"] {
      let file = try Connection(path: "\(folder.path)/\(name)", durability: .normal)
      try file.run(
        "UPDATE data_directory SET mark = replace(mark, :this, :other)",
        ["this": .text(DirectoryMark.thisBoot), "other": .text(boot)])
      file.close()
    }
    let again = try await start(folder)
    #expect(try await warning(again, "budgets:lost") == nil)
    #expect(try await ask(again) == 200)
    #expect(try await spent(again) > 0)
    // From here on it counts exactly again.
    let cut = try crashed(again, without: ["budget.db-wal"])
    await again.stop()
    try await expectShut(cut, "budget.db was older")
  }

  @Test func `holds that are missing after a proper end, or an old copy, keep hard budgets shut`()
    async throws
  {
    let first = try await begin()
    await first.stop()
    let old = TemporaryFolder()
    try copy(first.folder, "holds.bin", to: old)
    remove("\(first.folder.path)/holds.bin")
    try await expectShut(first.folder, "holds.bin was missing")
    try copy(old, "holds.bin", to: first.folder)
    try await expectShut(first.folder, "holds.bin could not be used")
  }

  @Test func `a first start that was interrupted has lost neither money nor jobs`() async throws {
    let folder = TemporaryFolder()
    do {
      let directory = try DataDirectory(folder.path)
      let store = try Store(directory, now: Samples.start)
      await store.close()
      directory.release()
    }
    let server = try await start(folder)
    #expect(try await server.send("GET", "/readyz?strict").status == 200)
    await server.stop()
  }

  // MARK: Jobs

  @Test(arguments: ["missing", "empty", "its log is gone"])
  func `jobs that were accepted and are gone refuse the start`(how: String) async throws {
    let server = try await begin()
    _ = try await submit(server)
    let without: Set = how == "missing" ? ["jobs.db", "jobs.db-wal"] : ["jobs.db-wal"]
    let folder = try crashed(server, without: without)
    await server.stop()
    if how == "empty" { truncate("\(folder.path)/jobs.db", 0) }
    let why = try await refusal(folder)
    #expect(why.contains("\(folder.path)/jobs.db") && why.contains("--quarantine"), "\(why)")
    #expect(why.contains(how == "its log is gone" ? "jobs.db-wal is gone" : "missing or empty"))
    // A refusal changes nothing.
    #expect(try await refusal(folder) == why)
    let anew = try await start(folder) { $0.quarantines = true }
    #expect(try await warning(anew, "files")?.contains("its jobs are lost") == true)
    let id = try await submit(anew)
    await anew.stop()
    let again = try await start(folder)
    #expect(try await again.send("GET", "/v1/jobs/\(id)").status == 200)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    await again.stop()
  }

  @Test func `older jobs refuse the start, or a cancelled one would be processed again`()
    async throws
  {
    let first = try await begin()
    let id = try await submit(first)
    await first.stop()
    let old = TemporaryFolder()
    try copy(first.folder, "jobs.db", to: old)
    let second = try await start(first.folder)
    #expect(try await second.send("DELETE", "/v1/jobs/\(id)").status < 300)
    await second.stop()
    try copy(old, "jobs.db", to: first.folder)
    let why = try await refusal(first.folder)
    #expect(why.contains("jobs.db is older") && why.contains("--accept-older"), "\(why)")
    let older = try await start(first.folder) { $0.acceptsOlder = true }
    #expect(try await older.send("GET", "/v1/jobs/\(id)").status == 200)
    await older.stop()
    #expect(try await refusal(first.folder) == "it started")
  }

  @Test func `missing measurements begin anew, and that is said`() async throws {
    let server = try await begin()
    await server.stop()
    remove("\(server.folder.path)/telemetry.db")
    let again = try await start(server.folder)
    #expect(try await warning(again, "files")?.contains("telemetry.db was missing") == true)
    await again.stop()
    #expect(try await refusal(server.folder) == "it started")
  }

  // MARK: No files

  /// Something of that name that is no file.
  private func put(_ how: String, _ path: String) throws {
    remove(path)
    switch how {
    case "folder": try #require(mkdir(path, 0o700) == 0)
    case "pipe": try #require(mkfifo(path, 0o600) == 0)
    default: try #require(symlink("/nowhere/at/all", path) == 0)
    }
  }

  @Test(arguments: ["folder", "pipe", "link"])
  func `what is no file is set aside where it may be lost, and refused where not`(how: String)
    async throws
  {
    let server = try await begin()
    let folder = server.folder
    await server.stop()
    for name in ["telemetry.db", "budget.db", "holds.bin"] {
      try put(how, "\(folder.path)/\(name)")
      let again = try await start(folder)
      let said = try await warning(again, "files")
      #expect(said?.contains("\(name).corrupt-") == true, "\(name): \(said ?? "")")
      if name != "telemetry.db" { #expect(try await ask(again) == 429) }
      await again.stop()
    }
    try put(how, "\(folder.path)/telemetry.db-wal")
    #expect(try await refusal(folder) == "it started")
    try put(how, "\(folder.path)/jobs.db")
    let why = try await refusal(folder)
    #expect(why.contains("\(folder.path)/jobs.db is no file") && why.contains("--quarantine"))
    let anew = try await start(folder) { $0.quarantines = true }
    await anew.stop()
    try put(how, "\(folder.path)/rollout.db")
    #expect(try await refusal(folder).contains("\(folder.path)/rollout.db is no file"))
  }

  @Test(arguments: ["folder", "pipe"], ["-wal", "-journal", "-shm"])
  func `what is no file beside a database keeps no start waiting, and is named`(
    how: String, suffix: String
  ) async throws {
    let server = try await begin()
    let folder = server.folder
    await server.stop()
    for name in ["telemetry.db", "budget.db"] {
      try put(how, "\(folder.path)/\(name)\(suffix)")
      let again = try await start(folder)
      let said = try await warning(again, "files")
      #expect(said?.contains("\(name).corrupt-") == true, "\(name)\(suffix): \(said ?? "")")
      await again.stop()
    }
    for name in ["jobs.db", "rollout.db"] {
      try put(how, "\(folder.path)/\(name)\(suffix)")
      let database = folder.read(name)
      for quarantines in [false, true] {
        let why = try await refusal(folder) { $0.quarantines = quarantines }
        #expect(why.contains("\(folder.path)/\(name)\(suffix) is no file. Move it away"))
        // The database beside it is well, and must not be lost by following advice.
        #expect(why.contains("leave \(name) where it is"))
        #expect(!why.contains("--accept-empty") && !why.contains("--quarantine"), "\(why)")
        #expect(folder.read(name) == database)
      }
      remove("\(folder.path)/\(name)\(suffix)")
    }
    let last = try await start(folder)
    await last.stop()
  }

  @Test func `a first start that ended before the holds were written loses nothing`() async throws {
    let folder = TemporaryFolder()
    do {
      // As far as it came: a directory with its main file, and room for the holds.
      let directory = try DataDirectory(folder.path)
      let store = try Store(directory, now: Samples.start)
      await store.close()
      directory.release()
    }
    folder.write("", to: "holds.bin")
    truncate("\(folder.path)/holds.bin", 64 + 65_536 * 64)
    let server = try await start(folder)
    let said = try await warning(server, "files")
    #expect(said == nil, "\(said ?? "")")
    let budgets = try await server.send("GET", "/v1/budgets")
    #expect(!budgets.text.contains("lost"), "\(budgets.text)")
    await server.stop()
  }

  // MARK: The mark

  @Test func `what the lock file says is read as it was written, that of an older version too`()
    throws
  {
    let folder = TemporaryFolder()
    func read(_ text: String) throws -> DirectoryMark? {
      _ = folder.write(text, to: "mark")
      let descriptor = Glibc.open("\(folder.path)/mark", O_RDONLY)
      defer { Glibc.close(descriptor) }
      return try DirectoryMark(readFrom: descriptor)
    }
    var mark = DirectoryMark(identity: "abc", counts: ["rollout.db": .init(commits: 7, durable: 7)])
    #expect(try read(mark.text) == mark)
    let length = mark.text.utf8.count
    mark.counts["jobs.db"] = .init(commits: 3, durable: 2)
    mark.isOpen = false
    #expect(try read(mark.text) == mark)
    #expect(mark.text.utf8.count == length)
    let old = try #require(try read("rollout abc 00000000000000000012 open  \n"))
    #expect(old.boot == nil && old.counts == ["rollout.db": .init(commits: 12, durable: 12)])
    for damaged in ["", "rollout", "rollout abc x open", String(repeating: "z ", count: 4000)] {
      #expect(try read(damaged) == nil)
    }
  }
}
