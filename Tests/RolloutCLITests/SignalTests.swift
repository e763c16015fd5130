import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// What signals do to the real process, and what being killed at a bad moment leaves.
@Suite struct SignalTests {
  private let folder = TemporaryFolder()

  private func eventually(_ condition: () async throws -> Bool) async throws -> Bool {
    for _ in 0..<100 {
      if try await condition() { return true }
      try await Task.sleep(for: .milliseconds(50))
    }
    return false
  }

  private func get(_ server: ServerProcess, _ path: String) async -> String {
    let connection = RawConnection(port: server.port)
    connection.send("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return await connection.receive().text
  }

  private func budgets(_ server: ServerProcess) async throws -> String {
    try await server.rollout("budget").output
  }

  @Test func `SIGHUP takes the new file or keeps the old, and the process goes on`() async throws {
    let config = folder.write("budgets: [{name: first, limit_usd: 1}]", to: "rollout.yaml")
    let server = try await ServerProcess(data: "\(folder.path)/data", config: config)
    #expect(try await budgets(server).contains("first"))
    _ = folder.write("budgets: [{name: second, limit_usd: 1}]", to: "rollout.yaml")
    server.signal(SIGHUP)
    #expect(try await eventually { try await budgets(server).contains("second") })
    _ = folder.write("budgets: [{name: third, limit_usd: much}]", to: "rollout.yaml")
    server.signal(SIGHUP)
    #expect(
      try await eventually { await get(server, "/readyz").contains("rollout.yaml:1:") })
    #expect(try await budgets(server).contains("second"))
    #expect(
      await get(server, "/metrics").contains(#"rollout_degraded{what="configuration"} 1"#))
    _ = folder.write("budgets: [{name: fourth, limit_usd: 1}]", to: "rollout.yaml")
    // Many at once are as good as one.
    for _ in 0..<20 { server.signal(SIGHUP) }
    #expect(try await eventually { try await budgets(server).contains("fourth") })
    #expect(await !get(server, "/readyz").contains("configuration"))
    #expect(server.terminate() == 0)
  }

  @Test func `SIGUSR1, SIGUSR2 and a SIGHUP without a file end nothing`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    for number in [SIGUSR1, SIGUSR2, SIGHUP] { server.signal(number) }
    #expect(await get(server, "/livez").contains("alive"))
    try await Task.sleep(for: .milliseconds(100))
    #expect(server.isRunning)
    #expect(server.terminate() == 0)
  }

  @Test func `nobody reads the log: all are served, and the process ends when it is told to`()
    async throws
  {
    let config = folder.write("{}", to: "rollout.yaml")
    let server = try await ServerProcess(
      data: "\(folder.path)/data", config: config, readsLog: false)
    // Each says a line of its own: far more than a pipe takes.
    let wrong = "budgets: [{name: \(String(repeating: "x", count: 2000)), limit_usd: much}]"
    for _ in 0..<300 {
      _ = folder.write(wrong, to: "rollout.yaml")
      server.signal(SIGHUP)
      try await Task.sleep(for: .milliseconds(2))
    }
    let path = "GET /v1/plans HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ro_wrong\r\n\r\n"
    let connection = RawConnection(port: server.port)
    connection.send(String(repeating: path, count: 400))
    let text = await connection.receive(milliseconds: 10_000) {
      $0.components(separatedBy: "HTTP/1.1 4").count > 400
    }.text
    #expect(text.components(separatedBy: "HTTP/1.1 4").count == 401)
    #expect(await get(server, "/livez").contains("alive"))
    let time = ContinuousClock().measure { #expect(server.terminate() == 0) }
    #expect(time < .seconds(10), "\(time)")
  }

  // MARK: admin-token

  @Test func `admin-token makes a new token, but not while a server runs`() async throws {
    let data = "\(folder.path)/data"
    let server = try await ServerProcess(data: data)
    let refused = try await run("rollout-server", ["admin-token", "--data", data])
    #expect(refused.status == 1)
    #expect(refused.errors.contains("another server holds"))
    #expect(server.terminate() == 0)
    let before = try String(contentsOfFile: "\(data)/admin.token", encoding: .utf8)
    let made = try await run("rollout-server", ["admin-token", "--data", data])
    #expect(made.status == 0, "\(made.errors)")
    #expect(made.output == "\(data)/admin.token\n")
    let after = try String(contentsOfFile: "\(data)/admin.token", encoding: .utf8)
    #expect(before != after)
    let attributes = try FileManager.default.attributesOfItem(atPath: "\(data)/admin.token")
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    let again = try await ServerProcess(data: data)
    let list = try await again.rollout("token", "list")
    #expect(list.status == 0)
    #expect(list.output.contains("admin-2"))
    #expect(list.output.contains(" never"))
    #expect(again.terminate() == 0)
  }

  @Test func `admin-token of a folder that is no server's makes nothing`() async throws {
    let made = try await run("rollout-server", ["admin-token", "--data", "\(folder.path)/typo"])
    #expect(made.status == 1)
    #expect(made.errors.contains("rollout.db"))
    #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/typo"))
  }

  @Test func `a first start that is killed at any moment is finished by the next`() async throws {
    for round in 0..<15 {
      let data = "\(folder.path)/data-\(round)"
      let process = Process()
      process.executableURL = URL(filePath: program("rollout-server"))
      process.arguments = ["--listen", "127.0.0.1:0", "--data", data]
      process.standardError = FileHandle.nullDevice
      try process.run()
      try await Task.sleep(for: .milliseconds(4 * round))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      let server = try await ServerProcess(data: data)
      let list = try await server.rollout("token", "list")
      #expect(list.status == 0, "round \(round): \(list.errors)")
      #expect(server.terminate() == 0)
    }
  }
}
