import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@Suite struct JudgeTests {
  private func at(_ seconds: Int64) -> Instant { Samples.start + .seconds(seconds) }

  private func plan(_ yaml: String = "", stage: Int = 2) throws -> Plan {
    let text = "feature: ai-summary\n\(yaml)"
    var plan = Plan(
      try PlanDefinition(YAMLReader.read(Array(text.utf8))), at: Moment(Samples.start))
    plan.status = .active
    plan.stageIndex = stage
    plan.stageEnteredAt = Moment(Samples.start)
    plan.version = 2
    return plan
  }

  private func outcome(
    _ number: Int, bad: Bool = false, latency: Double? = 100, arm: Outcome.Arm = .treatment,
    user: Int? = nil, every milliseconds: Int64 = 100, cost: Int = 0, tokens: Int = 0
  ) -> Outcome {
    Outcome(
      result: bad ? .failed : .ok, arm: arm, user: UInt64(user ?? number),
      at: Samples.start + TimeSpan(milliseconds: Int64(number) * milliseconds), latency: latency,
      inputTokens: tokens, cost: Money(nanodollars: cost))
  }

  private func actions(
    _ health: inout FeatureHealth, _ now: Instant, sharedWith: [String] = []
  ) -> [MonitorAction] {
    Judge.decide(health.assessment(now: now), sharedWith: sharedWith, now: now)
  }

  private func command(_ actions: [MonitorAction]) -> Command? {
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
    for number in 700..<900 { _ = health.record(outcome(number, tokens: 4000)) }
    #expect(health.assess(now: at(90))[0].verdict.state == .firing)
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

  @Test func `votes make requests bad, one user's votes do not roll back`() throws {
    let yaml = "preset: sensitive\nguards: [{metric: thumbs_down_rate, max: 10%}]"
    var health = FeatureHealth(try plan(yaml))
    var angry = health
    for number in 0..<300 {
      _ = health.record(outcome(number))
      _ = angry.record(outcome(number))
      guard number % 2 == 0 else { continue }
      let vote = Feedback(
        kind: .thumbsDown, arm: .treatment, user: UInt64(number), at: outcome(number).at)
      _ = health.record(vote, id: "v\(number)")
      // A repeated vote counts once.
      _ = health.record(vote, id: "v\(number)")
      _ = angry.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: 1, at: vote.at), id: nil)
    }
    #expect(command(actions(&health, at(30))) == .rollback(to: nil))
    #expect(health.treatment[.thumbsDown] == 150)
    #expect(command(actions(&angry, at(30))) == nil)
    let sentence = angry.assess(now: at(30))[0].verdict.sentence
    #expect(sentence.hasSuffix("all from 1 user; needs 2."), "\(sentence)")
  }

  @Test func `the investigate band holds, and lets go by itself`() throws {
    let start = try plan("preset: sensitive")
    var health = FeatureHealth(start)
    for number in 0..<800 { _ = health.record(outcome(number, bad: number % 33 == 0)) }
    #expect(command(actions(&health, at(80))) == .hold(.investigate))
    var held = start
    held.hold = .init(cause: .investigate, reason: "", since: Moment(at(80)))
    health.follow(held)
    #expect(actions(&health, at(80)).isEmpty)
    for number in 800..<1500 { _ = health.record(outcome(number, bad: number % 200 == 0)) }
    #expect(command(actions(&health, at(150))) == .release)
  }

  @Test func `a shared outage holds instead of rolling back`() throws {
    var health = FeatureHealth(try plan("preset: sensitive"))
    for number in 0..<400 {
      _ = health.record(outcome(number, arm: number % 4 == 0 ? .treatment : .control))
    }
    for number in 400..<600 {
      _ = health.record(
        outcome(number, bad: number % 2 == 0, arm: number % 4 < 2 ? .treatment : .control))
    }
    #expect(command(actions(&health, at(60))) == .hold(.outage))
    // Without control traffic, others on the same provider are the witness.
    var lonely = FeatureHealth(try plan("preset: sensitive"))
    for number in 0..<100 { _ = lonely.record(outcome(number, bad: true)) }
    #expect(command(actions(&lonely, at(10), sharedWith: ["other"])) == .hold(.outage))
    #expect(command(actions(&lonely, at(10))) == .rollback(to: nil))
    var off = FeatureHealth(try plan("preset: sensitive\nattribution: off"))
    for number in 0..<100 {
      _ = off.record(outcome(number, bad: true, arm: number % 2 == 0 ? .treatment : .control))
    }
    #expect(command(actions(&off, at(10))) == .rollback(to: nil))
  }

  @Test func `automatic advance needs soak, fresh outcomes, evidence and approvals`() throws {
    let yaml = """
      advance: automatic
      stages:
        - {name: beta, percent: 5, soak: 1m}
        - {name: "25", percent: 25}
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
    health.noteTraffic(at: at(90_000))
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

  @Test func `what was measured survives its bytes, and another stage takes only the means`() throws
  {
    let start = try plan()
    var health = FeatureHealth(start)
    for number in 0..<700 {
      _ = health.record(
        outcome(number, bad: number % 7 == 0, arm: number % 5 == 0 ? .control : .treatment))
    }
    let before = health.assess(now: at(70))
    let state = try #require(health.state)
    var restored = FeatureHealth(start)
    restored.restore(state)
    #expect(restored.assess(now: at(70)) == before)
    #expect(restored.treatment == health.treatment)
    var later = start
    later.stageEnteredAt = Moment(at(1000))
    var other = FeatureHealth(later)
    other.restore(state)
    #expect(other.treatment.requests == 0)
    for cut in stride(from: 0, to: state.count, by: 997) {
      var damaged = FeatureHealth(start)
      damaged.restore(Array(state[..<cut]))
      #expect(damaged.assess(now: at(70)).allSatisfy { $0.verdict.state == .inconclusive })
    }
  }
}

@Suite struct PollWatchTests {
  private func make(_ preset: Preset = .sensitive) -> PollWatch {
    var rule = Guard(.prometheus, max: .number(0.05))
    rule.query = "up"
    return PollWatch(rule, preset: preset)
  }

  @Test func `no answer, an old one and an error are unavailable`() {
    var watch = make()
    #expect(watch.assess(now: Samples.start).state == .unavailable)
    watch.record(.unavailable("the query has no result"), at: Samples.start)
    #expect(watch.assess(now: Samples.start).sentence.contains("the query has no result"))
    watch.record(.value(0.01), at: Samples.start)
    #expect(watch.assess(now: Samples.start).state == .quiet)
    #expect(watch.assess(now: Samples.start + .minutes(4)).state == .unavailable)
  }

  @Test func `a value over the limit acts once it has lasted`() {
    var watch = make(.normal)
    watch.record(.value(0.2), at: Samples.start)
    #expect(watch.assess(now: Samples.start + .seconds(9)).state == .pending)
    #expect(watch.assess(now: Samples.start + .seconds(10)).state == .firing)
    watch.record(.value(0.01), at: Samples.start + .seconds(15))
    #expect(watch.assess(now: Samples.start + .seconds(15)).state == .quiet)
  }
}

@Suite struct BacktestTests {
  private func outcomes(bad: (Int) -> Bool) -> [Outcome] {
    (0..<3000).map {
      Outcome(
        result: bad($0) ? .failed : .ok, arm: .treatment, user: UInt64($0),
        at: Samples.start + TimeSpan(milliseconds: Int64($0) * 100))
    }
  }

  @Test func `it says when, for whom, and what was for nothing`() throws {
    let plan = Samples.plan(atStage: 2)
    // Healthy, then broken for good.
    let broken = Backtest(outcomes { $0 >= 1000 && $0 % 4 == 0 }, plan: plan, rollbacks: [])
    let alarm = try #require(broken.alarms.first)
    #expect((1001...1250).contains(alarm.requests))
    #expect(!alarm.isFalse)
    #expect(alarm.usersSpared > 300)
    #expect(broken.outcomeCount == 3000)
    // A blip, and then nothing: stepping back would have been for nothing.
    var hasty = plan
    hasty.definition.preset = .sensitive
    let blip = Backtest(outcomes { (1000..<1010).contains($0) }, plan: hasty, rollbacks: [])
    #expect(blip.alarms.count == 1)
    #expect(blip.falseAlarms == 1)
    #expect(blip.usersSpared == 0)
    let calm = Backtest(outcomes { (1000..<1010).contains($0) }, plan: plan, rollbacks: [])
    #expect(calm.alarms.isEmpty)
    #expect(Backtest([], plan: plan, rollbacks: []).from == nil)
  }
}
