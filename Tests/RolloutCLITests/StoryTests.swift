import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// The README's story, by the real programs.
@Suite(.serialized) struct StoryTests {
  private let folder = TemporaryFolder()

  private func plan(_ text: String = "feature: ai-summary\n") -> String {
    folder.write(text, to: "plan.yaml")
  }

  private func start(_ folder: TemporaryFolder) async throws -> ServerProcess {
    try await ServerProcess(data: "\(folder.path)/data")
  }

  @Test func `a reason with line breaks makes no row of its own, in any output`() async throws {
    let server = try await start(folder)
    _ = try await server.rollout("plan", "apply", "-f", plan())
    let forged = "ok\n9  2026-01-01 00:00:00  killed  token:boss\u{1B}[2J\u{202E}\u{2028}x"
    _ = try await server.rollout("start", "ai-summary", "--reason", forged)
    _ = try await server.rollout("advance", "ai-summary", "--reason", "a test")
    _ = try await server.rollout("rollback", "ai-summary", "--reason", forged)
    for command in [["history", "ai-summary"], ["plan", "show", "ai-summary"]] {
      let shown = try await server.rollout(command)
      #expect(!shown.output.contains("\n9  2026"), "\(shown.output)")
      #expect(shown.output.contains("ok\\n9  2026-01-01"), "\(shown.output)")
      #expect(shown.output.contains("\\u{1B}[2J\\u{202E}\\u{2028}x"), "\(shown.output)")
      let json = try await server.rollout(command + ["--output", "json"])
      for mark in ["\u{1B}", "\u{202E}", "\u{2028}"] {
        #expect(!json.output.contains(mark), "\(json.output)")
      }
      _ = try JSONReader.read(Array(json.output.utf8))
    }
    #expect(server.terminate() == 0)
  }

  @Test func `what is in memory only is said by every command that shows it`() async throws {
    let server = try await start(folder)
    _ = try await server.rollout("plan", "apply", "-f", plan())
    _ = try await server.rollout("start", "ai-summary")
    _ = try await server.rollout("cohort", "add", "internal", "anna")
    let lost = try await server.rollout("cohort", "list", "inernal")
    #expect(lost.status != 0 && lost.errors.contains("Did you mean internal?"), "\(lost)")
    let file = "\(server.data)/rollout.db"
    try FileManager.default.moveItem(atPath: file, toPath: file + ".moved")
    let killed = try await server.rollout("kill", "ai-summary", "--yes")
    #expect(killed.status == 0)
    #expect(killed.output.contains("Not on disk yet: the server cannot write it now"), "\(killed)")
    #expect(killed.output.contains("a restart before that"), "\(killed)")
    let show = try await server.rollout("plan", "show", "ai-summary")
    #expect(show.output.contains("in memory only"), "\(show)")
    let list = try await server.rollout("plan", "list")
    #expect(list.output.contains("not on disk"), "\(list)")
    let left = try await server.rollout("cohort", "remove", "internal", "anna")
    #expect(left.errors.contains("in memory only"), "\(left)")
    try FileManager.default.moveItem(atPath: file + ".moved", toPath: file)
    for _ in 0..<100 {
      let shown = try await server.rollout("plan", "show", "ai-summary")
      if !shown.output.contains("in memory only") { break }
      try await Task.sleep(for: .milliseconds(50))
    }
    let well = try await server.rollout("kill", "ai-summary", "--yes")
    #expect(!well.output.contains("Not on disk"), "\(well)")
    #expect(server.terminate() == 0)
  }

  @Test func `a product manager takes a feature to its users and back`() async throws {
    let server = try await start(folder)
    let applied = try await server.rollout("plan", "apply", "-f", plan())
    #expect(
      applied.output == "ai-summary: created, version 1, draft. Next: rollout start ai-summary\n")
    #expect(applied.status == 0)
    #expect(
      try await server.rollout("plan", "apply", "-f", plan()).output
        == "ai-summary: unchanged, version 1\n")
    #expect(
      try await server.rollout("start", "ai-summary").output
        == "ai-summary serves stage internal. Version 2.\n")
    #expect(try await server.rollout("cohort", "add", "internal", "anna").status == 0)
    let check = try await server.rollout("check", "ai-summary", "--user", "anna")
    #expect(
      check.output.hasPrefix("anna: ai-summary is on, because the user is in cohort internal"))
    let advanced = try await server.rollout("advance", "ai-summary", "--reason", "no complaints")
    #expect(advanced.output == "ai-summary went from internal to beta (5 %). Version 3.\n")
    let show = try await server.rollout("plan", "show", "ai-summary")
    #expect(show.output.contains("▶ beta"))
    #expect(
      show.output.contains(
        """
        next        advance to 25, waits on
                    ◷ outcomes: none of this stage yet
                    ◷ healthy evidence: 0 of 77 samples
                    ◷ healthy evidence: 0 of 22 samples (latency_mean)
                    a person may go on all the same, with a reason
        """))
    let history = try await server.rollout("history", "ai-summary")
    #expect(history.output.contains("internal → beta  admin\n         no complaints"))
    let back = try await server.rollout("rollback", "ai-summary", "--reason", "odd answers")
    #expect(back.output.hasPrefix("ai-summary went back from beta to internal"))
    #expect(
      try await server.rollout("kill", "ai-summary", "--yes").output
        == "ai-summary is killed: nobody has it now. Version 5.\n")
    let list = try await server.rollout("plan", "list", "--output", "json")
    #expect(
      try JSONReader.read(Array(list.output.utf8))["plans"]?.array?.first?["status"]?.string
        == "killed")
    #expect(server.terminate() == 0)
  }

  @Test func `exit codes tell scripts what happened`() async throws {
    let server = try await start(folder)
    _ = try await server.rollout("plan", "apply", "-f", plan())
    _ = try await server.rollout("start", "ai-summary")
    for yes in [[], ["--yes"]] {
      let silent = try await server.rollout(["advance", "ai-summary"] + yes)
      #expect(silent.status == 4 && silent.output.isEmpty)
      #expect(
        silent.errors == """
          rollout: A gate is closed. Waiting on:
            - outcomes: none of this stage yet
            - healthy evidence: 0 of 77 samples
            - healthy evidence: 0 of 22 samples (latency_mean)
          Not open yet; give a reason to go on all the same.

          """, "\(silent.errors)")
    }
    _ = try await server.rollout("advance", "ai-summary", "--reason", "a test")
    let stale = try await server.rollout("advance", "ai-summary", "--if-version", "2")
    #expect(stale.status == 4)
    #expect(stale.output.isEmpty)
    #expect(stale.errors.contains("version 3: admin advanced internal → beta"))
    for (words, status, says) in [
      (["advance"], Int32(2), "FEATURE is missing"), (["advance", "a", "b"], 2, "Unexpected b"),
      (["advance", "x", "--resaon", "y"], 2, "Did you mean --reason?"),
      (["advence", "x"], 2, "Did you mean rollout advance?"),
      (["plan"], 2, "there are: plan list"),
      (["advance", "none"], 1, "There is no feature \"none\""),
      (["start", "ai-summary"], 4, "stage beta: advance it (rollout advance ai-summary)"),
      (["advance", "ai-summary", "--to", "100"], 4, "The next stage is 25"),
      (["plan", "apply"], 2, "-f FILE"),
      (["plan", "apply", "-f", "/nope.yaml"], 1, "No such file"),
      (["plan", "list", "--output", "xml"], 2, "table or json"),
      (["plan", "list", "--url", "http://127.0.0.1:1"], 3, "does not answer"),
    ] {
      let finished = try await server.rollout(words)
      #expect(finished.status == status, "\(words)")
      #expect(finished.errors.contains(says), "\(words): \(finished.errors)")
      #expect(finished.output.isEmpty)
    }
    let wrong = try await server.rollout(
      ["plan", "list"], environment: ["ROLLOUT_TOKEN": "ro_x", "ROLLOUT_TOKEN_FILE": ""])
    #expect(wrong.status == 5)
    let help = try await server.rollout("advance", "--help")
    #expect(help.status == 0)
    #expect(help.output.contains("--force"))
  }

  @Test func `errors in plan files come with file, line and column`() async throws {
    let server = try await start(folder)
    let bad = plan("feature: x\nstages:\n  - {name: a, percent: 50}\n  - {name: b, percent: 20}\n")
    let refused = try await server.rollout("plan", "apply", "-f", bad)
    #expect(refused.status == 1)
    #expect(
      refused.errors.hasPrefix(
        "rollout: \(bad):4:24: stages[1].percent: Percentages never decrease"))
    let config = folder.write("providers:\n  a: {kind: magic}\n", to: "rollout.yaml")
    let checked = try await run("rollout-server", ["check-config", "--config", config])
    #expect(checked.status == 78)
    #expect(checked.errors.contains("rollout.yaml:2:13: providers.a.kind: Expected one of"))
    let usage = try await run("rollout-server", ["--port", "1"])
    #expect(usage.status == 2)
  }

  @Test func `what lacks another's approval is exit 5, a cohort that nobody knows is asked for`()
    async throws
  {
    let server = try await start(folder)
    let file = folder.write(
      #"{"feature":"f","stages":[{"name":"a","percent":1},{"name":"b","percent":9,"approvals":1}]}"#,
      to: "f.json")
    #expect(try await server.rollout("plan", "apply", "-f", file).status == 0)
    #expect(try await server.rollout("start", "f").status == 0)
    for more in [["--reason", "now"], ["--force", "--reason", "now"]] {
      let refused = try await server.rollout(["advance", "f"] + more)
      #expect(refused.status == 5, "\(refused.errors)")
      #expect(refused.errors.contains("1 more person must approve"))
    }
    let unknown = try await server.rollout("cohort", "add", "beta", "anna")
    #expect(unknown.status == 1)
    #expect(unknown.errors.contains("--create"))
    #expect(try await server.rollout("cohort", "add", "beta", "anna", "--create").status == 0)
    #expect(try await server.rollout("cohort", "list", "beta").output == "anna\n")
    #expect(server.terminate() == 0)
  }

  @Test func `a difference names who leaves by a rule, which no drawn id shows`() async throws {
    let server = try await start(folder)
    let rule = #""rules":[{"attribute":"email","ends_with":"@acme.com"}]"#
    let before = folder.write(
      #"{"feature":"f","stages":[{"name":"a",\#(rule),"cohort":"internal"}]}"#, to: "before.json")
    #expect(try await server.rollout("plan", "apply", "-f", before).status == 0)
    #expect(try await server.rollout("start", "f").status == 0)
    let after = folder.write(
      #"{"feature":"f","stages":[{"name":"a","cohort":"internal"}]}"#, to: "after.json")
    let diff = try await server.rollout("plan", "diff", "-f", after)
    #expect(diff.status == 0, "\(diff)")
    #expect(
      diff.output.contains(
        "  a: − email ends with @acme.com\n  leave by rule of stage a: email ends with @acme.com\n"),
      "\(diff.output)")
    #expect(!diff.output.contains("0 leave"), "\(diff.output)")
    #expect(server.terminate() == 0)
  }

  @Test func `tokens and bulk cohorts work from the shell`() async throws {
    let server = try await start(folder)
    let made = try await server.rollout("token", "create", "--name", "app", "--scope", "evaluate")
    let token = made.output.trimmingCharacters(in: .newlines)
    #expect(token.hasPrefix("ro_"))
    _ = try await server.rollout("plan", "apply", "-f", plan())
    let app = ["ROLLOUT_TOKEN": token]
    #expect(
      try await server.rollout(["check", "ai-summary", "--user", "u"], environment: app).status == 0
    )
    #expect(try await server.rollout(["plan", "list"], environment: app).status == 5)
    let users = folder.write("anna\nbob\n", to: "users.txt")
    #expect(
      try await server.rollout("cohort", "import", "beta", users).output
        == "beta: 2 new, 0 were in it already; it has 2 members now\n")
    #expect(try await server.rollout("cohort", "list", "beta").output == "anna\nbob\n")
    _ = try await server.rollout("cohort", "remove", "beta", "anna")
    #expect(try await server.rollout("cohort", "list", "beta").output == "bob\n")
    let id = String(token.split(separator: "_")[1])
    #expect(try await server.rollout("token", "revoke", id, "--confirm", "app").status == 0)
    #expect(
      try await server.rollout(["check", "ai-summary", "--user", "u"], environment: app).status == 5
    )
  }

  @Test func `hostile names cannot steer the terminal`() async throws {
    let server = try await start(folder)
    _ = try await server.rollout("plan", "apply", "-f", plan())
    _ = try await server.rollout("start", "ai-summary", "--reason", "\u{1B}[2Jgone")
    let history = try await server.rollout("history", "ai-summary")
    #expect(!history.output.contains("\u{1B}"))
    #expect(history.output.contains("[2Jgone"))
  }

  @Test func `a second server on the same data is refused`() async throws {
    let server = try await start(folder)
    let second = try await run(
      "rollout-server", ["--listen", "127.0.0.1:0", "--data", server.data])
    #expect(second.status == 1)
    #expect(second.errors.contains("another server holds"))
  }

  @Test func `nothing acknowledged is lost when the server is killed at any moment`() async throws {
    var acknowledged = 0
    for round in 0..<6 {
      let server = try await start(folder)
      if round == 0 {
        _ = try await server.rollout("plan", "apply", "-f", plan())
        _ = try await server.rollout("start", "ai-summary")
        acknowledged = 2
      }
      // Pausing and resuming as fast as it goes, until the server is shot.
      let worker = Task { () -> Int in
        var last = 0
        while true {
          for word in ["pause", "resume"] {
            let finished = try await server.rollout([word, "ai-summary", "--output", "json"])
            guard finished.status == 0 else { return last }
            last = try JSONReader.read(Array(finished.output.utf8))["version"]?.int ?? last
          }
        }
      }
      try await Task.sleep(for: .milliseconds(150 + round * 70))
      server.kill()
      acknowledged = max(acknowledged, try await worker.value)
      let again = try await start(folder)
      let list = try await again.rollout(
        "history", "ai-summary", "--output", "json", "--limit", "1000")
      let events = try #require(try JSONReader.read(Array(list.output.utf8))["events"]?.array)
      let versions = events.compactMap { $0["version"]?.int }
      #expect(versions == Array((1...versions.count).reversed()))
      #expect(versions.count >= acknowledged)
      // Where the kill fell between the two, go back to running.
      _ = try await again.rollout("resume", "ai-summary")
      acknowledged = versions.count
      #expect(again.terminate() == 0)
    }
  }

  @Test func `a folder is applied whole or not at all, and the server's own file is left out`()
    async throws
  {
    let server = try await start(folder)
    let plans = TemporaryFolder()
    _ = plans.write("feature: a\n", to: "a.yaml")
    let bad = plans.write("feature: b\nstagess: []\n", to: "b.yaml")
    _ = plans.write("providers: {}\n", to: "rollout.yaml")
    let refused = try await server.rollout("plan", "apply", "-f", plans.path)
    #expect(refused.status == 1 && refused.errors.contains("\(bad):2:1: "), "\(refused.errors)")
    // The server knows better than the file's form: an unknown route.
    _ = plans.write("feature: b\nroute: nowhere\n", to: "b.yaml")
    let unknown = try await server.rollout("plan", "apply", "-f", plans.path)
    #expect(unknown.status == 1 && unknown.errors.contains("nowhere"), "\(unknown.errors)")
    #expect(try await server.rollout("plan", "show", "a").status == 1)
    _ = plans.write("feature: b\n", to: "b.yaml")
    let applied = try await server.rollout("plan", "apply", "-f", plans.path)
    #expect(applied.status == 0 && applied.output.contains("b: created"), "\(applied.errors)")
    #expect(applied.errors.contains("rollout.yaml is a server's configuration and no plan"))
    _ = plans.write("feature: a\n", to: "c.yaml")
    #expect(
      try await server.rollout("plan", "apply", "-f", plans.path).errors.contains(
        "the same feature"))
    #expect(server.terminate() == 0)
  }

  @Test func `who has a wrong token is told where it came from`() async throws {
    let server = try await start(folder)
    let variable = try await server.rollout(
      "plan", "list", environment: ["ROLLOUT_TOKEN": "wrong"])
    #expect(variable.status == 5)
    #expect(variable.errors.contains("The token came from ROLLOUT_TOKEN."), "\(variable.errors)")
    let file = folder.write("wrong\n", to: "wrong.token")
    let named = try await server.rollout("plan", "list", "--token-file", file)
    #expect(named.errors.contains("The token came from the file \(file)."), "\(named.errors)")
    let short = try await server.rollout(
      "token", "create", "--name", "n", "--scope", "view", "--expires-in", "0d")
    #expect(short.errors.hasPrefix("rollout: expires_in: Expected a duration"), "\(short.errors)")
    #expect(server.terminate() == 0)
  }
}
