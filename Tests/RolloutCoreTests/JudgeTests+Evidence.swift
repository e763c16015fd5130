import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

// What counts as evidence, for which guard, and since when.
extension JudgeTests {
  @Test func `while most outcomes belong to no arm nothing advances, and that is said`()
    throws
  {
    let yaml =
      "advance: automatic\nstages: [{name: a, percent: 5, soak: 0s}, {name: b, percent: 50}, {name: c, percent: 100}]"
    var health = FeatureHealth(try plan(yaml, stage: 0))
    _ = health.record(outcome(1, bad: true, arm: .unknown))
    #expect(health.assess(now: at(1))[0].verdict.state == .unavailable, "from the first one on")
    for number in 2..<5000 {
      _ = health.record(outcome(number, bad: true, arm: .unknown, every: 1))
    }
    for number in 0..<200 { _ = health.record(outcome(number)) }
    let assessment = health.assessment(now: at(20))
    #expect(assessment.findings[0].verdict.state == .unavailable)
    #expect(!assessment.gates.isOpen)
    #expect(assessment.notes.contains { $0.contains("belong to no arm") }, "\(assessment.notes)")
    #expect(command(actions(&health, at(20))) == nil)
    // Votes are optional in a young stage, but not while nobody can tell whose they are.
    var voted = FeatureHealth(
      try plan("\(yaml)\nguards: [{metric: thumbs_down_rate, max: 10%}]", stage: 0))
    for number in 0..<300 {
      _ = voted.record(outcome(number, arm: number % 3 == 0 ? .treatment : .unknown))
    }
    #expect(command(actions(&voted, at(30))) == nil)
  }

  @Test func `an outage of failures excuses no other guard`() throws {
    let start = try plan(
      "preset: sensitive\nguards: [{metric: error_rate, max: 5%}, {metric: latency_mean, max: 5s}]")
    var health = FeatureHealth(start)
    func report(_ numbers: Range<Int>, latency: Double) {
      for number in numbers {
        let arm: Outcome.Arm = number % 4 < 2 ? .treatment : .control
        var one = outcome(
          number, bad: number % 2 == 0, latency: arm == .treatment ? latency : nil, arm: arm)
        one.beganAt = one.at
        _ = health.record(one)
      }
    }
    report(0..<400, latency: 100)
    #expect(command(actions(&health, at(40))) == .hold(.outage))
    var held = start
    held.hold = .init(cause: .outage, reason: "", since: Moment(at(40)))
    held.version += 1
    health.follow(held)
    report(400..<800, latency: 100)
    #expect(actions(&health, at(80)).isEmpty, "held, and still failing")
    report(800..<1200, latency: 25_000)
    #expect(health.assess(now: at(120))[1].attribution == .unopposed)
    #expect(command(actions(&health, at(120))) == .rollback(to: nil))
  }

  @Test func `guards that begin anew are no evidence that an outage is over`() throws {
    let start = try plan("preset: sensitive")
    var health = FeatureHealth(start)
    for number in 0..<400 {
      _ = health.record(outcome(number, bad: true, arm: number % 4 < 2 ? .treatment : .control))
    }
    #expect(command(actions(&health, at(40))) == .hold(.outage))
    var plan = start
    func follow(_ change: (inout Plan) throws -> Void) rethrows {
      try change(&plan)
      plan.version += 1
      plan.updatedAt = Moment(at(50))
      health.follow(plan)
    }
    follow { $0.hold = .init(cause: .outage, reason: "", since: Moment(at(40))) }
    follow { $0.status = .paused }
    follow { $0.status = .active }
    #expect(actions(&health, at(60)).isEmpty, "a person resumed")
    try follow {
      $0.definition = try self.plan("preset: sensitive\nguards: [{metric: error_rate, max: 4%}]")
        .definition
    }
    #expect(actions(&health, at(60)).isEmpty, "a file touched the guard")
    #expect(actions(&health, at(70)).isEmpty)
    var restarted = FeatureHealth(plan)
    #expect(actions(&restarted, at(70)).isEmpty, "what was measured is lost")
    for number in 800..<830 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(83)).isEmpty, "too few")
    for number in 830..<850 { _ = health.record(outcome(number)) }
    #expect(command(actions(&health, at(85))) == .release)
  }

  @Test func `guards that begin anew go on being looked at until they are well by evidence`() throws
  {
    let start = try plan("preset: sensitive")
    var health = FeatureHealth(start)
    for number in 0..<800 { _ = health.record(outcome(number, bad: number % 33 == 0)) }
    #expect(command(actions(&health, at(80))) == .hold(.investigate))
    var plan = start
    for status in [Plan.Status.active, .paused, .active] {
      plan.hold = .init(cause: .investigate, reason: "", since: Moment(at(80)))
      plan.status = status
      plan.version += 1
      plan.updatedAt = Moment(at(81))
      health.follow(plan)
    }
    let verdict = health.assess(now: at(82))[0].verdict
    #expect(verdict.state == .investigate)
    #expect(verdict.sentence.contains("no request yet"), "\(verdict.sentence)")
    #expect(actions(&health, at(82)).isEmpty)
    for number in 830..<930 { _ = health.record(outcome(number)) }
    #expect(actions(&health, at(93)).isEmpty, "100 clean requests do not show less than 1 %")
    for number in 930..<1600 { _ = health.record(outcome(number)) }
    #expect(command(actions(&health, at(160))) == .release)
    plan.definition = try self.plan("preset: sensitive\nguards: [{metric: error_rate, max: 5%}]")
      .definition
    plan.version += 1
    health.follow(plan)
    guard case .command(.release, let reason, _)? = actions(&health, at(161)).first else {
      Issue.record("nothing asks to look")
      return
    }
    #expect(reason == "no guard has an investigate limit any more")
  }

  @Test func `a stricter latency guard does not blind a looser one`() throws {
    let yaml = """
      preset: sensitive
      guards: [{metric: latency_mean, max: 1s, action: notify}, {metric: latency_p95, max: 10s}]
      """
    var health = FeatureHealth(try plan(yaml))
    for number in 0..<200 {
      let running = health.begin(user: UInt64(number), at: at(Int64(number)))
      _ = health.assess(now: at(Int64(number) + 7))
      health.end(
        running,
        Outcome(
          result: .ok, arm: .treatment, user: UInt64(number), at: at(Int64(number) + 12),
          latency: 12_000))
    }
    let findings = health.assess(now: at(212))
    #expect(findings[0].verdict.requests == 200, "counted once")
    #expect(findings[1].verdict.sentence.contains("p95 12 s"), "\(findings[1].verdict.sentence)")
    #expect(health.treatment.latencies.count == 200)
    #expect((health.treatment.latencies.quantile(0.5) ?? 0) > 11_000, "as long as it took")
    #expect(command(actions(&health, at(212))) == .rollback(to: nil))
  }

  @Test func `votes about an earlier stage are not this one's`() throws {
    var plan = try plan("preset: sensitive\nguards: [{metric: thumbs_down_rate, max: 10%}]")
    plan.stageEnteredAt = Moment(at(100))
    plan.updatedAt = Moment(at(100))
    plan.version = 5
    var health = FeatureHealth(plan)
    for number in 0..<60 {
      let user = UInt64(number)
      _ = health.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: user, at: at(110), beganAt: at(90)))
      _ = health.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: user, at: at(110)), version: 4)
    }
    #expect(actions(&health, at(111)).isEmpty)
    #expect(health.treatment[.thumbsDown] == 0)
    for number in 0..<60 {
      _ = health.record(
        Feedback(kind: .thumbsDown, arm: .treatment, user: UInt64(number), at: at(112)), version: 5)
    }
    #expect(command(actions(&health, at(113))) == .rollback(to: nil))
  }

  @Test func `what began before a person said go on is kept and not scored`() throws {
    var plan = try plan("preset: sensitive\nguards: [{metric: error_rate, max: 5%, action: pause}]")
    plan.status = .paused
    var health = FeatureHealth(plan)
    plan.status = .active
    plan.version += 1
    plan.updatedAt = Moment(at(100))
    health.follow(plan)
    func report(_ health: inout FeatureHealth, beganAt: Int64, version: Int? = nil) {
      for number in 0..<100 {
        let late = Outcome(
          result: .failed, arm: .treatment, user: UInt64(number), at: at(101), beganAt: at(beganAt))
        _ = health.record(late, version: version)
      }
    }
    report(&health, beganAt: 90)
    #expect(actions(&health, at(102)).isEmpty)
    #expect(health.treatment.requests == 100, "kept in the totals")
    var restarted = FeatureHealth(plan)
    restarted.restore(try #require(health.state))
    report(&restarted, beganAt: 90)
    #expect(actions(&restarted, at(102)).isEmpty, "after a restart too")
    var decided = health
    report(&decided, beganAt: 90, version: plan.version)
    #expect(command(actions(&decided, at(102))) == .pause, "the version is believed")
    report(&health, beganAt: 100)
    #expect(command(actions(&health, at(102))) == .pause)
  }

  @Test func `a guard that acts when it goes on stops people as one that fires`() throws {
    var health = FeatureHealth(try plan("preset: normal"))
    for number in 0..<60 { _ = health.record(outcome(number, bad: true)) }
    let assessment = health.assessment(now: at(6))
    #expect(assessment.findings[0].verdict.state == .pending)
    #expect(assessment.gates.firing == [assessment.findings[0].verdict.sentence])
    #expect(assessment.gates.unsettled.isEmpty)
    var polled = FeatureHealth(
      try plan("guards: [{prometheus: up, max: 1, sustain: 1m}]"))
    polled.record(.value(2), guard: 0, at: at(6))
    #expect(polled.assessment(now: at(7)).gates.firing.count == 1, "a query acts when it goes on")
    // Within the limit again it is a warning, as it is while one person causes it.
    for number in 60..<160 { _ = health.record(outcome(number)) }
    let calmer = health.assessment(now: at(18))
    #expect(calmer.findings[0].verdict.state == .pending)
    #expect(calmer.gates.firing.isEmpty)
    #expect(!calmer.gates.unsettled.isEmpty)
  }
}
