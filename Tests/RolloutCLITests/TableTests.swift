import Foundation
import RolloutTesting
import Testing

/// What is made of the table of commands: help, docs/CLI.md, man pages and completion.
@Suite struct TableTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
  private let folder = TemporaryFolder()

  private func names() async throws -> [[String]] {
    try await run("rollout", ["__pages", "names"]).output.split(separator: "\n")
      .map { $0.split(separator: " ").map(String.init) }
  }

  /// A line as a shell runs it, with this build's programs on its path.
  private func shell(
    _ line: String, _ shell: String = "/bin/bash", environment: [String: String] = [:]
  ) throws -> Finished {
    let process = Process()
    process.executableURL = URL(filePath: shell)
    process.arguments = ["-c", line]
    process.currentDirectoryURL = URL(filePath: folder.path)
    let path = URL(filePath: program("rollout")).deletingLastPathComponent().path
    process.environment = ["PATH": "\(path):/usr/bin:/bin", "HOME": folder.path].merging(
      environment
    ) { $1 }
    let (out, err) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
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

  @Test func `every command explains itself in 80 columns, with examples that its parser takes`()
    async throws
  {
    var shown = 0
    for name in try await names() {
      let help = try await run("rollout", name + ["--help"])
      #expect(help.status == 0 && help.errors.isEmpty, "\(name)")
      let lines = help.output.components(separatedBy: "\n")
      #expect(lines.allSatisfy { $0.count <= 80 }, "\(help.output)")
      let start = try #require(lines.firstIndex(of: "Examples"), "\(name) has no examples")
      for line in lines[(start + 1)...] where line.hasPrefix("  rollout ") {
        // Nobody listens there: what comes of it is no error of the command line.
        let tried = try shell(
          "set -o pipefail; \(line.replacing("psql … |", with: "true |"))",
          environment: ["ROLLOUT_URL": "http://127.0.0.1:1"])

        let isAsked = tried.errors.contains("There was no token")
        #expect(tried.status != 2 || isAsked, "\(line): \(tried.errors)")
        #expect(!tried.errors.contains("command not found"), "\(line): \(tried.errors)")
        shown += 1
      }
    }
    #expect(shown > 25)
  }

  @Test func `help stands in groups, and help of a group or a command is asked for in two ways`()
    async throws
  {
    let whole = try await run("rollout", ["help"])
    #expect(try await run("rollout", []).output == whole.output)
    #expect(try await run("rollout", ["--help"]).output == whole.output)
    #expect(whole.output.contains("\nMove a rollout\n  start FEATURE "))
    #expect(whole.output.split(separator: "\n").allSatisfy { $0.count <= 80 })
    let group = try await run("rollout", ["help", "plan"]).output
    #expect(group.contains("plan apply") && !group.contains("kill"))
    #expect(try await run("rollout", ["plan", "--help"]).output == group)
    let one = try await run("rollout", ["help", "plan", "apply"]).output
    #expect(try await run("rollout", ["plan", "apply", "--help"]).output == one)
    let wrong = try await run("rollout", ["help", "nothing"])
    #expect(wrong.status == 2 && wrong.output.isEmpty)
    let create = try await run("rollout", ["token", "create", "--help"]).output
    #expect(create.contains("usage: rollout token create --name NAME"), "\(create)")
    #expect(create.contains("(required)"))
    let missing = try await run("rollout", ["token", "create", "--name", "n"])
    #expect(missing.status == 2 && missing.errors.contains("--scope is missing"), "\(missing)")
  }

  @Test func `docs/CLI.md is what the table says`() async throws {
    let made = try await run("rollout", ["__pages", "cli"]).output
    let kept = try String(contentsOf: Self.root.appending(path: "docs/CLI.md"), encoding: .utf8)
    #expect(made == kept, "run script/pages")
  }

  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/groff")))
  func `every command has a man page that groff has nothing to say about`() async throws {
    for name in [[]] + (try await names()) {
      let page = try await run("rollout", ["__pages", "man"] + name).output
      let path = folder.write(page, to: "page.1")
      let formatted = try shell("groff -man -ww -Tutf8 -P-c \(path) | col -b")
      #expect(formatted.errors.isEmpty, "\(name): \(formatted.errors)")
      for section in ["NAME", "SYNOPSIS"] { #expect(formatted.output.contains(section), "\(name)") }
      #expect(formatted.output.contains("rollout \(name.joined(separator: " "))"), "\(name)")
    }
  }

  // MARK: Completion

  @Test func `names are completed: features, stages, cohorts, tokens, and words to choose from`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: ai-summary\n", to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", "-f", plan).status == 0)
    #expect(try await server.rollout("cohort", "add", "internal", "anna").status == 0)
    func complete(_ words: String...) async throws -> [String] {
      let finished = try await server.rollout(["__complete", "--"] + words)
      #expect(finished.status == 0, "\(words): \(finished.errors)")
      return finished.output.split(separator: "\n").map { $0.components(separatedBy: "\t")[0] }
    }
    #expect(try await complete("adv") == ["advance"])
    #expect(try await complete("plan", "ex") == ["export"])
    #expect(try await complete("advance", "") == ["ai-summary"])
    #expect(try await complete("advance", "b") == [])
    #expect(try await complete("advance", "ai-summary", "--to", "be") == ["beta"])
    #expect(try await complete("rollback", "ai-summary", "--to", "o") == ["off"])
    #expect(try await complete("plan", "preview", "ai-summary", "--stage", "2") == ["25"])
    #expect(try await complete("cohort", "list", "int") == ["internal"])
    #expect(try await complete("cohort", "add", "internal", "") == [])
    #expect(try await complete("token", "revoke", "").count == 1)
    #expect(try await complete("token", "create", "--scope", "ev") == ["evaluate"])
    #expect(try await complete("plan", "apply", "-f", "") == [":files"])
    #expect(try await complete("completion", "f") == ["fish"])
    #expect(try await complete("budget", "acc") == ["accept"])
    #expect(try await complete("advance", "ai-summary", "--re") == ["--reason"])
    #expect(try await complete("advance", "--reason", "x", "--re") == [])
    let url = "http://127.0.0.1:\(server.port)"
    let elsewhere = try await run(
      "rollout", ["__complete", "--", "advance", "--url", url, ""],
      environment: ["ROLLOUT_TOKEN_FILE": "\(server.data)/admin.token"])
    #expect(elsewhere.output.hasPrefix("ai-summary\tdraft"), "\(elsewhere)")
    for (line, name) in [
      (
        #"source <(rollout completion bash); COMP_WORDS=(rollout advance a); COMP_CWORD=2; "#
          + #"_rollout; printf '%s\n' "${COMPREPLY[@]}""#, "bash"
      ),
      ("rollout completion fish | source; complete -C 'rollout advance a'", "fish"),
    ] {
      let path = "/usr/bin/\(name)"
      guard FileManager.default.isExecutableFile(atPath: path) else { continue }
      let finished = try shell(
        line, path,
        environment: [
          "ROLLOUT_URL": url, "ROLLOUT_TOKEN_FILE": "\(server.data)/admin.token",
        ])
      #expect(finished.output.hasPrefix("ai-summary"), "\(name): \(finished)")
    }
    #expect(server.terminate() == 0)
  }

  @Test func `a server that is not there ends completion, and without a word in the shell`()
    async throws
  {
    let finished = try await run(
      "rollout", ["__complete", "--", "advance", ""],
      environment: ["ROLLOUT_URL": "http://127.0.0.1:1"])
    #expect(finished.status == 3 && finished.output.isEmpty)
    let typed = try shell(
      #"source <(rollout completion bash); COMP_WORDS=(rollout advance a); COMP_CWORD=2; _rollout; "#
        + #"echo "${#COMPREPLY[@]}""#, environment: ["ROLLOUT_URL": "http://127.0.0.1:1"])
    #expect(typed.output == "0\n" && typed.errors.isEmpty, "\(typed)")
  }
}
