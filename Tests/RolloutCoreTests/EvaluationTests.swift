import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing
import YAMLKit

@Suite struct EvaluationTests {
  private func compile(_ plan: Plan, cohorts: [String: [String]] = [:]) -> CompiledPlan {
    CompiledPlan(plan) { ByteSet(cohorts[$0] ?? []) }
  }

  private func decide(
    _ plan: CompiledPlan, _ user: String?, _ attributes: Attributes = [:]
  ) throws -> Decision {
    guard let user else { return try plan.evaluator.decide(user: nil, attributes: attributes) }
    let bytes = Array(user.utf8)
    return try plan.evaluator.decide(user: bytes.span, attributes: attributes)
  }

  private func plan(_ yaml: String, atStage stage: Int?) throws -> Plan {
    var plan = Samples.plan(atStage: stage)
    plan.definition = try PlanDefinition(
      YAMLReader.read(Array(("feature: ai-summary\n" + yaml).utf8)))
    return plan
  }

  @Test func `cohort is the first stage that includes the user, enabled follows the stage`() throws
  {
    // Bucket of anna under salt ai-summary.
    let bucket = Bucketer(salt: "ai-summary").bucket("anna")
    let expected = bucket < 5000 ? 1 : bucket < 25_000 ? 2 : bucket < 50_000 ? 3 : 4
    for stage in 0...4 {
      let decision = try decide(compile(Samples.plan(atStage: stage)), "anna")
      #expect(decision.entryStage == expected)
      #expect(decision.bucket == bucket)
      #expect(decision.enabled == (expected <= stage))
    }
  }

  @Test func `widening never takes the feature away, rollback removes the last joined first`()
    throws
  {
    let users = (0..<2000).map { "user-\($0)" }
    var before: Set<String> = []
    for stage in 0...4 {
      let compiled = compile(Samples.plan(atStage: stage), cohorts: ["internal": ["user-7"]])
      let now = try Set(users.filter { try decide(compiled, $0).enabled })
      #expect(before.isSubset(of: now))
      before = now
    }
    #expect(before.count == users.count)
  }

  @Test func `lists and rules come before percentages`() throws {
    let plan = try plan(
      """
      stages:
        - {name: internal, cohort: internal, rules: [{attribute: email, ends_with: "@acme.com"}]}
        - {name: "50", percent: 50}
      """, atStage: 0)
    let compiled = compile(plan, cohorts: ["internal": ["anna"]])
    let member = try decide(compiled, "anna")
    #expect(member.enabled)
    #expect(member.reason == .targetingMatch)
    #expect(member.cause == .member(stage: 0))
    let ruled = try decide(compiled, "bob", ["email": .text("bob@acme.com")])
    #expect(ruled.cause == .matchedRule(stage: 0))
    #expect(ruled.enabled)
    let other = try decide(compiled, "bob", ["email": .text("bob@acme.com.evil.example")])
    #expect(!other.enabled)
    #expect(other.reason == .split)
  }

  @Test func `the order is killed, force_off, force_on, eligible, holdout, stages`() throws {
    let yaml = """
      eligible: [{attribute: country, in: [AU]}]
      force_on: [vip]
      force_off: [troll]
      holdout: 50%
      stages: [{name: all, percent: 100}]
      """
    var plan = try plan(yaml, atStage: 0)
    let compiled = compile(plan)
    let home: Attributes = ["country": .text("AU")]
    #expect(try decide(compiled, "vip").cause == .forcedOn)
    #expect(try decide(compiled, "vip").enabled)
    #expect(try decide(compiled, "troll", home).cause == .forcedOff)
    #expect(try decide(compiled, "anna", ["country": .text("DE")]).cause == .notEligible)
    #expect(try decide(compiled, "anna").cause == .notEligible)
    let held = (0..<100).first {
      Bucketer(salt: "ai-summary", purpose: .holdout).bucket("u\($0)") < 50_000
    }
    let user = "u\(try #require(held))"
    #expect(try decide(compiled, user, home).cause == .heldOut)
    plan.status = .completed
    #expect(try decide(compile(plan), user, home).enabled)
    plan.status = .killed
    let killed = try decide(compile(plan), "vip")
    #expect(killed.reason == .disabled)
    #expect(!killed.enabled)
    plan.status = .draft
    #expect(try decide(compile(plan), "vip").reason == .disabled)
  }

  @Test func `no user id is needed at 0 and 100 %, and refused where a percentage decides`() throws
  {
    let all = try decide(compile(Samples.plan(atStage: 4)), nil)
    #expect(all.enabled)
    #expect(all.reason == .static)
    #expect(throws: UserRequired.self) { try decide(compile(Samples.plan(atStage: 1)), nil) }
    #expect(try !decide(compile(Samples.plan(atStage: 0)), nil).enabled)
    let none = try plan(
      "stages: [{name: nobody, percent: 0}, {name: all, percent: 100}]", atStage: 0)
    #expect(try !decide(compile(none), nil).enabled)
    #expect(try !decide(compile(none), "anna").enabled)
  }

  @Test func `a plan rolled back to off serves nobody`() throws {
    var plan = Samples.plan(atStage: -1)
    plan.definition.population.forceOn = ["vip"]
    #expect(try !decide(compile(plan), "vip").enabled)
    #expect(try decide(compile(plan), "anna").reason == .disabled)
  }

  @Test func `explanations name the bucket and its range`() throws {
    let bucketer = Bucketer(salt: "ai-summary")
    let user = try #require(
      (0..<500).map { "u\($0)" }.first { (5000..<25_000).contains(bucketer.bucket($0)) })
    let compiled = compile(Samples.plan(atStage: 3))
    let text = compiled.evaluator.because(try decide(compiled, user))
    #expect(text == "bucket \(bucketer.bucket(user)) is inside 25 % (0–24999)")
  }

  @Test(
    arguments: [
      ("{attribute: a, in: [x, 5]}", "x", true), ("{attribute: a, in: [x, 5]}", "5", true),
      ("{attribute: a, in: [x]}", "X", false), ("{attribute: a, not_in: [x]}", "y", true),
      ("{attribute: b, not_in: [x]}", "y", false), ("{attribute: a, equals: true}", "true", true),
      ("{attribute: a, starts_with: [foo, ba]}", "bar", true),
      ("{attribute: a, contains: oo}", "foo", true),
      ("{attribute: a, contains: oo}", "fo", false),
      ("{attribute: a, greater_than: 18}", "18.5", true),
      ("{attribute: a, at_most: 18}", "old", false), ("{attribute: b, exists: false}", "x", true),
      ("{attribute: a, exists: true}", "x", true),
      ("{attribute: a, ends_with: longer}", "er", false),
    ])
  func `rules match as written, and absent attributes match nothing`(
    rule: String, value: String, matches: Bool
  ) throws {
    let plan = try plan("stages: [{name: s, rules: [\(rule)]}]", atStage: 0)
    #expect(try decide(compile(plan), "u", ["a": .text(value)]).enabled == matches)
  }

  @Test func `a snapshot finds its plans by key`() {
    let plans = (0..<300).map { compile(Samples.plan("feature-\($0)", atStage: 0)) }
    let snapshot = Snapshot(plans: plans, revision: 3)
    #expect(snapshot.plan("feature-217")?.plan.feature == "feature-217")
    #expect(snapshot.plan("feature-300") == nil)
    #expect(snapshot.plan("") == nil)
    #expect(Snapshot.empty.plan("x") == nil)
  }
}

@Suite struct ExposureTests {
  @Test func `widening joins the difference, with the holdout taken off`() {
    let before = Samples.plan(atStage: 1)
    var after = Samples.plan(atStage: 2)
    #expect(Exposure.between(before, after) == Exposure(joins: 20_000, leaves: 0))
    #expect(Exposure.between(after, before) == Exposure(joins: 0, leaves: 20_000))
    after.definition.population.holdout = .percent(10)
    #expect(Exposure.servedShare(after) == 22_500)
    after.status = .killed
    #expect(Exposure.servedShare(after) == 0)
  }
}
