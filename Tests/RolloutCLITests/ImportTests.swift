import DocumentKit
import RolloutTesting
import Testing

/// `rollout cohort import` with the files that people have.
@Suite struct ImportTests {
  private let folder = TemporaryFolder()

  private func start() async throws -> ServerProcess {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write(
      #"{"feature":"f","stages":[{"name":"s","cohort":"beta"}]}"#, to: "plan.json")
    #expect(try await server.rollout("plan", "apply", "-f", plan).status == 0)
    return server
  }

  @Test func `a file is recognised, or refused with its line and what to give`() async throws {
    let server = try await start()
    let table = folder.write(
      "\u{FEFF}Name;User_ID\r\n\"A;\r\nnna\";anna\r\nBob;bob\r\n", to: "a.csv")
    let first = try await server.rollout("cohort", "import", "beta", table)
    #expect(first.output == "beta: 2 new, 0 were in it already; it has 2 members now\n")
    #expect(first.errors.isEmpty)
    let list = folder.write("bob\ncarl\n\ncarl\n", to: "b.txt")
    let second = try await server.rollout("cohort", "import", "beta", list)
    #expect(second.output == "beta: 1 new, 1 were in it already; it has 3 members now\n")
    #expect(second.errors.contains("1 stood twice"))
    for (name, text, words) in [
      ("c.csv", "name,plan\nAnna,pro\n", [#"c.csv:1: "#, #""name", "plan""#, "--column"]),
      ("d.csv", "user,plan\nanna\n", ["d.csv:2: 1 columns here"]),
      ("e.ndjson", "{\"user\":\"anna\"}\nbob\n", ["e.ndjson:2: ", "not JSON"]),
      ("f.txt", "Kunde\n1001\n", [#""Kunde""#, "--no-header"]), ("g.txt", "\n\n", ["no users"]),
    ] {
      let refused = try await server.rollout(
        "cohort", "import", "beta", folder.write(text, to: name))
      #expect(refused.status == 1, "\(name): \(refused.output)")
      #expect(refused.errors.contains("Nothing was changed."), "\(refused.errors)")
      for word in words { #expect(refused.errors.contains(word), "\(refused.errors)") }
    }
    let column = try await server.rollout(
      "cohort", "import", "beta", "\(folder.path)/c.csv", "--column", "name")
    #expect(column.output == "beta: 1 new, 0 were in it already; it has 4 members now\n")
    let unknown = try await server.rollout("cohort", "import", "bta", list)
    #expect(unknown.status == 1)
    #expect(unknown.errors.contains("Did you mean beta?") && unknown.errors.contains("--create"))
    #expect(try await server.rollout("cohort", "import", "bta", list, "--create").status == 0)
    // What was listed can be imported.
    let json = try await server.rollout("cohort", "list", "beta", "--output", "json")
    let back = folder.write(json.output, to: "back.json")
    let again = try await server.rollout("cohort", "import", "beta", back)
    #expect(again.output == "beta: 0 new, 4 were in it already; it has 4 members now\n")
  }

  @Test func `more than a call takes comes in portions, and a refused one changes nothing`()
    async throws
  {
    let server = try await start()
    let lines = (0..<250_000).map { "user-\($0)" }
    let good = folder.write(lines.joined(separator: "\n"), to: "many.txt")
    let app = try await server.rollout("token", "create", "--name", "a", "--scope", "view")
    let refused = try await server.rollout(
      ["cohort", "import", "beta", good],
      environment: ["ROLLOUT_TOKEN": app.output.filter { $0 != "\n" }])
    #expect(refused.status == 5)
    #expect(try await server.rollout("cohort", "list", "beta").output.isEmpty)
    let done = try await server.rollout("cohort", "import", "beta", good)
    #expect(done.output == "beta: 250000 new, 0 were in it already; it has 250000 members now\n")
    // No bar where there is no terminal.
    #expect(done.errors.isEmpty)
    let check = try await server.rollout("cohort", "list")
    #expect(check.output.contains("250000"))
  }
}
