import Foundation
import RolloutTesting
import Testing

/// Programs whose arguments cannot be read. Needs the right to mount in a namespace of its own.
@Suite struct UnreadableArgumentsTests {
  private static let canUnmountProc =
    (try? unshared(["true"]))?.status == 0

  /// Runs a command where nothing is mounted on `/proc`.
  private static func unshared(_ command: [String]) throws -> Finished {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/unshare")
    process.arguments =
      ["-r", "-m", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"] + command
    let (out, err) = (Pipe(), Pipe())
    process.standardOutput = out
    process.standardError = err
    try process.run()
    let output = out.fileHandleForReading.readDataToEndOfFile()
    let errors = err.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Finished(
      status: process.terminationStatus, output: String(decoding: output, as: UTF8.self),
      errors: String(decoding: errors, as: UTF8.self))
  }

  @Test(.enabled(if: canUnmountProc))
  func `a server that cannot read its arguments starts nothing`() throws {
    let folder = TemporaryFolder()
    let said = try Self.unshared([
      "sh", "-c", "cd \(folder.path) && exec \"$0\" --listen 127.0.0.1:0 --data ./mine",
      program("rollout-server"),
    ])
    #expect(said.status == 1)
    #expect(said.errors.contains("the arguments cannot be read from /proc/self/cmdline"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test(.enabled(if: canUnmountProc))
  func `a client that cannot read its arguments does nothing`() throws {
    let said = try Self.unshared([program("rollout"), "plan", "list"])
    #expect(said.status == 1)
    #expect(said.output.isEmpty)
    #expect(said.errors.contains("arguments cannot be read"))
  }
}
