import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// What is only about known: sizes, shares and what two features have in common.
@Suite struct EstimateTests {
  /// Quantiles of the binomial distribution, counted out with whole numbers elsewhere.
  @Test(arguments: [
    (10, 0.5, 2.0, 8.0), (100, 0.25, 17, 34), (1, 0.3, 0, 1), (1000, 0.05, 37, 64),
    (20, 0.001, 0, 0), (500, 0.99, 490, 499),
  ])
  func `so many draws give so many`(count: Int, chance: Double, low: Double, high: Double) {
    let estimate = Estimate.binomial(count, chance: chance)
    #expect(estimate.low == low && estimate.high == high, "\(estimate)")
    #expect(abs(estimate.value - Double(count) * chance) < 1e-9)
  }

  @Test func `many draws are as near as the normal curve says, and sure ones are exact`() {
    let many = Estimate.binomial(10_000_000, chance: 0.25)
    // σ = √(10⁷ · ¼ · ¾) = 1369.3
    #expect(many.low == 2_497_316 && many.high == 2_502_684, "\(many)")
    for (count, chance) in [(0, 0.5), (7, 0.0), (7, 1.0)] {
      let sure = Estimate.binomial(count, chance: chance)
      #expect(sure.low == sure.high && sure.value == sure.low)
    }
  }

  @Test func `a share of a sample has Wilson's bounds`() {
    let half = Estimate.share(50, of: 100)
    #expect(abs(half.low - 0.4038) < 1e-4 && abs(half.high - 0.5962) < 1e-4)
    let none = Estimate.share(0, of: 10)
    #expect(none.low == 0 && abs(none.high - 0.2775) < 1e-4)
    let nothing = Estimate.share(0, of: 0)
    #expect(nothing.low == 0 && nothing.high == 1)
  }

  // MARK: Two features

  private func plan(_ name: String, salt: String, percent: Int, holdout: Int = 0) -> Plan {
    var plan = Samples.plan(name, atStage: 0)
    plan.definition.population.salt = salt
    plan.definition.population.holdout = .percent(holdout)
    plan.definition.stages = [Stage(name: "all", percent: .percent(percent))]
    return plan
  }

  @Test func `independent draws meet by chance, the same salt puts one into the other`() {
    let a = plan("a", salt: "a", percent: 40)
    let apart = Overlap(a, plan("b", salt: "b", percent: 25))
    #expect(apart.kinship == .independent)
    #expect(abs(apart.both - 0.1) < 1e-12 && abs(apart.first - 0.3) < 1e-12)
    #expect(abs(apart.second - 0.15) < 1e-12 && abs(apart.neither - 0.45) < 1e-12)
    let within = Overlap(a, plan("b", salt: "a", percent: 25))
    #expect(within.kinship == .nested)
    #expect(abs(within.both - 0.25) < 1e-12 && abs(within.first - 0.15) < 1e-12)
    #expect(within.second == 0 && abs(within.neither - 0.6) < 1e-12)
  }

  /// Counted by the real hash.
  @Test(arguments: [
    ("b", Bucketing.rollout, 0.36 * 0.48), ("a", .rollout, 0.4 * 0.8), ("a", .unleash, 0.24 * 0.8),
  ])
  func `the shares are those of users who are hashed`(
    salt: String, bucketing: Bucketing, both: Double
  ) throws {
    var plans = [
      plan("a", salt: "a", percent: 40, holdout: 10),
      plan("b", salt: salt, percent: 60, holdout: 20),
    ]
    plans[1].definition.population.bucketing = bucketing
    let overlap = Overlap(plans[0], plans[1])
    let compiled = plans.map { CompiledPlan($0) { _ in ByteSet() } }
    let count = 40_000
    var counts = [0, 0, 0, 0]
    for number in 0..<count {
      let user = Array("user-\(number)".utf8)
      let a = try compiled[0].evaluator.decide(user: user.span).enabled
      let b = try compiled[1].evaluator.decide(user: user.span).enabled
      counts[a && b ? 0 : a ? 1 : b ? 2 : 3] += 1
    }
    for (share, counted) in zip(
      [overlap.both, overlap.first, overlap.second, overlap.neither], counts)
    {
      // Five standard deviations, so that it fails for a wrong formula and for nothing else.
      let spread = 5 * (Double(count) * share * (1 - share)).squareRoot() + 1
      #expect(abs(Double(counted) - share * Double(count)) <= spread, "\(share): \(counted)")
    }
    #expect(abs(overlap.both - both) < 1e-12)
  }

  @Test func `two ends of one hash meet only where they are more than all`() throws {
    var plans = [plan("a", salt: "s", percent: 40), plan("b", salt: "s", percent: 70)]
    plans[0].definition.population.bucketing = .flagd
    plans[1].definition.population.bucketing = .flagdReversed
    let overlap = Overlap(plans[0], plans[1])
    #expect(overlap.kinship == .opposed && abs(overlap.both - 0.1) < 1e-12)
    let compiled = plans.map { CompiledPlan($0) { _ in ByteSet() } }
    let both = try (0..<10_000).count { number in
      let user = Array("user-\(number)".utf8)
      return try compiled.allSatisfy { try $0.evaluator.decide(user: user.span).enabled }
    }
    #expect(abs(both - 1000) < 160, "\(both)")
  }

  @Test func `nobody has a feature that is off`() {
    var off = plan("b", salt: "b", percent: 50)
    off.stageIndex = -1
    let overlap = Overlap(plan("a", salt: "a", percent: 40), off)
    #expect(overlap.both == 0 && overlap.second == 0 && abs(overlap.first - 0.4) < 1e-12)
  }

  // MARK: How many there are

  @Test func `users who were seen say how many there are, and how sure that is`() throws {
    let crowd = try Crowd(seen: 2500, share: 0.25, named: 0, over: .days(7))
    #expect(crowd.users.value == 10_000)
    // √(0.046² + 0.75 / 2500) = 0.0492; 1 + 1.96 · 0.0492 = 1.0964
    #expect(abs(crowd.users.low - 9121) < 2 && abs(crowd.users.high - 10_964) < 2)
    #expect(
      crowd.sentence.hasPrefix("from about 2500 users seen with it in the last 7 d, who are 25 %"))
    let named = try Crowd(seen: 2500, share: 0.25, named: 500, over: .days(7))
    #expect(named.users.value == 9000 && named.users.high > 10_000 && named.users.low < 8000)
    for (seen, share, known) in [(19, 0.25, 0), (100, 0.25, 90), (1000, 0.0, 0)] {
      #expect(throws: Crowd.Unknown.self) {
        try Crowd(seen: seen, share: share, named: known, over: .days(1))
      }
    }
  }

  @Test func `a stage holds who is named, and its share of everybody else`() {
    let crowd = Crowd(given: 1100)
    // 100 are known by name, 30 of them in; of 1,000 others a twentieth: 37 to 64.
    let size = crowd.holding(0.05, named: 30, ofNamed: 100)
    #expect(size.value == 80 && size.low == 67 && size.high == 94, "\(size)")
    // More are named than there are said to be.
    #expect(Crowd(given: 5).holding(0.5, named: 30, ofNamed: 100).value == 30)
  }

  @Test func `who is named is looked at one by one, beside another feature`() {
    var first = Samples.plan(atStage: 1)
    first.definition.population.forceOff = ["eve"]
    first.definition.stages = [Stage(name: "a", cohort: "in"), Stage(name: "b", cohort: "more")]
    var second = Samples.plan("other", atStage: 0)
    second.definition.stages = [Stage(name: "x", cohort: "else")]
    let members: [String: ByteSet] = [
      "in": ByteSet(["anna", "eve"]), "more": ByteSet(["bob", "carl"]),
      "else": ByteSet(["bob", "dan", "anna"]),
    ]
    func evaluator(_ plan: Plan) -> Evaluator {
      CompiledPlan(plan) { members[$0] ?? ByteSet() }.evaluator
    }
    let users = ["anna", "bob", "carl", "dan", "eve"]
    let last = NamedUsers(users, evaluator(first), evaluator(second), upTo: 1, of: 2)
    #expect(last.count(upTo: 0) == 1 && last.count(upTo: 1) == 3 && last.all == 5)
    #expect(last.both == 2 && last.first == 1 && last.second == 1)
    let early = NamedUsers(users, evaluator(first), evaluator(second), upTo: 0, of: 2)
    #expect(early.both == 1 && early.first == 0 && early.second == 2)
  }
}
