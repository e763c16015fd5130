import DocumentKit
import RolloutCore
import RolloutEvaluation
import Testing
import YAMLKit

@Suite struct PlanDefinitionTests {
  private func read(_ yaml: String) throws -> PlanDefinition {
    try PlanDefinition(YAMLReader.read(Array(yaml.utf8)))
  }

  private let full = """
    feature: ai-summary
    description: AI summaries in search
    salt: ai-summary-2026
    eligible:
      - {attribute: country, in: [AU, NZ]}
      - all: [{attribute: plan, equals: pro}, {attribute: age, at_least: 18}]
    force_on: [boss@acme.com]
    force_off: [bob]
    holdout: 1%
    stages:
      - {name: internal, rules: [{attribute: email, ends_with: "@acme.com"}], cohort: internal, soak: 7d}
      - {name: beta, cohort: beta, percent: 5, soak: 7d}
      - {name: "25", percent: 25, preset: calm}
      - {name: "100", percent: 100, approvals: 1}
    advance: automatic
    guards:
      - {metric: error_rate, max: 5%, investigate: 1%, action: rollback, window: 200, margin: 0}
      - {metric: latency_p95, max: 9s, action: pause}
      - {metric: cost_per_request, max: $0.02, action: pause}
      - {metric: tokens_per_request, max: 2x, action: notify}
      - {prometheus: "sum(rate(errors[5m]))", max: 0.05, dry_run: true}
    rollback: {to: start, cooldown: 1h}
    preset: sensitive
    attribution: off
    require_evidence: true
    route: summary
    fallback: {content: "Not now."}
    values: {on: {model: a}, off: {model: b}}
    """

  @Test func `a full plan file is read and survives its canonical form`() throws {
    let plan = try read(full)
    #expect(plan.stages.map(\.name) == ["internal", "beta", "25", "100"])
    #expect(plan.stages[0].soak == .days(7))
    #expect(plan.guards[0].window == 200)
    #expect(plan.guards[1].limit == .time(.seconds(9)))
    #expect(plan.guards[2].limit == .money(Money(nanodollars: 20_000_000)))
    #expect(plan.guards[3].limit == .multiple(2))
    #expect(plan.guards[4].metric == .prometheus)
    #expect(plan.rollbackDestination == .start)
    #expect(!plan.attribution)
    #expect(plan.population.eligible?.count == 2)
    let again = try PlanDefinition(JSONReader.read(plan.document.json))
    #expect(again == plan)
  }

  @Test func `another bucketing may have an empty salt, is written back and ours is left out`()
    throws
  {
    let plan = try read("feature: x\nbucketing: unleash\nsalt: \"\"")
    #expect(plan.population.bucketing == .unleash && plan.population.salt.isEmpty)
    #expect(plan.document["bucketing"] == .string("unleash"))
    #expect(try PlanDefinition(JSONReader.read(plan.document.json)) == plan)
    let ours = try read("feature: x\nbucketing: rollout")
    #expect(try ours == read("feature: x") && ours.document["bucketing"] == nil)
    #expect(throws: DocumentError.self) { try read("feature: x\nsalt: \"\"") }
    #expect(throws: DocumentError.self) { try read("feature: x\nbucketing: unleashed") }
    // What a newer server stored is not taken for ours: everybody would be drawn anew.
    let newer = try JSONReader.read(Array(#"{"feature":"x","bucketing":"flipt"}"#.utf8))
    #expect(throws: DocumentError.self) { try PlanDefinition(newer, isStored: true) }
  }

  @Test func `a plan without stages gets the five, guards and cooldown of the house`() throws {
    let plan = try read("feature: x")
    #expect(plan.stages == Stage.defaults)
    #expect(plan.guards == Guard.defaults)
    #expect(plan.cooldown == .minutes(30))
    #expect(plan.population.salt == "x")
    #expect(plan.preset(atStage: 1) == .sensitive)
    #expect(plan.preset(atStage: 2) == .normal)
  }

  @Test(
    arguments: [
      ("feture: x", "1:1: Unknown key \"feture\"; did you mean \"feature\"?"),
      ("description: x", "\"feature\" is missing"),
      ("feature: a b", "A feature key is"),
      (
        "feature: x\nstages:\n  - {name: a, percent: 50}\n  - {name: b, percent: 25}",
        "4:24: stages[1].percent: Percentages never decrease: 25 % after 50 %"
      ),
      ("feature: x\nstages: []", "2:9: stages: Expected 1–30 stages"),
      ("feature: x\nstages: [{name: a}]", "would match nobody"),
      ("feature: x\neligible: []", "would match nobody"),
      ("feature: x\nstages: [{name: a, rules: []}]", "would match nobody"),
      ("feature: x\nstages: [{name: a, rules: [{attribute: b, in: []}]}]", "1–1000 values"),
      ("feature: x\nstages: [{name: a, rules: [{attribute: b, ends_with: \"\"}]}]", "not empty"),
      ("feature: x\nstages: [{name: a, rules: [{attribute: b}]}]", "exactly one of in, not_in"),
      (
        "feature: x\nstages: [{name: a, percent: 5}, {name: a, percent: 6}]", "Two stages are named"
      ),
      ("feature: x\nstages: [{name: off, percent: 5}]", "A stage name is"),
      ("feature: x\nstages: [{name: a, percent: 101}]", "0–100 %"),
      ("feature: x\nstages: [{name: a, percent: 5, soak: forever}]", "Expected a duration"),
      ("feature: x\nstages: [{name: a, percent: 5, soak: 0.001ms}]", "no whole number of milli"),
      ("feature: x\nrollback: {cooldown: 0.5ms}", "no whole number of milliseconds"),
      ("feature: x\nguards: [{metric: latency_mean, max: 800.5ms}]", "no whole number of milli"),
      (
        "feature: x\nguards: [{prometheus: up, max: 9007199254740993}]",
        "would become 9007199254740992"
      ),
      (
        "feature: x\nguards: [{prometheus: up, max: 0.30000000000000000001}]",
        "would become 0.3"
      ),
      (
        "feature: x\nguards: [{metric: error_rate, max: 5%, margin: 0.10000000000000000001}]",
        "would become 0.1"
      ),
      (
        "feature: x\nguards: [{metric: error_rate, max: 5%, evidence: 100.00000000000000001}]",
        "would become 100"
      ),
      (
        "feature: x\nguards: [{metric: cost_per_request, max: 2.00000000000000000001x}]",
        "a multiple such as 2x"
      ),
      ("feature: x\nguards: [{metric: eror_rate, max: 5%}]", "Expected one of error_rate"),
      ("feature: x\nguards: [{metric: error_rate, max: 0}]", "between 0 and 100 %"),
      ("feature: x\nguards: [{metric: error_rate, max: 5%, investigate: 6%}]", "below max"),
      (
        "feature: x\nguards: [{metric: error_rate, max: 5%, counts: [ok]}]",
        "Expected any of failed"
      ),
      ("feature: x\nforce_on: [a]\nforce_off: [a]", "also in force_on"),
      ("feature: x\nrollback: {to: nowhere}", "Expected one of previous, start, off"),
      ("feature: x\nvalues: {on: 1, off: \"0\"}", "must both be"),
      ("feature: x\nfallback: {}", "\"content\" is missing"),
      ("feature: [x]", "found a list"),
      ("- x", "Expected an object, found a list"),
    ])
  func `bad plans are refused with their place and what to do`(
    yaml: String, message: String
  ) throws {
    let error = try #require(throws: DocumentError.self) { try read(yaml) }
    #expect(error.description.contains(message), "\(error)")
  }
}
