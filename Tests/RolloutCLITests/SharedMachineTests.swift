import Foundation
import RolloutTesting
import Testing

/// What one server does to others on the machine, and what it does when the machine has no more.
@Suite struct SharedMachineTests {
  @Test func `a second server on the port of the first is refused, with data of its own too`()
    async throws
  {
    let (first, second) = (TemporaryFolder(), TemporaryFolder())
    let server = try await ServerProcess(data: first.path)
    for host in ["127.0.0.1", "0.0.0.0", "[::]"] {
      let refused = try await run(
        "rollout-server", ["--listen", "\(host):\(server.port)", "--data", second.path])
      #expect(refused.status == 1)
      #expect(refused.errors.contains("Address already in use"), "\(refused.errors)")
    }
    #expect(server.isRunning)
    #expect(server.terminate() == 0)
  }

  @Test func `with no descriptor left the next client is told so, and later ones are served`()
    async throws
  {
    let folder = TemporaryFolder()
    let server = try await ServerProcess(data: folder.path)
    let highest =
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server.id)/fd")
      .compactMap { Int($0) }.max() ?? 0
    // One more than the highest there is: nothing can be opened beyond.
    try limitDescriptors(of: server, to: "\(highest + 1)")
    // The holes below are filled first.
    var inside: [RawConnection] = []
    var refused = ""
    for _ in 0..<64 where refused.isEmpty {
      let client = RawConnection(port: server.port)
      client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
      let text = await client.receive { $0.contains("\r\n\r\n") }.text
      if text.hasPrefix("HTTP/1.1 200 ") { inside.append(client) } else { refused = text }
    }
    #expect(refused.hasPrefix("HTTP/1.1 503 "), "\(refused)")
    #expect(refused.contains("Retry-After: 1\r\n"))
    inside = []
    try limitDescriptors(of: server, to: "1024")
    var isServed = false
    for _ in 0..<50 where !isServed {
      let client = RawConnection(port: server.port)
      client.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
      isServed = await client.receive { $0.contains("\r\n\r\n") }.text.contains("200 OK")
    }
    #expect(isServed)
    #expect(server.terminate() == 0)
  }

  /// Sets the soft limit of a running server.
  private func limitDescriptors(of server: ServerProcess, to limit: String) throws {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/prlimit")
    process.arguments = ["--pid", "\(server.id)", "--nofile=\(limit):"]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }
}
