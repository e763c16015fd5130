import Foundation
import RolloutTesting
import Synchronization
import Testing

/// Where this build's programs lie: beside the test bundle.
private let programs = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
  .deletingLastPathComponent()

/// The path of a program of this build.
func program(_ name: String) -> String { programs.appending(path: name).path }

/// What a finished program said.
struct Finished {
  var status: Int32
  var output: String
  var errors: String
}

/// Runs a program of this build to its end. On a thread of its own: waiting blocks.
func run(
  _ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = ""
) async throws -> Finished {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread {
      do {
        let process = Process()
        process.executableURL = programs.appending(path: program)
        process.arguments = arguments
        process.environment = ["PATH": "/usr/bin:/bin"].merging(environment) { $1 }
        let (out, err, stdin) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = out
        process.standardError = err
        process.standardInput = stdin
        try process.run()
        stdin.fileHandleForWriting.write(Data(input.utf8))
        stdin.fileHandleForWriting.closeFile()
        // Both at once: who fills one pipe must not wait for the reader of the other.
        let said = Mutex(Data())
        let isRead = DispatchSemaphore(value: 0)
        let handle = err.fileHandleForReading
        Thread.detachNewThread {
          let all = handle.readDataToEndOfFile()
          said.withLock { $0 = all }
          isRead.signal()
        }
        let output = out.fileHandleForReading.readDataToEndOfFile()
        isRead.wait()
        let errors = said.withLock { $0 }
        process.waitUntilExit()
        continuation.resume(
          returning: Finished(
            status: process.terminationReason == .uncaughtSignal ? -1 : process.terminationStatus,
            output: String(decoding: output, as: UTF8.self),
            errors: String(decoding: errors, as: UTF8.self)))
      } catch {
        continuation.resume(throwing: error)
      }
    }
  }
}

/// The real server as a process of its own.
final class ServerProcess: Sendable {
  let port: Int
  let data: String
  private let process: Process
  /// Kept open, read or not.
  private let log: FileHandle

  /// Starts it on a free port and waits until it says which. From then on its log is read, or, where
  /// `readsLog` is false, nobody reads any more of it.
  init(
    data: String, config: String? = nil, readsLog: Bool = true, environment: [String: String] = [:]
  ) async throws {
    self.data = data
    process = Process()
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.executableURL = programs.appending(path: "rollout-server")
    process.arguments =
      ["--listen", "127.0.0.1:0", "--data", data] + (config.map { ["--config", $0] } ?? [])
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let handle = errors.fileHandleForReading
    var said = ""
    while !said.contains("\"listening\"") {
      let more = handle.availableData
      try #require(!more.isEmpty, "the server ended: \(said)")
      said += String(decoding: more, as: UTF8.self)
    }
    if readsLog { handle.readabilityHandler = { _ = $0.availableData } }
    log = handle
    let address = try #require(said.firstMatch(of: #/"address":"127\.0\.0\.1:(\d+)"/#))
    port = try #require(Int(address.1))
  }

  deinit { if process.isRunning { process.terminate() } }

  var isRunning: Bool { process.isRunning }
  var id: Int32 { process.processIdentifier }

  /// `SIGKILL`: no chance to finish anything.
  func kill() {
    Foundation.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  func signal(_ number: Int32) { Foundation.kill(process.processIdentifier, number) }

  /// `SIGTERM`; returns the exit status.
  func terminate() -> Int32 {
    process.terminate()
    process.waitUntilExit()
    return process.terminationStatus
  }

  func rollout(_ words: String..., environment: [String: String] = [:], input: String = "")
    async throws
    -> Finished
  {
    try await rollout(words, environment: environment, input: input)
  }

  func rollout(_ words: [String], environment: [String: String] = [:], input: String = "")
    async throws
    -> Finished
  {
    let base = [
      "ROLLOUT_URL": "http://127.0.0.1:\(port)", "ROLLOUT_TOKEN_FILE": "\(data)/admin.token",
    ]
    return try await run(
      "rollout", words, environment: base.merging(environment) { $1 }, input: input)
  }
}
