import RolloutTesting
import Testing

/// Names of files, arguments and variables with line breaks and escape sequences in them: what is
/// said of them is one line, and the terminal hears nothing.
@Suite struct HostileArgumentTests {
  /// In a script's log it would be a line of ours.
  private static let name = "a\nforged: all is well\r\u{1B}[2J\u{202E}b"

  private func expectHarmless(_ said: Finished, _ what: [String]) {
    let text = said.output + said.errors
    #expect(text.contains("forged"), "\(what) is not told of: \(text)")
    #expect(!text.contains("\u{1B}") && !text.contains("\r"), "\(what)")
    #expect(!text.contains("\u{202E}"), "\(what)")
    let lines = text.split(whereSeparator: \.isNewline)
    #expect(!lines.contains { $0.hasPrefix("forged") }, "\(what): \(text)")
  }

  private static let commands = [
    ["plan", "apply", "-f", name], ["plan", "diff", "-f", name],
    ["cohort", "import", "beta", name],
    [name], ["plan", name], ["plan", "list", name], ["plan", "list", "--\(name)"], ["--\(name)"],
    ["plan", "list", "--output", name], ["plan", "list", "--token-file", name],
    ["plan", "list", "--url", "http://127.0.0.1:1/\(name)"], ["plan", "show", "a", "--url", name],
    ["check", "a", "--user", "u", "--attr", name], ["advance", "a", "--if-version", name],
    ["plan", "backtest", "a", "--guard", name], ["plan", "backtest", "a", "-f", name],
    ["why", "a", "--at", name],
  ]

  @Test func `the command line forges no line`() async throws {
    let folder = TemporaryFolder()
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: a", to: "a.yaml")
    #expect(try await server.rollout("plan", "apply", "-f", plan).status == 0)
    for arguments in Self.commands {
      let said = try await server.rollout(arguments)
      #expect(said.status != 0, "\(arguments)")
      expectHarmless(said, arguments)
    }
    let user = try await server.rollout("cohort", "add", "beta", Self.name)
    #expect(user.status == 0)
    expectHarmless(user, ["cohort add"])
    _ = server.terminate()
  }

  @Test(arguments: ["ROLLOUT_URL", "ROLLOUT_TOKEN_FILE"])
  func `a variable forges no line`(variable: String) async throws {
    let said = try await run("rollout", ["plan", "list"], environment: [variable: Self.name])
    #expect(said.status != 0)
    expectHarmless(said, [variable])
  }

  @Test func `a file of a strange name forges no line, whatever is wrong in it`() async throws {
    let folder = TemporaryFolder()
    let file = folder.write("feature: [", to: "\(Self.name).yaml")
    expectHarmless(try await run("rollout", ["plan", "apply", "-f", file]), [file])
    expectHarmless(try await run("rollout", ["plan", "apply", "-f", folder.path]), [file])
    let config = folder.write("providers: {}\nroutes: {}\n", to: "\(Self.name).conf")
    for (arguments, status) in [
      (["check-config", "--config", file], 78), (["check-config", "--config", config], 0),
      (["--listen", Self.name], 2), (["--\(Self.name)"], 2), (["check-config", Self.name], 2),
    ] as [([String], Int32)] {
      let said = try await run("rollout-server", arguments)
      #expect(said.status == status, "\(arguments): \(said.errors)")
      expectHarmless(said, arguments)
    }
  }
}
