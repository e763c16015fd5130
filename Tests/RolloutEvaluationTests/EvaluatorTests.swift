import RolloutEvaluation
import Testing

/// Deciding as a client does it: with an audience and how far it has come, and without a plan.
@Suite struct EvaluatorTests {
  private let audience: Audience = {
    var population = Population(salt: "ai-summary")
    population.forceOff = ["mallory"]
    population.holdout = .percent(10)
    var staff = StageAudience(name: "internal", cohort: "staff")
    staff.rules = [.attribute("email", .endsWith(["@acme.com"]))]
    return Audience(
      population: population, stages: [staff, StageAudience(name: "25", percent: .percent(25))])
  }()

  private func evaluator(_ standing: Standing) -> Evaluator {
    Evaluator(audience, standing) { ByteSet($0 == "staff" ? ["anna"] : []) }
  }

  private func decide(
    _ evaluator: Evaluator, _ user: String, _ attributes: Attributes = [:]
  ) throws -> Decision {
    let bytes = Array(user.utf8)
    return try evaluator.decide(user: bytes.span, attributes: attributes)
  }

  @Test func `lists, rules, members and buckets decide, in this order`() throws {
    let evaluator = evaluator(.serving(upTo: 1, isComplete: true))
    #expect(try decide(evaluator, "mallory").cause == .forcedOff)
    let rule = try decide(evaluator, "u1", ["email": .text("u1@acme.com")])
    #expect(rule.cause == .matchedRule(stage: 0))
    #expect(try decide(evaluator, "anna").cause == .member(stage: 0))
    let bucketer = Bucketer(salt: "ai-summary")
    for index in 0..<1000 {
      let decision = try decide(evaluator, "u\(index)")
      #expect(decision.enabled == (bucketer.bucket("u\(index)") < 25_000))
    }
  }

  @Test func `nobody is held out of what is complete, and some of what is not`() throws {
    let holdout = Bucketer(salt: "ai-summary", purpose: .holdout)
    let held = try #require((0..<1000).map { "u\($0)" }.first { holdout.bucket($0) < 10_000 })
    #expect(try decide(evaluator(.serving(upTo: 1, isComplete: false)), held).cause == .heldOut)
    #expect(try decide(evaluator(.serving(upTo: 1, isComplete: true)), held).cause != .heldOut)
  }

  @Test func `what serves nobody says why`() throws {
    let off = evaluator(.off(why: "the plan is killed"))
    let decision = try decide(off, "anna")
    #expect(!decision.enabled)
    #expect(decision.reason == .disabled)
    #expect(off.because(decision) == "the plan is killed")
  }

  @Test func `a stage that is not open yet lets nobody in`() throws {
    let first = evaluator(.serving(upTo: 0, isComplete: true))
    let all = try (0..<1000).map { try decide(first, "u\($0)") }
    #expect(all.allSatisfy { !$0.enabled })
    let waiting = try #require(all.first { $0.cause == .bucketInside(stage: 1) })
    #expect(first.because(waiting).hasSuffix("stage 25 is not open yet (now at internal)"))
  }

  @Test func `features are found by their keys whatever their number`() {
    let index = FeatureIndex((0..<1000).map { "feature-\($0)" })
    func place(_ key: String) -> Int? {
      let bytes = Array(key.utf8)
      return index.place(of: bytes.span)
    }
    for number in 0..<1000 { #expect(place("feature-\(number)") == number) }
    #expect(place("feature-1000") == nil)
    #expect(place("") == nil)
    #expect(FeatureIndex([]).place(of: [UInt8]().span) == nil)
  }
}
