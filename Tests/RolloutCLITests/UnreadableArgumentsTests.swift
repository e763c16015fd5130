import Foundation
import RolloutTesting
import Testing

/// Programs whose arguments cannot be read. Needs the right to mount in a namespace of its own.
@Suite struct UnreadableArgumentsTests {
  private static let canUnmountProc =
    (try? unshared(["true"]))?.status == 0

  /// Runs a command where nothing is mounted on `/proc`, or where the arguments in it are others.
  private static func unshared(_ command: [String], saying words: String = "") throws -> Finished {
    let file =
      words.isEmpty
      ? "" : "mkdir /proc/self && printf '\(words)' > /proc/self/cmdline && "
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/unshare")
    process.arguments =
      ["-r", "-m", "sh", "-c", "mount -t tmpfs none /proc && \(file)exec \"$@\"", "sh"] + command
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

  /// The program's own name alone hides the others; the rest is of another program.
  @Test(
    .enabled(if: canUnmountProc),
    arguments: [
      #"foo\0"#, #"foo"#, #"\0"#, #"foo\0--data\0./other\0"#, #"PROGRAM\0"#,
      #"PROGRAM\0--listen\0"#, #"PROGRAM\0--listen\0127.0.0.1:0\0--data\0./other\0"#,
      #"PROGRAM\0--listen\0127.0.0.1:0\0--data\0./mine\0--accept-empty\0"#,
    ])
  func `arguments that are another process's are refused in words`(words: String) throws {
    let folder = TemporaryFolder()
    for (name, arguments) in [
      ("rollout-server", ["--listen", "127.0.0.1:0", "--data", "./mine"]),
      ("rollout", ["plan", "list"]),
    ] {
      let path = program(name)
      let said = try Self.unshared(
        ["sh", "-c", "cd \(folder.path) && exec \"$0\" \"$@\"", path] + arguments,
        saying: words.replacingOccurrences(of: "PROGRAM", with: path))
      #expect(said.status == 1, "\(name): \(said.errors)")
      #expect(said.errors.contains("not those of this process"), "\(name): \(said.errors)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test func `every argument is taken, also an empty one and one of many bytes`() async throws {
    for odd in ["", "=", "a=b", "b", "ü\u{1F600}", String(repeating: "x", count: 100_000)] {
      for environment in [[:], ["EMPTY": "", "A": "="]] {
        let said = try await run(
          "rollout-server", ["--data", "", "check-config", odd, "last"], environment: environment)
        #expect(said.status == 2)
        #expect(said.errors.hasPrefix("rollout-server: unknown argument \(odd)"))
      }
    }
  }
}
