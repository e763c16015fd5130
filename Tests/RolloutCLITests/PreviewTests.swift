import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// `rollout preview -f` and `rollout rehearse`, by the real programs.
@Suite struct PreviewTests {
  private let folder = TemporaryFolder()

  @Test func `who of a list is in is told before a plan starts, by rule, list and share`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write(
      """
      feature: ai-summary
      stages:
        - {name: internal, cohort: internal, rules: [{attribute: email, ends_with: "@acme.com"}]}
        - {name: "50", percent: 50}
        - {name: "100", percent: 100}
      """, to: "plan.yaml")
    _ = try await server.rollout("plan", "apply", "-f", plan)
    _ = try await server.rollout("cohort", "add", "internal", "anna")
    let users = folder.write(
      "user,email\nanna,a@x.org\nbob,b@acme.com\ncarl,c@x.org\n=eva,\n", to: "users.csv")
    let list = try await server.rollout("preview", "ai-summary", "-f", users)
    #expect(list.status == 0, "\(list)")
    let words = list.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.hasPrefix("USER COHORT NOW AT internal BECAUSE anna internal off on"), "\(list)")
    #expect(words.contains("bob internal off on"), "\(list)")
    #expect(words.contains("2 of 4 (50 %) have ai-summary at stage internal: 2 join, 0"), "\(list)")
    #expect(list.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(list)")
    _ = try await server.rollout("start", "ai-summary")
    let csv = try await server.rollout(
      "preview", "ai-summary", "-f", users, "--stage", "100", "--format", "csv")
    #expect(csv.output.hasPrefix("user,cohort,bucket,now,then,because\nanna,internal,"), "\(csv)")
    #expect(csv.output.contains("\n'=eva,"), "\(csv)")
    #expect(csv.errors.contains("4 of 4 (100 %)") && csv.errors.contains("2 join, 0 leave"))
    let many = (0..<5200).map { #"{"id":"u\#($0)","country":"x"}"# }.joined(separator: "\n")
    let lines = try await server.rollout(
      ["preview", "ai-summary", "-f", "-", "--stage", "50", "--format", "ndjson"], input: many)
    let shown = lines.output.split(separator: "\n")
    try #require(shown.count == 5200, "\(lines.errors)")
    let first = try JSONReader.read(Array(shown[0].utf8))
    let check = try await server.rollout("check", "ai-summary", "--user", "u0")
    #expect(check.output.contains("cohort \(first["cohort"]?.string ?? "?")"), "\(check) \(first)")
    let wrong = try await server.rollout("preview", "ai-summary", "-f", users, "--stage", "7")
    #expect(wrong.status == 1 && wrong.errors.contains("There is no stage"), "\(wrong)")
    #expect(server.terminate() == 0)
  }

  @Test func `sizes, overlaps and costs are told without a list, for people and programs`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    for (name, stages) in [
      ("ai-summary", "[{name: few, cohort: beta, percent: 4}, {name: all, percent: 100}]"),
      ("ai-reply", "[{name: half, percent: 50}]"),
    ] {
      let file = folder.write("feature: \(name)\nstages: \(stages)\n", to: "\(name).yaml")
      #expect(try await server.rollout("plan", "apply", "-f", file).status == 0)
    }
    let page = try await server.rollout(
      "preview", "ai-summary", "--population", "1000000", "--with", "ai-reply")
    #expect(page.status == 0, "\(page)")
    #expect(page.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(page.output)")
    let words = page.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    // σ = √(10⁶ · 0.04 · 0.96) = 196
    #expect(words.contains("few 4 % – 40,000 39,600–40,400"), "\(words)")
    #expect(words.contains("all 100 % – 1,000,000 1,000,000–1,000,000"), "\(words)")
    #expect(words.contains("they draw by different salts: who has one says nothing"), "\(words)")
    #expect(words.contains("both 2 % – 20,000 19,700–20,300"), "\(words)")
    #expect(words.contains("cost unknown: only what comes after the stage"), "\(words)")
    let csv = try await server.rollout(
      "preview", "ai-summary", "--population", "1000000", "--format", "csv")
    #expect(
      csv.output.hasPrefix(
        "stage,per_100000,named,users,low,high\nfew,4000,0,40000,39616,40385\n"), "\(csv.output)")
    let parts = try await server.rollout(
      "preview", "ai-summary", "--with", "ai-reply", "--format", "ndjson")
    let first = try JSONReader.read(Array(parts.output.split(separator: "\n")[0].utf8))
    #expect(first["who"]?.string == "both" && first["per_100000"]?.int == 2000, "\(parts)")
    #expect(first["users"] == nil)
    let json = try await server.rollout("plan", "preview", "ai-summary", "-o", "json")
    let view = try JSONReader.read(Array(json.output.utf8))
    #expect(view["population_unknown"]?.string == "nobody has it at present")
    for wrong in [["--population", "none"], ["--with", "nobody"], ["--with-stage", "half"]] {
      let refused = try await server.rollout(["preview", "ai-summary"] + wrong)
      #expect(refused.status != 0 && refused.errors.count > 20, "\(refused)")
    }
    // Of a list each is known, and a sample stands for more.
    let users = folder.write((0..<400).map { "u\($0)" }.joined(separator: "\n"), to: "u.txt")
    let list = try await server.rollout(
      "preview", "ai-summary", "-f", users, "--no-header", "--with", "ai-reply", "--stage", "all",
      "--population", "1000000", "-o", "json")
    let counts = try JSONReader.read(Array(list.output.utf8))
    let overlap = counts["overlap"]
    let (both, only) = (overlap?["both"]?.int ?? 0, overlap?["only"]?.int ?? 0)
    #expect(both + only == 400 && overlap?["neither"]?.int == 0, "\(list.errors)")
    #expect(both == counts["users"]?.array?.count { $0["other"]?.bool == true })
    let sizes = counts["sizes"]?.array ?? []
    #expect(sizes.last?["users"]?.int == 400)
    // Wilson's bounds of 400 in 400: from 99.05 % on.
    #expect(sizes.last?["of_population"]?["low"]?.int == 990_487, "\(sizes)")
    let table = try await server.rollout(
      "preview", "ai-summary", "-f", users, "--no-header", "--with", "ai-reply", "--stage", "all")
    #expect(table.output.contains("OTHER"))
    #expect(table.output.contains("\(both) have ai-reply at half"), "\(table.output)")
    #expect(table.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(table.output)")
    #expect(server.terminate() == 0)
  }

  @Test func `a rehearsal asks a copy, tells what came of it, and leaves the feature alone`()
    async throws
  {
    let config = folder.write(
      """
      providers: {echo: {kind: echo, latency: 5ms}, broken: {kind: echo, failing: 100%}}
      prices: {small: {input: 0.15, output: 0.60}}
      routes:
        good: {deadline: 5s, targets: [{provider: echo, model: small}]}
        bad: {deadline: 5s, targets: [{provider: broken, model: small}]}
      """, to: "rollout.yaml")
    let server = try await ServerProcess(data: "\(folder.path)/data", config: config)
    for name in ["good", "bad"] {
      let plan = folder.write(
        "feature: \(name)\nroute: \(name)\nfallback: {content: later}\n", to: "\(name).yaml")
      let applied = try await server.rollout("plan", "apply", "-f", plan)
      #expect(applied.status == 0, "\(applied)")
    }
    for _ in 0..<2 {
      let good = try await server.rollout("rehearse", "good", "--for", "2s", "--rate", "20")
      #expect(good.status == 0, "\(good)")
      let words = good.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(words.contains("good 40 requests of 100 people, 20 a second"), "\(good)")
      #expect(words.contains("answered 40 (100 %), 0 by the fallback, 0 not at all"), "\(good)")
      #expect(words.contains("took p50") && words.contains("ct a request"), "\(good)")
      #expect(good.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(good)")
    }
    let bad = try await server.rollout("rehearse", "bad", "--for", "1s", "--rate", "10")
    #expect(bad.output.contains("0 (0 %), 10 by the fallback"), "\(bad)")
    #expect(bad.output.contains("× all targets failed"), "\(bad)")
    let list = try await server.rollout("plan", "list", "--output", "json")
    let plans = try JSONReader.read(Array(list.output.utf8))["plans"]?.array ?? []
    let states = plans.map { "\($0["feature"]?.string ?? "") \($0["status"]?.string ?? "")" }
    #expect(
      states == ["bad draft", "bad-rehearsal archived", "good draft", "good-rehearsal archived"])
    #expect(server.terminate() == 0)
  }
}
