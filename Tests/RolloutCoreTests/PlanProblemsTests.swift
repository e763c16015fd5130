import DocumentKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

/// All that is wrong with a plan file, at once.
@Suite struct PlanProblemsTests {
  private func problems(_ text: String) throws -> [String] {
    PlanDefinition.problems(of: try YAMLReader.read(Array(text.utf8))).map {
      "\($0.position) \($0.path)"
    }
  }

  @Test
  func `every error is named once, in the order of the file, and nothing that follows from one`()
    throws
  {
    let text = """
      feature: my feature
      descripton: x
      stages:
        - {name: a, percent: 150, aprovals: 2}
        - {name: off, cohort: "b d"}
        - name: c
          rules:
            - {attribute: email, ends_with: ""}
            - {attribut: email, in: [a]}
            - {attribute: plan, in: [], equals: 3}
            - {all: [{attribute: a, exists: maybe}]}
        - {name: d, percent: 20}
        - {name: d, percent: 10}
        - {name: e}
      guards:
        - {metric: error_rat, max: 5%}
        - {metric: latency_p95, max: 5%, window: 3}
        - {max: 3%}
      rollback: {to: nowhere, cooldwn: 3m}
      holdout: 0.5
      advance: sometimes
      fallback: {contnt: x}
      """
    #expect(
      try problems(text) == [
        "1:10 feature", "2:1 ", "4:24 stages[0].percent", "4:29 stages[0]",
        "5:12 stages[1].name", "5:25 stages[1].cohort", "8:39 stages[2].rules[0].ends_with",
        "9:10 stages[2].rules[1]", "10:31 stages[2].rules[2].in",
        "11:39 stages[2].rules[3].all[0].exists", "13:12 stages[4].name",
        "13:24 stages[4].percent", "14:5 stages[5]", "16:14 guards[0].metric",
        "17:32 guards[1].max", "17:44 guards[1].window", "18:5 guards[2]", "19:16 rollback.to",
        "19:25 rollback", "20:10 holdout", "21:10 advance", "22:12 fallback",
      ])
  }

  @Test func `a right file has none, and one that is no object has one`() throws {
    #expect(try problems("feature: f").isEmpty)
    #expect(try problems("- f").count == 1)
    #expect(try problems("{}").count == 1)
    #expect(try problems("stages: []").count == 2)
    #expect(try problems("feature: f\nstages: {}\nguards: 3\nvalues: 5\neligible: x").count == 4)
  }

  /// Whatever is broken in it, each broken place is named, and the search for more ends.
  @Test func `errors that are put into a right file are all found`() throws {
    let places: [(key: String, wrong: String)] = [
      ("description", "[]"), ("salt", "\"\""), ("bucketing", "md5"), ("advance", "never"),
      ("preset", "wild"),
      ("attribution", "maybe"), ("require_evidence", "3"), ("dry_run", "x"), ("holdout", "200"),
      ("route", "{}"), ("force_on", "[\"\"]"), ("force_off", "x"), ("eligible", "[]"),
      ("rollback", "{to: x}"), ("fallback", "3"), ("values", "{on: 1, off: a}"),
      ("guards", "[{metric: x, max: 3}]"), ("stages", "[{name: off, percent: 3}]"), ("extra", "1"),
    ]
    var random = SeededRandom(seed: 11)
    for _ in 0..<300 {
      let chosen = places.filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
      let text = "feature: f\n" + chosen.map { "\($0.key): \($0.wrong)\n" }.joined()
      let found = PlanDefinition.problems(of: try YAMLReader.read(Array(text.utf8)))
      #expect(found.map(\.position.line) == Array(2..<(2 + chosen.count)), "\(text)\n\(found)")
    }
  }
}
