import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// Plan files: checked without a server, compared in words, written out, and applied together.
@Suite struct PlanFileTests {
  private let folder = TemporaryFolder()

  @Test func `lint names all errors with their lines, for people, programs and pull requests`()
    async throws
  {
    let bad = folder.write(
      "feature: f\nstages:\n  - {name: a, percent: 150%}\n  - {name: b, percent: 9, sook: 1d}\n",
      to: "bad.yaml")
    let good = folder.write("feature: g\n", to: "good.yaml")
    let twin = folder.write("feature: g\n", to: "twin.yaml")
    let broken = folder.write("feature: [\n", to: "zbroken.yaml")
    // No server is asked.
    let nowhere = ["ROLLOUT_URL": "http://127.0.0.1:1", "ROLLOUT_TOKEN_FILE": "/nope"]
    let lint = try await run("rollout", ["plan", "lint", bad], environment: nowhere)
    #expect(lint.status == 1)
    #expect(
      lint.output == """
        \(bad):3:24: stages[0].percent: Expected a share of 0–100 % with up to three decimals, such \
        as 5%. Found: 150%
          3 |   - {name: a, percent: 150%}
            |                        ^~~~
        \(bad):4:27: stages[1]: Unknown key "sook"; did you mean "soak"?
          4 |   - {name: b, percent: 9, sook: 1d}
            |                           ^~~~

        """)
    #expect(lint.errors == "rollout: 2 problems in 1 of 1 file.\n")
    let fine = try await run("rollout", ["plan", "lint", good], environment: nowhere)
    #expect(fine.status == 0 && fine.output == "1 file is fine\n")
    let all = try await run(
      "rollout", ["plan", "lint", folder.path, "--format", "github"], environment: nowhere)
    #expect(all.status == 1)
    let lines = all.output.split(separator: "\n").map(String.init)
    #expect(lines.count == 4 && lines.allSatisfy { $0.hasPrefix("::error file=") }, "\(all)")
    #expect(
      lines[0] == "::error file=\(bad),line=3,col=24,title=stages[0].percent::Expected a share of "
        + "0–100 %25 with up to three decimals, such as 5%25. Found: 150%25", "\(lines[0])")
    #expect(lines[2].contains("twin.yaml,line=1,col=10") && lines[3].contains("zbroken"))
    let json = try await run("rollout", ["plan", "lint", bad, twin, "-o", "json"])
    let document = try JSONReader.read(Array(json.output.utf8))
    #expect(document["files"]?.int == 2 && document["problems"]?.array?.count == 2)
    #expect(document["problems"]?.array?.first?["found"]?.string == "150%")
    #expect(try await run("rollout", ["plan", "lint", "-"], input: "feature: f\n").status == 0)
    #expect(try await run("rollout", ["plan", "lint"]).status == 2)
    #expect(try await run("rollout", ["plan", "lint", broken, "--format", "x"]).status == 2)
    _ = good
  }

  @Test func `init writes a file that lint takes, once, whatever the feature is called`()
    async throws
  {
    for feature in ["ai-summary", "on", "12", "true", "null", "1e5", "a", "x.y_z-1"] {
      let path = "\(folder.path)/\(feature).yaml"
      let made = try await run("rollout", ["plan", "init", feature, "-f", path])
      #expect(made.status == 0, "\(made)")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.hasPrefix("# yaml-language-server: $schema="))
      #expect(try await run("rollout", ["plan", "lint", path]).status == 0, "\(feature)")
      let again = try await run("rollout", ["plan", "init", feature, "-f", path])
      #expect(again.status == 1 && again.errors.contains("Nothing was written"), "\(again)")
      #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
    }
    #expect(try await run("rollout", ["plan", "init", "a b"]).status == 2)
    let shown = try await run("rollout", ["plan", "init", "f", "-f", "-"])
    #expect(shown.output.contains("stages:"))
  }

  private static let rich = """
    feature: ai-summary
    description: "Summaries: all of them # really"
    salt: pepper
    eligible: [{attribute: country, in: [DE, "NO", 12, true]}]
    force_on: ["anna", "12", "on"]
    force_off: [bob]
    holdout: 5%
    stages:
      - {name: internal, cohort: internal, rules: [{attribute: email, ends_with: "@acme.com"}]}
      - {name: "25", percent: 0.25%, soak: 7d, approvals: 1, preset: calm}
      - {name: "100", percent: 100}
    advance: automatic
    guards:
      - {metric: error_rate, max: 5%, investigate: 2%, window: 200, counts: [failed], dry_run: true}
      - {prometheus: 'rate(x{a="b"}[5m])', max: 0.05, action: pause}
      - {metric: cost_per_request, max: $0.02, action: pause}
    rollback: {to: start, cooldown: 1h}
    preset: sensitive
    attribution: off
    require_evidence: true
    fallback: {content: "line\\nbreak"}
    values: {on: {a: [1, null]}, off: {a: 0}}
    """

  @Test func `an export is whole, and the same to the byte after it was applied`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let file = folder.write(Self.rich, to: "rich.yaml")
    #expect(try await server.rollout("plan", "apply", file).status == 0)
    let first = try await server.rollout("plan", "export", "ai-summary")
    #expect(first.status == 0 && first.output.hasPrefix("feature: ai-summary\n"), "\(first)")
    let exported = folder.write(first.output, to: "exported.yaml")
    #expect(try await server.rollout("plan", "lint", exported).status == 0)
    #expect(
      try await server.rollout("plan", "diff", exported, "--exit-code").output.contains("no change")
    )
    #expect(try await server.rollout("plan", "apply", exported).output.contains("unchanged"))
    #expect(try await server.rollout("plan", "export", "ai-summary").output == first.output)
    let json = try await server.rollout("plan", "export", "ai-summary", "-o", "json")
    let asJSON = folder.write(json.output, to: "exported.json")
    #expect(try await server.rollout("plan", "diff", asJSON, "--exit-code").status == 0)
    for key in [
      "salt: pepper", "eligible:", "force_on:", "holdout: 5%", "soak: 7d", "approvals: 1",
      "preset: calm", "prometheus:", "counts:", "attribution: \"off\"", "require_evidence: true",
      "values:",
    ] { #expect(first.output.contains(key), "\(key)") }
    #expect(server.terminate() == 0)
  }

  @Test func `a difference is told in words: stages by name, who joins, who leaves`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let file = folder.write(Self.rich, to: "rich.yaml")
    let new = try await server.rollout("plan", "diff", file, "--exit-code")
    #expect(new.status == 6 && new.output.contains("a new plan"), "\(new)")
    #expect(try await server.rollout("plan", "diff", file).status == 0)
    #expect(try await server.rollout("plan", "apply", file).status == 0)
    #expect(try await server.rollout("start", "ai-summary").status == 0)
    let changed = Self.rich.replacing("soak: 7d", with: "soak: 2d")
      .replacing(", rules: [{attribute: email, ends_with: \"@acme.com\"}]", with: "")
      .replacing("\"100\", percent: 100", with: "all, percent: 100")
      .replacing("[\"anna\", \"12\", \"on\"]", with: "[\"12\", \"on\", eve]")
      .replacing("{metric: error_rate, max: 5%", with: "{metric: error_rate, max: 4%")
      .replacing("cooldown: 1h", with: "cooldown: 2h")
    let other = folder.write(changed, to: "other.yaml")
    let diff = try await server.rollout("plan", "diff", other, "--exit-code")
    #expect(diff.status == 6, "\(diff)")
    for line in [
      "  internal: − email ends with @acme.com", "  25: soak 7 d → 2 d",
      "  all: new stage, after 25: 100 %", "  100: stage is gone (it was 100 %)",
      "  force on: + eve", "  force on: − anna", "  guard error_rate: limit 5 % → 4 %",
      "  after a failure: cooldown 1 h → 2 h",
      "  leave by rule of stage internal: email ends with @acme.com",
    ] { #expect(diff.output.contains(line + "\n"), "\(line) in \(diff.output)") }
    #expect(!diff.output.contains("0 leave") && !diff.output.contains("stages["), "\(diff.output)")
    let json = try await server.rollout("plan", "diff", other, "-o", "json", "--exit-code")
    #expect(json.status == 6)
    #expect(try JSONReader.read(Array(json.output.utf8))["changes"]?.array?.isEmpty == false)
    #expect(server.terminate() == 0)
  }

  @Test func `a folder is applied whole or not at all, and what has no file is put away`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plans = TemporaryFolder()
    _ = plans.write("feature: a\n", to: "a.yaml")
    _ = plans.write("feature: b\nstages: [{name: s, percent: 1}]\n", to: "b.yaml")
    _ = plans.write("{}", to: "plan.schema.json")
    let first = try await server.rollout("plan", "apply", "-f", plans.path, "--reason", "first")
    #expect(first.status == 0, "\(first)")
    #expect(first.output.contains("a: created, version 1") && first.output.contains("b: created"))
    #expect(try await server.rollout("history", "b").output.contains("first"))
    let again = try await server.rollout("plan", "apply", plans.path)
    #expect(again.output == "a: unchanged, version 1\nb: unchanged, version 1\n", "\(again)")
    // The second cannot be: the first is left as it is.
    #expect(try await server.rollout("start", "b").status == 0)
    _ = plans.write("feature: a\ndescription: new\n", to: "a.yaml")
    _ = plans.write("feature: b\nroute: nowhere\n", to: "b.yaml")
    _ = plans.write("feature: c\n", to: "c.yaml")
    let refused = try await server.rollout("plan", "apply", plans.path)
    #expect(refused.status == 1 && refused.errors.contains("nowhere"), "\(refused)")
    let list = try await server.rollout("plan", "list", "-o", "json")
    let versions = try JSONReader.read(Array(list.output.utf8))["plans"]?.array?
      .compactMap { $0["version"]?.int }
    #expect(versions == [1, 2])
    // One that serves cannot be put away, so nothing is done.
    try FileManager.default.removeItem(atPath: "\(plans.path)/b.yaml")
    let unasked = try await server.rollout("plan", "apply", plans.path, "--prune")
    #expect(unasked.status == 2 && unasked.errors.contains("--yes"), "\(unasked)")
    let serving = try await server.rollout("plan", "apply", plans.path, "--prune", "--yes")
    #expect(serving.status == 4 && serving.errors.contains("b: "), "\(serving)")
    #expect(try await server.rollout("plan", "show", "c").status == 1)
    #expect(try await server.rollout("check", "b", "anna").status == 0)
    #expect(try await server.rollout("kill", "b", "--yes").status == 0)
    let inUse = try await server.rollout("plan", "apply", plans.path, "--prune", "--yes")
    #expect(inUse.status == 4 && inUse.errors.contains("--confirm b"), "\(inUse)")
    let pruned = try await server.rollout(
      "plan", "apply", plans.path, "--prune", "--yes", "--confirm", "b")
    #expect(pruned.status == 0 && pruned.output.contains("b: archived"), "\(pruned)")
    #expect(pruned.output.contains("a: changed, version 2\n"), "\(pruned)")
    let done = try await server.rollout(
      "plan", "apply", plans.path, "--prune", "--yes", "-o", "json")
    #expect(try JSONReader.read(Array(done.output.utf8))["plans"]?.array?.count == 2, "\(done)")
    #expect(server.terminate() == 0)
  }
}
