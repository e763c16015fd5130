import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// What is typed: what was meant by it, in which form the answer comes, and where it goes.
@Suite struct LineTests {
  private let folder = TemporaryFolder()

  /// Words of which nobody may be told to change something.
  private static let reading: KeyValuePairs = [
    "list": "plan list", "ls": "plan list", "lst": "plan list", "plans": "plan list",
    "status": "plan show", "stat": "plan show", "stats": "plan show", "get": "plan show",
    "show": "plan show", "shwo": "plan show", "describe": "plan show", "logs": "history",
    "events": "history", "log": "history", "histroy": "history", "chekc": "check",
    "tokens": "token list", "cohorts": "cohort list", "budgets": "budget",
  ]
  private static let changing: KeyValuePairs = [
    "promote": "advance", "abort": "rollback", "undo": "rollback", "advence": "advance",
    "pasue": "pause", "delete": "archive", "kil": "kill",
  ]

  @Test func `a word that reads never leads to a command that changes something`() async throws {
    for (word, meant) in Self.reading {
      let finished = try await run("rollout", [word, "ai-summary"])
      #expect(finished.status == 2, "\(word)")
      #expect(
        finished.errors.contains("Did you mean rollout \(meant)?"), "\(word): \(finished.errors)")
    }
    for (word, meant) in Self.changing {
      let finished = try await run("rollout", [word, "ai-summary"])
      #expect(
        finished.errors.contains("Did you mean rollout \(meant)?"), "\(word): \(finished.errors)")
    }
    for word in ["frobnicate", "x", "cat5", "hello", "ai-summary"] {
      let finished = try await run("rollout", [word])
      #expect(finished.status == 2 && !finished.errors.contains("Did you mean"), "\(finished)")
    }
    for (words, says) in [
      (["plan", "lst"], "Did you mean rollout plan list?"),
      (["plan", "status", "f"], "Did you mean rollout plan show?"),
      (["plan", "advance", "f"], "Did you mean rollout advance?"),
      (["token", "delete", "x"], "Did you mean rollout token revoke?"),
      (["cohort", "show"], "Did you mean rollout cohort list?"),
      (["plan", "frobnicate"], "There are: plan list"),
    ] {
      let finished = try await run("rollout", words)
      #expect(finished.status == 2 && finished.errors.contains(says), "\(words): \(finished)")
    }
  }

  /// Whatever is typed within two edits of a word that reads, the answer names nothing that changes.
  @Test func `no misspelling of a word that reads suggests a change`() async throws {
    let changes = ["start", "advance", "rollback", "kill", "pause", "archive", "complete", "ack"]
    var random = SeededRandom(seed: 7)
    for (word, _) in Self.reading {
      for _ in 0..<6 {
        var letters = Array(word)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: letters.remove(at: Int.random(in: 0..<letters.count, using: &random))
        case 1: letters.insert("q", at: Int.random(in: 0...letters.count, using: &random))
        default: letters[Int.random(in: 0..<letters.count, using: &random)] = "q"
        }
        let typed = String(letters)
        guard !typed.isEmpty, typed.count > 3 else { continue }
        let said = try await run("rollout", [typed]).errors
        for change in changes where !typed.hasPrefix("st") {
          #expect(!said.contains("Did you mean rollout \(change)?"), "\(typed): \(said)")
        }
      }
    }
  }

  @Test func `a feature that was misspelt is asked for, in commands that read and that change`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: ai-summary\n", to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", plan).status == 0)
    for words in [
      ["plan", "show", "ai-sumary"], ["why", "ai-sumary"], ["kill", "ai-sumary", "--yes"],
      ["check", "ai-sumary", "anna"], ["plan", "export", "ai-sumary"],
    ] {
      let finished = try await server.rollout(words)
      #expect(finished.status == 1, "\(words)")
      #expect(finished.errors.contains("Did you mean ai-summary?"), "\(words): \(finished.errors)")
    }
    let far = try await server.rollout("plan", "show", "checkout")
    #expect(!far.errors.contains("Did you mean"), "\(far)")
    #expect(server.terminate() == 0)
  }

  @Test func `options stand anywhere, short or long, and what follows two dashes is no option`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: f\n", to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", plan, "--reason", "because").status == 0)
    let said = try await server.rollout("history", "f")
    #expect(said.output.contains("because"), "\(said)")
    #expect(try await server.rollout("plan", "diff", plan).output.contains("no change"))
    for words in [
      ["-o", "json", "plan", "list"], ["plan", "-o", "json", "list"], ["plan", "list", "-o=json"],
      ["--output=json", "plan", "list"],
    ] {
      let finished = try await server.rollout(words)
      #expect(finished.output.hasPrefix(#"{"plans":["#), "\(words): \(finished)")
    }
    for words in [
      ["check", "f", "anna"], ["check", "f", "--user", "anna"], ["check", "f", "--", "--user"],
    ] {
      #expect(try await server.rollout(words).status == 0, "\(words)")
    }
    let twice = try await server.rollout("check", "f", "anna", "--user", "bob")
    #expect(twice.status == 2 && twice.errors.contains("stands twice"), "\(twice)")
    let odd = try await server.rollout("cohort", "add", "--create", "c", "--", "-x", "--help")
    #expect(odd.status == 0, "\(odd)")
    #expect(try await server.rollout("cohort", "list", "c").output == "--help\n-x\n")
    let token = try await server.rollout(
      "token", "create", "--name", "n", "--scope", "view,alert", "-o", "json")
    let scopes = try JSONReader.read(Array(token.output.utf8))["scopes"]?.array
    #expect(scopes?.compactMap(\.string).sorted() == ["alert", "view"], "\(token)")
    for words in [["--version"], ["plan", "list", "--version"], ["kill", "f", "--version"]] {
      let version = try await server.rollout(words)
      #expect(version.status == 0 && version.output.hasPrefix("rollout "), "\(words): \(version)")
    }
    #expect(server.terminate() == 0)
  }

  // MARK: Output

  @Test func `programs get one document per call, of lists of many pages and of failures too`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: f\n", to: "plan.yaml")
    let users = folder.write((1...2500).map { "u\($0)" }.joined(separator: "\n"), to: "users.txt")
    for (words, status, key) in [
      (["plan", "apply", plan], Int32(0), "feature"), (["start", "f"], 0, "stage"),
      (["plan", "list"], 0, "plans"), (["cohort", "import", "internal", users], 0, "added"),
      (["cohort", "list", "internal"], 0, "members"), (["cohort", "list"], 0, "cohorts"),
      (["cohort", "add", "internal", "x", "y"], 0, "users"),
      (["cohort", "remove", "internal", "x", "y"], 0, "users"),
      (["plan", "export", "f"], 0, "feature"),
      (["plan", "show", "f"], 0, "feature"), (["history", "f"], 0, "events"),
      (["check", "f", "anna"], 0, "enabled"), (["token", "list"], 0, "tokens"),
      (["advance", "f"], 4, "waiting_on"), (["advance", "f", "--if-version", "1"], 4, "plan"),
      (["plan", "show", "nothing"], 1, "code"), (["frobnicate"], 2, "detail"),
      (["plan", "apply", "-f", "/nope.yaml"], 1, "detail"),
      (["plan", "list", "--url", "http://127.0.0.1:1"], 3, "detail"),
      (["kill", "f"], 2, "detail"), (["advance"], 2, "detail"),
    ] {
      for form in ["json", "yaml"] {
        let finished = try await server.rollout(words + ["--output", form])
        #expect(finished.status == status || words[0] == "start", "\(words): \(finished)")
        let isJSON = form == "json"
        let document =
          isJSON
          ? try JSONReader.read(Array(finished.output.utf8), depthMax: 64, valuesMax: .max) : nil
        #expect(
          document == nil || document?[key] != nil || words[0] == "start", "\(words): \(finished)")
        if !isJSON {
          #expect(finished.output.contains("\(key):") || words[0] == "start", "\(finished.output)")
        }
        #expect((finished.status == 0) == finished.errors.isEmpty, "\(words): \(finished.errors)")
        if let members = document?["members"]?.array { #expect(members.count == 2500) }
      }
    }
    #expect(server.terminate() == 0)
  }

  private func shell(_ line: String, _ server: ServerProcess) throws -> Finished {
    let process = Process()
    process.executableURL = URL(filePath: "/bin/bash")
    process.arguments = ["-c", line]
    let path = URL(filePath: program("rollout")).deletingLastPathComponent().path
    process.environment = [
      "PATH": "\(path):/usr/bin:/bin", "ROLLOUT_URL": "http://127.0.0.1:\(server.port)",
      "ROLLOUT_TOKEN_FILE": "\(server.data)/admin.token",
    ]
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

  @Test func `a result that cannot be written is a failure: a full disk, a pipe nobody reads`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: f\n", to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", plan).status == 0)
    for line in [
      "rollout plan list > /dev/full", "rollout plan show f -o json > /dev/full",
      "rollout --help > /dev/full", "rollout completion bash > /dev/full",
      "rollout plan list > >(exec 0<&-; exec sleep 0.3); exit $?",
      "set -o pipefail; (sleep 0.3; rollout plan list) | true",
    ] {
      let finished = try shell(line, server)
      #expect(finished.status == 1, "\(line): \(finished)")
      #expect(finished.errors.contains("Standard output cannot be written"), "\(line): \(finished)")
    }
    #expect(server.terminate() == 0)
  }

  @Test
  func `where no characters but ASCII are known, and without colours, the words are the same`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: f\n", to: "plan.yaml")
    #expect(try await server.rollout("plan", "apply", plan).status == 0)
    for words in [["plan", "list"], ["plan", "show", "f"], ["history", "f"], ["--help"]] {
      let plain = try await server.rollout(words)
      for environment in [["LANG": "C", "LC_ALL": "C"], ["NO_COLOR": "1"], ["TERM": "dumb"]] {
        let other = try await server.rollout(words, environment: environment)
        #expect(other.output.count == plain.output.count || words[0] != "--help", "\(environment)")
        #expect(other.status == 0 && !other.output.contains("\u{1B}"), "\(environment)")
      }
    }
    #expect(server.terminate() == 0)
  }
}
