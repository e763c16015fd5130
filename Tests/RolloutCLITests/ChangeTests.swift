import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// Commands that change something: what they ask, what they take, and whom they ask it as.
@Suite struct ChangeTests {
  private let folder = TemporaryFolder()

  private func server(_ plan: String = "feature: f\n") async throws -> ServerProcess {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let file = folder.write(plan, to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", file).status == 0)
    #expect(try await server.rollout("start", "f").status == 0)
    return server
  }

  @Test func `everything that changes takes a reason and a yes`() async throws {
    for name in [
      "start", "advance", "rollback", "restore", "pause", "resume", "ack", "approve", "kill",
      "complete", "archive", "unarchive", "plan apply", "cohort add", "cohort remove",
      "cohort import", "token create", "token revoke", "budget accept",
    ] {
      let help = try await run("rollout", name.split(separator: " ").map(String.init) + ["--help"])
      #expect(help.output.contains("--reason TEXT"), "\(name)")
      #expect(help.output.contains("--yes"), "\(name)")
    }
  }

  @Test func `without a terminal, kill, archive and everyone need a yes; nothing else does`()
    async throws
  {
    let server = try await server(
      "feature: f\nstages: [{name: a, percent: 10}, {name: b, percent: 20}, {name: all, percent: 100}]\n"
    )
    #expect(try await server.rollout("pause", "f").status == 0)
    #expect(try await server.rollout("resume", "f").status == 0)
    #expect(try await server.rollout("advance", "f", "--force", "--reason", "r").status == 0)
    for words in [["advance", "f", "--force", "--reason", "r"], ["kill", "f"]] {
      let refused = try await server.rollout(words)
      #expect(refused.status == 2 && refused.errors.contains("--yes"), "\(words): \(refused)")
    }
    #expect(try await server.rollout("plan", "show", "f").output.contains("▶ b"))
    let all = try await server.rollout("advance", "f", "--force", "--reason", "r", "--yes")
    #expect(all.status == 0, "\(all)")
    #expect(try await server.rollout("kill", "f", "--yes").status == 0)
    let archive = try await server.rollout("archive", "f")
    #expect(archive.status == 2 && archive.errors.contains("--yes"), "\(archive)")
    // What is in use needs its name as well.
    #expect(try await server.rollout("check", "f", "anna").status == 0)
    let inUse = try await server.rollout("archive", "f", "--yes")
    #expect(inUse.status == 4 && inUse.errors.contains("--confirm f"), "\(inUse)")
    #expect(try await server.rollout("archive", "f", "--yes", "--confirm", "f").status == 0)
    #expect(server.terminate() == 0)
  }

  @Test func `a token that is in use is revoked by its name only`() async throws {
    let server = try await server()
    func make(_ name: String) async throws -> (id: String, text: String) {
      let made = try await server.rollout(
        "token", "create", "--name", name, "--scope", "view", "--reason", "a test", "-o", "json")
      let document = try JSONReader.read(Array(made.output.utf8))
      return (
        try #require(document["id"]?.string), try #require(document["token"]?.string)
      )
    }
    let idle = try await make("idle")
    #expect(try await server.rollout("token", "revoke", idle.id, "--reason", "gone").status == 0)
    let used = try await make("used")
    let view = ["ROLLOUT_TOKEN": "  \(used.text)\r\n"]
    #expect(try await server.rollout(["plan", "list"], environment: view).status == 0)
    for more in [[], ["--confirm", "idle"], ["--yes"]] {
      let refused = try await server.rollout(["token", "revoke", used.id] + more)
      #expect(refused.status == 4 && refused.errors.contains("--confirm used"), "\(refused)")
    }
    #expect(try await server.rollout(["plan", "list"], environment: view).status == 0)
    let gone = try await server.rollout("token", "revoke", used.id, "--confirm", "used")
    #expect(gone.status == 0, "\(gone)")
    #expect(try await server.rollout(["plan", "list"], environment: view).status == 5)
    #expect(server.terminate() == 0)
  }

  @Test func `many users are let in all at once or not at all, whatever interrupts`() async throws {
    let server = try await server()
    let unknown = try await server.rollout("cohort", "add", "nowhere", "a", "b")
    #expect(unknown.status == 1, "\(unknown)")
    let wrong = try await server.rollout(
      "cohort", "add", "internal", "a", String(repeating: "x", count: 600))
    #expect(wrong.status == 1, "\(wrong)")
    #expect(try await server.rollout("cohort", "list", "internal").output.isEmpty)
    let users = (1...400).map { "u\($0)" }
    #expect(try await server.rollout(["cohort", "add", "internal"] + users).status == 0)
    // An interrupt in the middle of many calls: all of them are made, or none was.
    for delay in [0, 15, 40, 90] {
      let process = Process()
      process.executableURL = URL(filePath: program("rollout"))
      process.arguments = ["cohort", "remove", "internal"] + users
      process.environment = [
        "PATH": "/usr/bin:/bin", "ROLLOUT_URL": "http://127.0.0.1:\(server.port)",
        "ROLLOUT_TOKEN_FILE": "\(server.data)/admin.token",
      ]
      process.standardError = FileHandle.nullDevice
      try process.run()
      try await Task.sleep(for: .milliseconds(delay))
      kill(process.processIdentifier, SIGINT)
      process.waitUntilExit()
      let left = try await server.rollout("cohort", "list", "internal").output
        .split(separator: "\n").count
      #expect(left == 0 || left == users.count, "\(delay) ms: \(left)")
      #expect(try await server.rollout(["cohort", "add", "internal"] + users).status == 0)
    }
    #expect(server.terminate() == 0)
  }

  // MARK: Profiles

  @Test func `a profile keeps a server and its token, in a file that nobody else can read`()
    async throws
  {
    let server = try await server()
    let home = TemporaryFolder()
    let url = "http://127.0.0.1:\(server.port)"
    let token = try String(contentsOfFile: "\(server.data)/admin.token", encoding: .utf8)
    func rollout(_ words: [String], _ more: [String: String] = [:], input: String = "")
      async throws -> Finished
    {
      try await run(
        "rollout", words, environment: ["HOME": home.path].merging(more) { $1 }, input: input)
    }
    let wrong = try await rollout(["login", "--url", url], input: "ro_wrong\n")
    #expect(wrong.status == 5 && wrong.errors.contains("does not know this token"), "\(wrong)")
    #expect(try await rollout(["login", "--url", "http://127.0.0.1:1"], input: token).status == 3)
    #expect(try await rollout(["login"], input: token).status == 2)
    let file = "\(home.path)/.config/rollout/config.yaml"
    #expect(!FileManager.default.fileExists(atPath: file))
    let kept = try await rollout(
      ["login", "--profile", "production", "--url", url + "/"], input: "  \(token)\n\n")
    #expect(kept.status == 0 && kept.output.isEmpty, "\(kept)")
    #expect(!kept.errors.contains("ro_"), "\(kept)")
    let attributes = try FileManager.default.attributesOfItem(atPath: file)
    #expect(attributes[.posixPermissions] as? Int == 0o600)
    #expect(try await rollout(["plan", "list", "--profile", "production"]).status == 0)
    #expect(try await rollout(["plan", "list"], ["ROLLOUT_PROFILE": "production"]).status == 0)
    // Nobody named one: the usual one is not there yet, and then it is.
    #expect(try await rollout(["plan", "list"], ["ROLLOUT_URL": url]).status == 5)
    #expect(try await rollout(["login", "--url", url], input: token).status == 0)
    #expect(try await rollout(["plan", "list"]).status == 0)
    #expect(try await rollout(["plan", "list", "--profile", "production"]).status == 0)
    // A profile's token goes to no other server.
    let upstream = ScriptedUpstream()
    upstream.always { _ in [.answer(200, #"{"plans":[],"next":null}"#)] }
    _ = try await rollout(["plan", "list", "--profile", "production", "--url", upstream.url])
    #expect(!upstream.requests.isEmpty)
    #expect(!upstream.requests.contains { $0.contains("ro_") }, "\(upstream.requests)")
    let unknown = try await rollout(["plan", "list", "--profile", "prodution"])
    #expect(unknown.status == 2 && unknown.errors.contains("production"), "\(unknown)")
    #expect(try await rollout(["completion", "bash", "--profile", "none"]).status == 0)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
    let open = try await rollout(["plan", "list"])
    #expect(open.status == 0 && open.errors.contains("chmod 600"), "\(open)")
    try "profiles: {a: {url: x}}".write(toFile: file, atomically: true, encoding: .utf8)
    let broken = try await rollout(["plan", "list"])
    #expect(broken.status == 1 && broken.errors.contains("config.yaml:1:"), "\(broken)")
    #expect(server.terminate() == 0)
  }
}
