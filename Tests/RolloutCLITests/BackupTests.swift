import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// Copies of all databases, taken while they are in use, and history that shows what was changed in
/// it; by the real programs.
@Suite struct BackupTests {
  private let folder = TemporaryFolder()

  private func unpack(_ archive: String, to name: String) async throws -> String {
    let data = "\(folder.path)/\(name)"
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: false)
    let tar = Process()
    tar.executableURL = URL(filePath: "/usr/bin/tar")
    tar.arguments = ["-xf", archive, "-C", data]
    try tar.run()
    tar.waitUntilExit()
    #expect(tar.terminationStatus == 0)
    return data
  }

  @Test func `a copy taken while people write is whole, and a server goes on with it`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: ai-summary\n", to: "plan.yaml")
    _ = try await server.rollout("plan", "apply", "-f", plan)
    _ = try await server.rollout("start", "ai-summary", "--reason", "first people")
    let token = try String(contentsOfFile: "\(server.data)/admin.token", encoding: .utf8)
    let writing = Task {
      for number in 0..<40 where !Task.isCancelled {
        _ = try await server.rollout("cohort", "add", "internal", "user-\(number)")
      }
    }
    for round in 0..<3 {
      let file = "\(folder.path)/\(round).tar"
      let taken = try await server.rollout("backup", file)
      #expect(taken.status == 0 && taken.errors.contains("To put it back: "), "\(taken)")
      let again = try await server.rollout("backup", file)
      #expect(again.status == 2 && again.errors.contains("is there already"), "\(again)")
      let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions]
      #expect((mode as? NSNumber)?.intValue == 0o600)
      let data = try await unpack(file, to: "restored-\(round)")
      let restored = try await ServerProcess(data: data)
      let environment = ["ROLLOUT_TOKEN": token]
      let show = try await restored.rollout(
        "plan", "show", "ai-summary", environment: environment)
      #expect(show.output.contains("active at internal"), "\(show)")
      let verified = try await restored.rollout(
        "history", "ai-summary", "--verify", environment: environment)
      #expect(verified.output.contains("2 changes of all plans"), "\(verified)")
      #expect(restored.terminate() == 0)
    }
    writing.cancel()
    _ = try? await writing.value
    let left = try FileManager.default.contentsOfDirectory(atPath: server.data)
    #expect(!left.contains { $0.hasPrefix("backup") }, "\(left)")
    let out = try await server.rollout("backup", "-")
    #expect(out.status == 0 && out.output.hasPrefix("rollout.db"), "\(out.errors)")
    #expect(server.terminate() == 0)
  }

  @Test func `who may only look gets no copy, and what breaks off leaves none`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let made = try await server.rollout(
      "token", "create", "--name", "viewer", "--scope", "view,operate")
    let file = "\(folder.path)/copy.tar"
    let refused = try await server.rollout(
      "backup", file,
      environment: ["ROLLOUT_TOKEN": made.output.trimmingCharacters(in: .whitespacesAndNewlines)])
    #expect(refused.status == 5, "\(refused)")
    let upstream = ScriptedUpstream()
    for body in ["", "short", String(repeating: "x", count: 4096)] {
      upstream.always { _ in [.answer(200, body)] }
      let broken = try await run(
        "rollout", ["backup", file], environment: ["ROLLOUT_URL": upstream.url])
      #expect(broken.status == 1 && broken.errors.contains("Nothing was kept."), "\(broken)")
    }
    #expect(!FileManager.default.fileExists(atPath: file))
    #expect(!FileManager.default.fileExists(atPath: file + ".part"))
    #expect(server.terminate() == 0)
  }

  @Test
  func `a cohort that plans use is emptied only by its name, and jobs and prompts are listed`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: ai-summary\n", to: "plan.yaml")
    _ = try await server.rollout("plan", "apply", "-f", plan)
    _ = try await server.rollout("cohort", "add", "internal", "anna", "bob")
    let asked = try await server.rollout("cohort", "delete", "internal")
    #expect(asked.status == 2 && asked.errors.contains("--yes"), "\(asked)")
    let refused = try await server.rollout("cohort", "delete", "internal", "--yes")
    #expect(refused.status == 4 && refused.errors.contains("--confirm internal"), "\(refused)")
    let done = try await server.rollout(
      "cohort", "delete", "internal", "--yes", "--confirm", "internal")
    #expect(done.output == "internal is empty; 2 were in it.\n", "\(done)")
    let check = try await server.rollout("check", "ai-summary", "--user", "anna")
    #expect(check.output.contains("ai-summary is off"), "\(check)")
    _ = try await server.rollout("cohort", "add", "--create", "pilots", "carl")
    let free = try await server.rollout("cohort", "delete", "pilots", "--yes")
    #expect(free.output == "pilots is empty; 1 was in it.\n", "\(free)")
    let unknown = try await server.rollout("cohort", "delete", "nobody", "--yes")
    #expect(unknown.status == 1 && unknown.errors.contains("No plan uses"), "\(unknown)")
    #expect(try await server.rollout("jobs", "list").output == "There are no such jobs.\n")
    let job = try await server.rollout("jobs", "show", "job_1")
    #expect(job.status == 1 && job.errors.contains("There is no job"), "\(job)")
    let captures = try await server.rollout("captures", "list", "ai-summary")
    #expect(captures.output.hasPrefix("No prompts are kept"), "\(captures)")
    let tokens = try await server.rollout("token", "list")
    let words = tokens.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.hasPrefix("TOKEN NAME MAY CREATED LAST USED EXPIRES"), "\(tokens)")
    #expect(server.terminate() == 0)
  }
}
