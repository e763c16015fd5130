import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing
import YAMLKit

@Suite struct JudgeTests {
  func at(_ seconds: Int64) -> Instant { Samples.start + .seconds(seconds) }

  func plan(_ yaml: String = "", stage: Int = 2) throws -> Plan {
    let text = "feature: ai-summary\n\(yaml)"
    var plan = Plan(
      try PlanDefinition(YAMLReader.read(Array(text.utf8))), at: Moment(Samples.start))
    plan.status = .active
    plan.stageIndex = stage
    plan.stageEnteredAt = Moment(Samples.start)
    plan.version = 2
    return plan
  }

  func outcome(
    _ number: Int, bad: Bool = false, latency: Double? = 100, arm: Outcome.Arm = .treatment,
    user: Int? = nil, every milliseconds: Int64 = 100, cost: Int = 0, tokens: Int = 0
  ) -> Outcome {
    Outcome(
      result: bad ? .failed : .ok, arm: arm, user: UInt64(user ?? number),
      at: Samples.start + TimeSpan(milliseconds: Int64(number) * milliseconds), latency: latency,
      inputTokens: tokens, cost: Money(nanodollars: cost))
  }

  func actions(
    _ health: inout FeatureHealth, _ now: Instant, provider: ProviderCondition = .none
  ) -> [MonitorAction] {
    Judge.decide(health.assessment(now: now), provider: provider, now: now)
  }

  func command(_ actions: [MonitorAction]) -> Command? {
    for case .command(let command, _, _) in actions { return command }
    return nil
  }

  @Test func `a healthy stage is left alone`() throws {
    var health = FeatureHealth(try plan())
    for number in 0..<600 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(60)).isEmpty)
    #expect(health.assessment(now: at(60)).word == .healthy)
  }

  @Test func `errors roll back, and the plan says where to`() throws {
    for (yaml, target) in [
      ("", nil), ("rollback: {to: off}", "off"), ("rollback: {to: start}", "internal"),
    ] {
      var health = FeatureHealth(try plan("preset: sensitive\n\(yaml)"))
      for number in 0..<40 { _ = health.record(outcome(number, bad: true)) }
      #expect(command(actions(&health, at(4))) == .rollback(to: target))
    }
  }

  @Test func `a quantile is told in seconds against its limit, never as a share`() throws {
    var health = FeatureHealth(
      try plan("preset: sensitive\nguards: [{metric: latency_p95, max: 5s}]"))
    func sentence(_ now: Int64) -> String { health.assess(now: at(now))[0].verdict.sentence }
    for number in 200..<400 {
      _ = health.record(outcome(number, latency: number % 25 == 0 ? 9000 : 100 + Double(number)))
    }
    #expect(
      sentence(40) == "latency_p95: p95 497 ms over the last 200 requests, under the limit of 5 s.")
    for number in 400..<440 { _ = health.record(outcome(number, latency: 9000)) }
    #expect(
      sentence(44) == "latency_p95: p95 9 s over the last 40 requests, for 40 people, limit 5 s.")
  }

  @Test func `each metric is judged by what it measures`() throws {
    let cases: [(guardText: String, healthy: (Int) -> Outcome, sick: (Int) -> Outcome)] = [
      (
        "{metric: latency_mean, max: 2s}", { outcome($0, latency: 1500) },
        { outcome($0, latency: 6000) }
      ),
      (
        "{metric: latency_p95, max: 2s}",
        { outcome($0, latency: $0 % 40 == 0 ? 9000 : 100) },
        { outcome($0, latency: $0 % 4 == 0 ? 9000 : 100) }
      ),
      (
        "{metric: latency_p50, max: 2s}",
        { outcome($0, latency: $0 % 3 == 0 ? 9000 : 100) },
        { outcome($0, latency: 9000) }
      ),
      (
        "{metric: cost_per_request, max: $0.02}", { outcome($0, cost: 15_000_000) },
        { outcome($0, cost: 60_000_000) }
      ),
      (
        "{metric: tokens_per_request, max: 1000}", { outcome($0, tokens: 900) },
        { outcome($0, tokens: 4000) }
      ),
    ]
    for item in cases {
      let plan = try plan("preset: sensitive\nguards: [\(item.guardText)]")
      var health = FeatureHealth(plan)
      for number in 0..<600 { _ = health.record(item.healthy(number)) }
      #expect(actions(&health, at(60)).isEmpty, "\(item.guardText)")
      for number in 600..<900 { _ = health.record(item.sick(number)) }
      #expect(command(actions(&health, at(90))) == .rollback(to: nil), "\(item.guardText)")
    }
  }

  @Test func `a multiple compares with the stage before`() throws {
    var before = try plan("guards: [{metric: tokens_per_request, max: 2x}]", stage: 1)
    var health = FeatureHealth(before)
    for number in 0..<100 { _ = health.record(outcome(number, tokens: 500)) }
    // There is no stage before beta that was measured.
    #expect(health.assess(now: at(10))[0].verdict.state == .unavailable)
    before.stageIndex = 2
    before.stageEnteredAt = Moment(at(11))
    health.follow(before)
    for number in 200..<400 { _ = health.record(outcome(number, tokens: 900)) }
    #expect(health.assess(now: at(40))[0].verdict.state == .quiet)
    for number in 400..<700 { _ = health.record(outcome(number, tokens: 4000)) }
    #expect(health.assess(now: at(70))[0].verdict.state == .pending)
    for number in 700..<900 {
      _ = health.record(outcome(number, tokens: 4000))
      if number % 50 == 0 { _ = health.assess(now: at(Int64(number) / 10)) }
    }
    let verdict = health.assess(now: at(90))[0].verdict
    #expect(verdict.state == .firing)
    #expect(verdict.sentence.contains("used 4000 tokens on average"), "\(verdict.sentence)")
  }

  @Test func `a latency nobody reports is unavailable, not healthy`() throws {
    var health = FeatureHealth(try plan())
    for number in 0..<200 { _ = health.record(outcome(number, latency: nil)) }
    let assessment = health.assessment(now: at(20))
    #expect(assessment.word == .inconclusive)
    #expect(assessment.findings[1].verdict.state == .unavailable)
    #expect(assessment.gates.unsettled.count == 1)
  }

  @Test func `a request that hangs counts while it is still running`() throws {
    var health = FeatureHealth(
      try plan("preset: sensitive\nguards: [{metric: latency_mean, max: 1s}]"))
    let running = (0..<40).map { health.begin(user: UInt64($0), at: at(0)) }
    #expect(actions(&health, at(5)).isEmpty)
    #expect(command(actions(&health, at(7))) == .rollback(to: nil))
    // Its latency is not counted a second time.
    let before = health.detectors[0].requests
    health.end(running[0], outcome(80, latency: 8000))
    #expect(health.detectors[0].requests == before)
  }

  @Test func `thumbs are counted over thumbs, one user's votes do not roll back`() throws {
    let yaml = "preset: sensitive\nguards: [{metric: thumbs_down_rate, max: 10%}]"
    var health = FeatureHealth(try plan(yaml))
    var angry = health
    // Every hundredth request is voted on, and each vote is bad.
    for number in 0..<2700 {
      _ = health.record(outcome(number))
      _ = angry.record(outcome(number))
      guard number % 100 == 0 else { continue }
      let vote = Feedback(
        kind: .thumbsDown, arm: .treatment, user: UInt64(number), at: outcome(number).at)
      _ = health.record(vote, id: "v\(number)")
      // A repeated vote counts once.
      _ = health.record(vote, id: "v\(number)")
      _ = angry.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: 1, at: vote.at), id: nil)
      _ = health.assessment(now: vote.at)
    }
    #expect(command(actions(&health, at(270))) == .rollback(to: nil))
    #expect(health.treatment[.thumbsDown] == 27)
    #expect(command(actions(&angry, at(270))) == nil)
  }

  @Test
  func `nineteen bad votes do nothing, the twentieth rolls back, and it is votes it speaks of`()
    throws
  {
    let guards = "[{metric: error_rate, max: 5%}, {metric: thumbs_down_rate, max: 10%}]"
    var health = FeatureHealth(try plan("preset: sensitive\nguards: \(guards)"))
    for number in 0..<300 { _ = health.record(outcome(number)) }
    for number in 0..<19 {
      _ = health.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: UInt64(number), at: at(30)))
    }
    let few = health.assessment(now: at(30))
    #expect(few.findings[1].verdict.state == .unavailable)
    #expect(command(Judge.decide(few, now: at(30))) == nil)
    _ = health.record(Feedback(kind: .thumbsDown, arm: .treatment, user: 19, at: at(30)))
    let enough = health.assessment(now: at(30))
    #expect(command(Judge.decide(enough, now: at(30))) == .rollback(to: nil))
    #expect(
      enough.findings[1].verdict.sentence
        == "thumbs_down_rate: the last 20 votes all were thumbs down, from 20 people, limit 10 %.",
      "\(enough.findings[1].verdict.sentence)")
  }

  @Test func `a vote guard that nobody feeds is unavailable, and waited for once votes are missed`()
    throws
  {
    for (more, requests, waits) in [
      ("", 1500, false), ("", 2100, true), (", required: true", 1500, true),
    ] {
      let yaml =
        "guards: [{metric: error_rate, max: 5%}, {metric: thumbs_down_rate, max: 10%\(more)}]"
      var health = FeatureHealth(try plan(yaml))
      for number in 0..<requests { _ = health.record(outcome(number)) }
      let assessment = health.assessment(now: at(Int64(requests) / 10))
      #expect(assessment.findings[1].verdict.state == .unavailable)
      #expect(assessment.gates.unsettled.isEmpty == !waits, "\(more) \(requests)")
    }
  }

  @Test(arguments: [
    "latency_mean, max: 2s", "cost_per_request, max: $0.02", "tokens_per_request, max: 90",
  ])
  func `a figure that less than half of the outcomes carry is unavailable`(metric: String) throws {
    var health = FeatureHealth(try plan("guards: [{metric: \(metric)}]"))
    for number in 0..<400 {
      let carries = number % 3 == 0
      _ = health.record(
        Outcome(
          result: .ok, arm: .treatment, user: UInt64(number), at: outcome(number).at,
          latency: carries ? 10 : nil, inputTokens: carries ? 10 : nil,
          cost: carries ? Money(nanodollars: 10) : nil))
    }
    let verdict = health.assess(now: at(40))[0].verdict
    #expect(verdict.state == .unavailable)
    #expect(verdict.sentence.contains("only 33"), "\(verdict.sentence)")
  }

  @Test func `outcomes that stop while people use it are no health`() throws {
    var health = FeatureHealth(try plan())
    for number in 0..<600 { _ = health.record(outcome(number)) }
    #expect(health.assessment(now: at(60)).word == .healthy)
    // Nobody asks any more: nothing to say.
    #expect(health.assessment(now: at(8000)).word == .healthy)
    health.noteDecisions(on: 40, off: 3, at: at(7900))
    let assessment = health.assessment(now: at(8000))
    #expect(assessment.word == .unavailable)
    #expect(assessment.sentence.hasPrefix("No outcome for 2 h"), "\(assessment.sentence)")
    #expect(!assessment.gates.freshness.isEmpty)
  }

  @Test func `a request given up on is at least that slow`() throws {
    let yaml =
      "preset: sensitive\nguards: [{metric: error_rate, max: 5%}, {metric: latency_mean, max: 2s}]"
    var health = FeatureHealth(try plan(yaml))
    for number in 0..<250 {
      var left = outcome(number, latency: 9000)
      left.result = .excluded
      left.isGivenUp = true
      left.beganAt = left.at
      _ = health.record(left)
    }
    #expect(command(actions(&health, at(25))) == .rollback(to: nil))
    #expect(!health.notes.isEmpty, "a stage of which nothing is counted is said")
    // Half of them after nine seconds: 4.6 s at least on average are not over 5 s, and no health.
    var half = FeatureHealth(try plan("guards: [{metric: latency_mean, max: 5s}]"))
    for number in 0..<2000 {
      var some = outcome(number, latency: number % 2 == 0 ? 9000 : 120)
      some.isGivenUp = number % 2 == 0
      if some.isGivenUp { some.result = .excluded }
      some.beganAt = some.at
      _ = half.record(some)
      #expect(half.detectors[0].health.value < 2)
    }
    #expect(actions(&half, at(200)).isEmpty)
    // Given up before the limit it proves nothing.
    var quick = FeatureHealth(try plan(yaml))
    for number in 0..<250 {
      var left = outcome(number, latency: 500)
      left.result = .excluded
      left.isGivenUp = true
      _ = quick.record(left)
    }
    #expect(actions(&quick, at(25)).isEmpty)
    #expect(quick.detectors[1].health.count == 0)
  }

  @Test func `what began before the stage is not its fault`() throws {
    var plan = try plan("preset: sensitive")
    plan.stageEnteredAt = Moment(at(100))
    plan.updatedAt = Moment(at(100))
    var health = FeatureHealth(plan)
    for number in 0..<200 {
      // Ends in the stage, began twelve seconds before.
      _ = health.record(
        Outcome(
          result: .failed, arm: .treatment, user: UInt64(number), at: at(101), latency: 12_000))
      let running = health.begin(user: UInt64(number), at: at(95))
      health.end(
        running, Outcome(result: .failed, arm: .treatment, user: UInt64(number), at: at(102)))
      _ = health.record(
        Outcome(
          result: .failed, arm: .treatment, user: UInt64(number), at: at(103), beganAt: at(102)),
        version: 1)
    }
    #expect(actions(&health, at(103)).isEmpty)
    #expect(health.treatment.requests == 0)
    for number in 0..<20 {
      _ = health.record(
        Outcome(
          result: .failed, arm: .treatment, user: UInt64(number), at: at(104), beganAt: at(99)),
        version: plan.version)
    }
    #expect(command(actions(&health, at(104))) == .rollback(to: nil), "the version is believed")
  }

  @Test func `an acknowledgement and a resume start afresh`() throws {
    for change in [
      { (plan: inout Plan) in plan.hold = nil },
      { (plan: inout Plan) in plan.status = .active },
    ] {
      var plan = try plan(
        "preset: sensitive\nguards: [{metric: error_rate, max: 5%, action: pause}]")
      plan.hold = .init(cause: .rollback, reason: "", since: Moment(at(0)))
      plan.status = .paused
      var health = FeatureHealth(plan)
      for number in 0..<100 { _ = health.record(outcome(number, bad: true)) }
      #expect(health.assess(now: at(10))[0].verdict.state == .firing)
      change(&plan)
      plan.version += 1
      health.follow(plan)
      #expect(health.assess(now: at(10))[0].verdict.state == .inconclusive)
      #expect(actions(&health, at(10)).isEmpty)
    }
  }

  @Test func `the investigate band holds, tells once a day, and ends by evidence`() throws {
    let start = try plan("preset: sensitive")
    var health = FeatureHealth(start)
    for number in 0..<800 { _ = health.record(outcome(number, bad: number % 33 == 0)) }
    #expect(command(actions(&health, at(80))) == .hold(.investigate))
    var held = start
    held.hold = .init(cause: .investigate, reason: "", since: Moment(at(80)))
    held.version += 1
    health.follow(held)
    // At a steady 1.6 % it stays held, and does not flap.
    for number in 800..<2000 {
      _ = health.record(outcome(number, bad: number % 62 == 0))
      #expect(actions(&health, at(Int64(number) / 10)).isEmpty)
    }
    for number in 2000..<8000 { _ = health.record(outcome(number, bad: number % 500 == 0)) }
    #expect(command(actions(&health, at(800))) == .release)
    held.hold = nil
    held.version += 1
    health.follow(held)
    for number in 8000..<9000 { _ = health.record(outcome(number, bad: number % 33 == 0)) }
    let assessment = health.assessment(now: at(900))
    #expect(assessment.word == .investigate)
    #expect(!assessment.gates.isOpen, "automation waits all the same")
    #expect(actions(&health, at(900)).isEmpty, "told within the day")
  }

  @Test func `one person's requests advance nothing`() throws {
    let yaml =
      "advance: automatic\nstages: [{name: a, percent: 5, soak: 0s}, {name: b, percent: 50}, {name: c, percent: 100}]"
    var alone = FeatureHealth(try plan(yaml, stage: 0))
    for number in 0..<400 { _ = alone.record(outcome(number, user: 1)) }
    #expect(actions(&alone, at(40)).isEmpty)
    #expect(alone.assessment(now: at(40)).gates.unproven.last?.contains("1 person") == true)
    var three = FeatureHealth(try plan(yaml, stage: 0))
    for number in 0..<400 { _ = three.record(outcome(number, user: number % 3)) }
    #expect(command(actions(&three, at(40))) == .advance(to: "b"))
    // A list of four people: two of them are half of all there are, one is not.
    for users in [1, 2] {
      var listed = FeatureHealth(try plan(yaml, stage: 0))
      listed.listedMembers = 4
      for number in 0..<400 { _ = listed.record(outcome(number, user: number % users)) }
      let assessment = listed.assessment(now: at(40))
      #expect(
        command(Judge.decide(assessment, now: at(40))) == (users == 2 ? .advance(to: "b") : nil))
      #expect(
        assessment.gates.unproven.last
          == (users == 2
            ? nil
            : "healthy evidence: the requests are those of 1 person; half of the 4 on the list are "
              + "needed"))
    }
  }

  @Test func `answers from a cache are no evidence of health`() throws {
    var health = FeatureHealth(try plan())
    for number in 0..<300 {
      var cached = outcome(number)
      cached.isFromCache = true
      _ = health.record(cached)
      var stale = outcome(number)
      stale.result = .degradedCache
      _ = health.record(stale)
    }
    #expect(health.detectors[0].health.count == 0)
  }

  @Test func `automatic advance needs soak, fresh outcomes, evidence and approvals`() throws {
    let yaml = """
      advance: automatic
      stages:
        - {name: beta, percent: 5, soak: 1m}
        - {name: "25", percent: 25, soak: 0s}
        - {name: "100", percent: 100, approvals: 1}
      """
    var health = FeatureHealth(try plan(yaml, stage: 0))
    for number in 0..<70 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(61)).isEmpty, "70 clean requests are no evidence yet")
    for number in 70..<120 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(59)).isEmpty, "not soaked")
    #expect(command(actions(&health, at(61))) == .advance(to: "25"))
    #expect(actions(&health, at(4000)).isEmpty, "the last outcome is over an hour old")
    var last = try plan(yaml, stage: 1)
    health = FeatureHealth(last)
    for number in 0..<100 { _ = health.record(outcome(number)) }
    last.approvals = ["anna"]
    health.follow(last)
    #expect(actions(&health, at(61)).isEmpty, "the last step wants more evidence")
    for number in 100..<200 { _ = health.record(outcome(number)) }
    #expect(command(actions(&health, at(61))) == .advance(to: "100"))
    last.automaticAdvanceOff = true
    health.follow(last)
    #expect(actions(&health, at(61)).isEmpty)
    last.automaticAdvanceOff = false
    last.approvals = []
    health.follow(last)
    #expect(actions(&health, at(61)).isEmpty, "nobody approved")
  }

  @Test func `a stage that states no soak is left after an hour at the earliest`() throws {
    let yaml =
      "advance: automatic\nstages: [{name: a, percent: 5}, {name: b, percent: 50}, {name: c, percent: 100}]"
    var health = FeatureHealth(try plan(yaml, stage: 0))
    for number in 0..<400 { _ = health.record(outcome(number, every: 10_000)) }
    #expect(actions(&health, at(3599)).isEmpty)
    #expect(command(actions(&health, at(3600))) == .advance(to: "b"))
  }

  @Test func `a plan that nobody watches never advances by itself`() throws {
    var health = FeatureHealth(try plan("advance: automatic\nguards: []", stage: 0))
    for number in 0..<500 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(50)).isEmpty)
  }

  @Test func `a day without traffic holds, and traffic lets go`() throws {
    let start = try plan()
    var health = FeatureHealth(start)
    #expect(actions(&health, at(86_399)).isEmpty)
    #expect(command(actions(&health, at(86_401))) == .hold(.noTraffic))
    var held = start
    held.hold = .init(cause: .noTraffic, reason: "", since: Moment(at(86_401)))
    health.follow(held)
    #expect(actions(&health, at(90_000)).isEmpty)
    health.noteDecisions(on: 0, off: 1, at: at(90_000))
    #expect(command(actions(&health, at(90_001))) == .release)
  }

  @Test func `dry run and notify tell and do nothing`() throws {
    for (yaml, kind) in [
      ("dry_run: true", Notice.Kind.dryRun),
      ("guards: [{metric: error_rate, max: 5%, action: notify}]", .guard),
      ("guards: [{metric: error_rate, max: 5%, dry_run: true}]", .dryRun),
    ] {
      var health = FeatureHealth(try plan("preset: sensitive\n\(yaml)"))
      for number in 0..<40 { _ = health.record(outcome(number, bad: true)) }
      let actions = actions(&health, at(4))
      #expect(command(actions) == nil, "\(yaml)")
      guard case .notice(let found, _, _)? = actions.first else {
        Issue.record("\(yaml): \(actions)")
        continue
      }
      #expect(found == kind)
    }
  }
}
