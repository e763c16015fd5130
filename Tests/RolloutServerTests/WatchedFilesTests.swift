import DocumentKit
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer
@testable import RolloutStore

/// Files that are deleted, replaced or cut under a server that runs.
@Suite struct WatchedFilesTests {
  private let yaml = """
    providers: {echo: {kind: echo}}
    prices: {m: {input: 1, output: 1}}
    routes: {r: {targets: [{provider: echo, model: m}]}}
    budgets:
      - {name: cap, limit_usd: 5, window: total, match: {feature: hard}}
      - {name: soft, limit_usd: 5, window: total, hard: false}
    """

  private func start(_ folder: TemporaryFolder = TemporaryFolder()) async throws -> TestServer {
    try await TestServer(yaml, folder: folder)
  }

  private func begin() async throws -> TestServer {
    let server = try await start()
    for feature in ["hard", "soft"] {
      try await server.startPlan(
        feature, #","route":"r","stages":[{"name":"all","percent":100}]"#)
      #expect(try await ask(server, feature) == 200)
    }
    return server
  }

  private func ask(_ server: TestServer, _ feature: String) async throws -> Int {
    try await server.send(
      "POST", "/v1/features/\(feature)/complete",
      #"{"user":"anna","prompt":"hi","max_tokens":5}"#
    ).status
  }

  private func warning(_ server: TestServer, _ what: String) async throws -> String? {
    let list = try await server.send("GET", "/readyz").json["warnings"]?.array ?? []
    return list.first { $0["what"]?.string == what }?["detail"]?.string
  }

  /// Whether it is said within two seconds.
  private func isSaid(_ server: TestServer, _ what: String, _ words: String) async throws -> Bool {
    for _ in 0..<40 {
      if try await warning(server, what)?.contains(words) == true { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return false
  }

  // MARK: The lock

  @Test(arguments: ["deleted", "replaced"])
  func `a lock file that is gone lets no second server in, and is made anew`(how: String)
    async throws
  {
    let server = try await begin()
    let lock = "\(server.folder.path)/rollout.lock"
    remove(lock)
    if how == "replaced" { _ = server.folder.write("something else\n", to: "rollout.lock") }
    let error = #expect(throws: StoreError.self) { try DataDirectory(server.folder.path) }
    #expect(error.map { "\($0)" }?.contains("another server holds") == true)
    #expect(try await isSaid(server, "files", "rollout.lock was deleted or replaced"))
    #expect(try await server.send("GET", "/readyz?strict").status == 503)
    #expect(throws: StoreError.self) { try DataDirectory(server.folder.path) }
    // It says what was acknowledged, as the first did.
    try await server.command("pause", "hard")
    await server.stop()
    let mark = String(decoding: server.folder.read("rollout.lock"), as: UTF8.self)
    #expect(mark.hasPrefix("rollout ") && mark.contains("closed\n"), "\(mark)")
    let again = try await start(server.folder)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    await again.stop()
  }

  // MARK: Plans

  @Test(arguments: ["cut", "written over"])
  func `a main file that is spoilt is no longer acknowledged to, and refuses the next start`(
    how: String
  ) async throws {
    let server = try await begin()
    let path = "\(server.folder.path)/rollout.db"
    if how == "cut" {
      truncate(path, 0)
    } else {
      let descriptor = Glibc.open(path, O_WRONLY)
      _ = pwrite(descriptor, Array(repeating: UInt8(0), count: 100), 100, 0)
      Glibc.close(descriptor)
    }
    let paused = try await server.send(
      "POST", "/v1/plans/hard/pause", "{}", headers: [("If-Match", "\"2\"")])
    #expect(paused.status == 202 && paused.json["durable"]?.bool == false, "\(paused.text)")
    #expect(try await server.send("PUT", "/v1/plans/new", #"{"feature":"new"}"#).status == 503)
    #expect(try await isSaid(server, "store", "\(path) was \(how)"))
    #expect(try await isSaid(server, "store", "put a copy in its place"))
    let decision = try await server.send("GET", "/v1/features/soft/decision?user=u")
    #expect(decision.json["enabled"]?.bool == true)
    await server.stop()
    await #expect {
      _ = try await start(server.folder)
    } throws: {
      "\($0)".contains(path)
    }
  }

  @Test func `a log deleted under the server is moved into its file, and nothing is lost`()
    async throws
  {
    let server = try await begin()
    for name in ["rollout.db", "jobs.db", "budget.db"] {
      let log = "\(server.folder.path)/\(name)-wal"
      #expect(remove(log) == 0)
      #expect(try await isSaid(server, "files", "what was in it is in \(name)"), "\(name)")
      #expect(access(log, F_OK) == 0, "\(name)")
    }
    try await server.command("pause", "hard")
    // As kill -9 would leave it.
    let crashed = TemporaryFolder()
    for name in ["rollout.db", "rollout.db-wal", "rollout.lock"] {
      let bytes = server.folder.read(name)
      let target = Glibc.open("\(crashed.path)/\(name)", O_WRONLY | O_CREAT, 0o600)
      try #require(write(target, bytes, bytes.count) == bytes.count)
      Glibc.close(target)
    }
    await server.stop()
    let store = try Store(try DataDirectory(crashed.path), now: Samples.start)
    #expect(try await store.loadPlans().readable.count { $0.status == .paused } == 1)
    await store.close()
  }

  @Test(arguments: ["cut", "halved", "written over"])
  func `a log cut or written over under the server is written anew, and nothing is lost`(
    how: String
  ) async throws {
    let server = try await begin()
    for name in ["rollout.db", "jobs.db", "budget.db"] {
      let log = "\(server.folder.path)/\(name)-wal"
      let size = server.folder.read("\(name)-wal").count
      #expect(size > 0, "\(name)")
      if how == "written over" {
        let descriptor = Glibc.open(log, O_WRONLY)
        let noise = [UInt8](repeating: 0xAB, count: size - 32)
        #expect(pwrite(descriptor, noise, noise.count, 32) == noise.count)
        Glibc.close(descriptor)
      } else {
        truncate(log, how == "cut" ? 0 : size / 2)
      }
      #expect(try await isSaid(server, "files", "what was in it is in \(name)"), "\(name)")
    }
    try await server.command("pause", "hard")
    #expect(try await ask(server, "soft") == 200)
    #expect(try await server.send("GET", "/readyz").json["warnings"]?.array?.count == 1)
    // At once, for who writes.
    truncate("\(server.folder.path)/rollout.db-wal", 0)
    try await server.command("pause", "soft")
    // And for who ends.
    truncate("\(server.folder.path)/rollout.db-wal", 0)
    await server.stop()
    let again = try await start(server.folder)
    #expect(try await again.send("GET", "/readyz?strict").status == 200)
    for feature in ["hard", "soft"] {
      let plan = try await again.send("GET", "/v1/plans/\(feature)")
      #expect(plan.json["status"]?.string == "paused", "\(plan.text)")
    }
    await again.stop()
  }

  // MARK: Its siblings

  @Test(arguments: [("jobs.db", "jobs"), ("telemetry.db", "telemetry"), ("budget.db", "budgets")])
  func `a file deleted under the server is said, and well again once it is back`(
    name: String, what: String
  ) async throws {
    let server = try await begin()
    let path = "\(server.folder.path)/\(name)"
    rename(path, path + ".moved")
    #expect(try await isSaid(server, what, "\(path) was deleted"))
    #expect(
      try await server.send("GET", "/metrics").text.contains(
        #"rollout_degraded{what="\#(what)"} 1"#))
    #expect(try await server.send("GET", "/readyz?strict").status == 503)
    if name == "budget.db" {
      #expect(try await ask(server, "hard") == 503)
      #expect(try await ask(server, "soft") == 200)
    }
    rename(path + ".moved", path)
    #expect(
      try await server.eventually { try await server.send("GET", "/readyz?strict").status == 200 })
    #expect(try await ask(server, "hard") == 200)
    await server.stop()
  }

  @Test(arguments: [("jobs.db", "jobs"), ("telemetry.db", "telemetry"), ("budget.db", "budgets")])
  func `a file cut under the server is said`(name: String, what: String) async throws {
    let server = try await begin()
    let path = "\(server.folder.path)/\(name)"
    truncate(path, 0)
    #expect(try await isSaid(server, what, "\(path) was cut"))
    if name == "jobs.db" {
      let job = try await server.send("POST", "/v1/features/soft/jobs", #"{"prompt":"x"}"#)
      #expect(job.status == 503)
    }
    if name == "budget.db" {
      #expect(try await ask(server, "hard") == 503)
      #expect(try await ask(server, "soft") == 200)
    }
    await server.stop()
  }

  @Test(arguments: ["deleted", "cut"])
  func `holds that are gone under the server are made anew from memory`(how: String) async throws {
    let server = try await begin()
    let path = "\(server.folder.path)/holds.bin"
    let size = server.folder.read("holds.bin").count
    if how == "deleted" { remove(path) } else { truncate(path, 10) }
    #expect(try await isSaid(server, "files", "holds.bin was deleted or changed"))
    #expect(server.folder.read("holds.bin").count == size)
    #expect(try await ask(server, "hard") == 200)
    await server.stop()
    let again = try await start(server.folder)
    #expect(try await warning(again, "budgets:lost") == nil)
    await again.stop()
  }
}
