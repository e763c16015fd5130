import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

// What is acted on is about now, and what is found later says more than what was found before.
extension JudgeTests {
  private var target: ProviderModel { ProviderModel(provider: "p", model: "m") }

  /// A stage in which `requests` of the AI path all fail, one every 100 ms.
  private func failing(_ yaml: String, _ requests: Range<Int> = 0..<60) throws -> FeatureHealth {
    var health = FeatureHealth(try plan(yaml))
    fail(requests, &health)
    return health
  }

  private func fail(_ requests: Range<Int>, _ health: inout FeatureHealth) {
    for number in requests {
      var outcome = outcome(number, bad: true)
      outcome.origin = FailureOrigin(target, kind: "server_error", isThrottled: false)
      _ = health.record(outcome)
    }
  }

  @Test func `nothing is acted on of which nothing more is heard`() throws {
    for yaml in ["preset: sensitive", "preset: sensitive\nattribution: off"] {
      var health = try failing(yaml)
      #expect(command(actions(&health, at(6), provider: .asking)) == nil || yaml.contains("off"))
      // The answer comes when the last request is long over: it blames nobody.
      #expect(command(actions(&health, at(37), provider: .answers)) == nil)
      #expect(command(actions(&health, at(600))) == nil)
      fail(6000..<6030, &health)
      #expect(command(actions(&health, at(603), provider: .answers)) == .rollback(to: nil))
    }
  }

  @Test func `a restart acts on nothing before the first request`() throws {
    var health = try failing("preset: sensitive")
    #expect(command(actions(&health, at(6))) == .rollback(to: nil))
    var restored = FeatureHealth(health.plan)
    restored.restore(try #require(health.state))
    #expect(command(actions(&restored, at(7))) == nil)
    fail(71..<72, &restored)
    #expect(command(actions(&restored, at(8))) == .rollback(to: nil))
  }

  @Test func `who is silent testifies to no outage, however its guards stand`() throws {
    var health = try failing("preset: sensitive")
    #expect(health.assessment(now: at(6)).witnesses(target, now: at(6)))
    // Looked at just now, and still failing; but nobody has met with it lately.
    let silent = health.assessment(now: at(25))
    #expect(silent.failingSince != nil && !silent.witnesses(target, now: at(25)))
  }

  @Test func `an outage takes the place of a hold that says less`() throws {
    for cause in [Plan.Hold.Cause.investigate, .noTraffic] {
      var health = try failing("preset: sensitive")
      var held = health.plan
      held.hold = .init(cause: cause, reason: "", since: Moment(at(3)))
      held.version += 1
      health.follow(held)
      let found = command(actions(&health, at(6), provider: .silent(target)))
      #expect(found == .hold(.outage), "\(cause)")
      let context = CommandContext(actor: .monitor, reason: "shared outage", now: Moment(at(6)))
      let change = try #require(try Lifecycle.perform(.hold(.outage), on: held, context))
      #expect(change.plan.hold?.cause == .outage)
      #expect(change.plan.hold?.since.steady == at(6))
      #expect(try Lifecycle.perform(.hold(.investigate), on: change.plan, context) == nil)
    }
    for cause in [Plan.Hold.Cause.rollback, .alert, .manual, .outage] {
      var health = try failing("preset: sensitive")
      var held = health.plan
      held.hold = .init(cause: cause, reason: "", since: Moment(at(3)))
      held.version += 1
      health.follow(held)
      #expect(command(actions(&health, at(6), provider: .silent(target))) == nil, "\(cause)")
    }
  }

  @Test func `a completion waits for guards that act, and for nothing else`() throws {
    let last = try plan("preset: sensitive").definition.stages.count - 1
    for (requests, isOpen) in [(0, true), (60, false)] {
      var health = FeatureHealth(try plan("preset: sensitive", stage: last))
      fail(0..<requests, &health)
      var context = CommandContext(actor: .token("anna"), reason: "", now: Moment(at(6)))
      context.health = health.assessment(now: at(6)).gates
      let status = PlanStatus(health.plan, gates: context.health, now: context.now)
      let step = try #require(status.next(for: .token("anna")))
      #expect(step.action == .complete && step.waitingOn.isEmpty == isOpen, "\(step)")
      if isOpen {
        #expect(try Lifecycle.perform(.complete, on: health.plan, context) != nil)
      } else {
        #expect(step.waitingOn.contains { $0.contains("all failed, for ") })
        #expect(throws: Refusal.gateClosed(waitingOn: context.health.firing)) {
          try Lifecycle.perform(.complete, on: health.plan, context)
        }
      }
      (context.force, context.reason) = (true, "the rest is known")
      #expect(try Lifecycle.perform(.complete, on: health.plan, context) != nil)
    }
  }

  @Test func `a multiple of the stage before stops nobody in the first`() throws {
    let yaml = """
      preset: sensitive
      guards: [{metric: error_rate, max: 5%}, {metric: cost_per_request, max: 2x}]
      """
    for (stage, state) in [(0, Detector.State.quiet), (1, .unavailable)] {
      var health = FeatureHealth(try plan(yaml, stage: stage))
      for number in 0..<2000 { _ = health.record(outcome(number, user: number % 50)) }
      let assessment = health.assessment(now: at(200))
      #expect(assessment.findings[1].verdict.state == state)
      #expect(assessment.gates.isOpen == (stage == 0), "\(assessment.gates)")
    }
    // Where nothing else acts a person has to say why.
    var alone = FeatureHealth(
      try plan("guards: [{metric: cost_per_request, max: 2x}]", stage: 0))
    for number in 0..<2000 { _ = alone.record(outcome(number, user: number % 50)) }
    let evidence = alone.assessment(now: at(200)).gates.unproven
    #expect(evidence.first?.contains("compares with the stage before") == true, "\(evidence)")
  }

  @Test func `what a batch reports after a step back is not held against the stage below`() throws {
    var below = try plan("preset: sensitive", stage: 1)
    below.hold = .init(cause: .rollback, reason: "", since: Moment(at(0)))
    for isUndated in [true, false] {
      var health = FeatureHealth(below)
      for number in 0..<40 {
        var outcome = outcome(number, bad: true, latency: nil)
        outcome.isUndated = isUndated
        _ = health.record(outcome)
      }
      #expect((command(actions(&health, at(4))) == nil) == isUndated)
      // What comes later is of this stage.
      for number in 50..<110 {
        var outcome = outcome(number, bad: true, latency: nil)
        outcome.isUndated = isUndated
        _ = health.record(outcome)
      }
      #expect(command(actions(&health, at(11))) == .rollback(to: nil))
    }
  }

  @Test func `what has calmed down is over the limit, and no noise`() throws {
    var health = FeatureHealth(try plan("guards: [{metric: error_rate, max: 5%, investigate: 1%}]"))
    for number in 0..<300 { _ = health.record(outcome(number, bad: number % 3 == 0)) }
    for second in 20..<31 as Range<Int64> { _ = health.assessment(now: at(second)) }
    for number in 310..<510 { _ = health.record(outcome(number)) }
    for second in 51..<75 as Range<Int64> { _ = health.assessment(now: at(second)) }
    let finding = health.assessment(now: at(75)).findings[0]
    #expect(finding.verdict.state == .investigate)
    #expect(finding.verdict.sentence.contains("but the last requests are within it again"))
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
    // What was measured is old until a request comes.
    var expected = before
    for index in expected.indices { expected[index].isCurrent = false }
    #expect(restored.assess(now: at(70)) == expected)
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
