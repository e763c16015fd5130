import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

// Whose fault it is.
extension JudgeTests {
  @Test func `the strongest outcome wins: a slow treatment does not wait behind a shared outage`()
    throws
  {
    let yaml = """
      preset: sensitive
      guards: [{metric: error_rate, max: 5%}, {metric: latency_mean, max: 5s}]
      """
    var health = FeatureHealth(try plan(yaml))
    for number in 0..<800 {
      let arm: Outcome.Arm = number % 2 == 0 ? .treatment : .control
      _ = health.record(
        outcome(number, bad: number % 3 == 0, latency: arm == .treatment ? 25_000 : 100, arm: arm)
          .begun(at: at(0)))
    }
    let assessment = health.assessment(now: at(80))
    #expect(assessment.findings[0].attribution == .sharedOutage)
    #expect(command(actions(&health, at(80))) == .rollback(to: nil))
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
    var off = FeatureHealth(try plan("preset: sensitive\nattribution: off"))
    for number in 0..<100 {
      _ = off.record(outcome(number, bad: true, arm: number % 2 == 0 ? .treatment : .control))
    }
    #expect(command(actions(&off, at(10))) == .rollback(to: nil))
  }

  @Test func `a hold by control says the numbers of both, however far apart they are`() throws {
    var health = FeatureHealth(
      try plan("preset: sensitive\nguards: [{metric: error_rate, max: 3%}]"))
    for number in 0..<400 {
      let arm: Outcome.Arm = number % 4 == 0 ? .treatment : .control
      _ = health.record(outcome(number, bad: arm == .control && number % 20 == 1, arm: arm))
    }
    for number in 400..<412 { _ = health.record(outcome(number, bad: true)) }
    let assessment = health.assessment(now: at(41))
    #expect(assessment.findings[0].attribution == .sharedOutage)
    let reasons = actions(&health, at(41)).compactMap { action -> String? in
      guard case .command(_, let reason, _) = action else { return nil }
      return reason
    }
    let words = try #require(reasons.first)
    #expect(words.contains("users without the feature are over the limit too: of their last"))
    #expect(
      words.contains(#/requests \d[\d.]* % failed, of the last \d+ with it \d[\d.]* %/#), "\(words)"
    )
  }

  @Test func `a held outage is rolled back by evidence only, and health starts anew after it`()
    throws
  {
    let start = try plan("preset: sensitive")
    var health = FeatureHealth(start)
    for number in 0..<600 {
      let arm: Outcome.Arm = number % 4 < 2 ? .treatment : .control
      _ = health.record(outcome(number, bad: number >= 200 && number % 2 == 0, arm: arm))
    }
    #expect(command(actions(&health, at(60))) == .hold(.outage))
    var held = start
    held.hold = .init(cause: .outage, reason: "", since: Moment(at(60)))
    held.version += 1
    health.follow(held)
    // Control is well again and the treatment is not: D decides, in its own time.
    var actedAt: Int?
    for number in 600..<2000 where actedAt == nil {
      let arm: Outcome.Arm = number % 4 < 2 ? .treatment : .control
      _ = health.record(outcome(number, bad: arm == .treatment && number % 2 == 0, arm: arm))
      if command(actions(&health, at(Int64(number) / 10))) != nil { actedAt = number }
    }
    let acted = try #require(actedAt)
    #expect(acted > 640, "not at once")
    #expect(health.detectors[0].comparison.value >= ArmComparison.decisive)
    // The other way round: what ended is forgotten, and clean traffic opens the gate.
    var well = FeatureHealth(start)
    for number in 0..<400 { _ = well.record(outcome(number, bad: true)) }
    well.follow(held)
    for number in 400..<500 { _ = well.record(outcome(number)) }
    #expect(well.detectors[0].missingHealth != nil)
    var free = held
    free.hold = nil
    free.version += 1
    well.follow(free)
    for number in 500..<577 { _ = well.record(outcome(number)) }
    #expect(well.detectors[0].missingHealth == nil)
  }

  @Test func `of failing AI calls the provider is asked first`() throws {
    let target = ProviderModel(provider: "openai", model: "large")
    func failing() throws -> FeatureHealth {
      var health = FeatureHealth(try plan("preset: sensitive"))
      for number in 0..<100 {
        // Control never calls the provider, and is well.
        _ = health.record(outcome(number, arm: .control))
        var bad = outcome(number, bad: true)
        bad.origin = FailureOrigin(target, kind: "server_error", isThrottled: false)
        _ = health.record(bad)
      }
      return health
    }
    var health = try failing()
    #expect(health.suspect(at(10)) == target)
    for (provider, expected) in [
      (ProviderCondition.asking, nil), (.witnessed(by: ["other"]), .hold(.outage)),
      (.silent(target), .hold(.outage)), (.answers, .rollback(to: nil)),
      (.none, .rollback(to: nil)),
    ] as [(ProviderCondition, Command?)] {
      var copy = health
      #expect(command(actions(&copy, at(10), provider: provider)) == expected, "\(provider)")
    }
    // Our own quota is nobody's outage.
    var throttled = FeatureHealth(try plan("preset: sensitive"))
    for number in 0..<100 {
      var bad = outcome(number, bad: true)
      bad.origin = FailureOrigin(target, kind: "throttled", isThrottled: true)
      _ = throttled.record(bad)
    }
    #expect(throttled.suspect(at(10)) == nil)
    // A held one is not let go while its provider is silent.
    var held = health.plan
    held.hold = .init(cause: .outage, reason: "", since: Moment(at(10)))
    held.version += 1
    health.follow(held)
    for number in 100..<900 { _ = health.record(outcome(number)) }
    #expect(command(actions(&health, at(79), provider: .answers)) == nil, "well for too short")
    #expect(command(actions(&health, at(90), provider: .silent(target))) == nil)
    #expect(command(actions(&health, at(90), provider: .answers)) == .release)
  }

  @Test func `what the stage above left behind is no evidence against this one, nor for it`() throws
  {
    let target = ProviderModel(provider: "openai", model: "large")
    var stepped = try plan("preset: sensitive")
    stepped.hold = .init(cause: .rollback, reason: "", since: Moment(Samples.start))
    func refused(_ number: Int, barred seconds: Int64) -> Outcome {
      var outcome = outcome(number, bad: true)
      outcome.origin = FailureOrigin(
        target, kind: "breaker_open", isThrottled: false, keptAwayFor: .seconds(seconds))
      return outcome
    }
    // The way was barred by a call of the stage above.
    var health = FeatureHealth(stepped)
    for number in 0..<100 { _ = health.record(refused(number, barred: 60)) }
    #expect(command(actions(&health, at(10))) == nil)
    #expect(health.notes.contains { $0.contains("not held against this stage") })
    for number in 100..<200 { _ = health.record(outcome(number)) }
    #expect(health.detectors[0].missingHealth != nil, "100 failures are no health")
    // By one of this stage: it is its own.
    for number in 200..<260 { _ = health.record(refused(number, barred: 1)) }
    #expect(command(actions(&health, at(26))) == .rollback(to: nil))
    // The account's limit is used up for a minute; what fails then is this stage's doing.
    var throttled = FeatureHealth(stepped)
    for number in 0..<700 {
      var bad = outcome(number, bad: true)
      bad.origin = FailureOrigin(target, kind: "throttled", isThrottled: true)
      _ = throttled.record(bad)
      if number == 590 { #expect(command(actions(&throttled, at(59))) == nil) }
    }
    #expect(command(actions(&throttled, at(70))) == .rollback(to: nil))
  }

  @Test func `a witness serves now, was looked at now, and began to fail together`() throws {
    let target = ProviderModel(provider: "openai", model: "large")
    var health = FeatureHealth(try plan("preset: sensitive"))
    for number in 0..<100 {
      var bad = outcome(number, bad: true)
      bad.origin = FailureOrigin(target, kind: "timeout", isThrottled: false)
      _ = health.record(bad)
    }
    let assessment = health.assessment(now: at(10))
    #expect(assessment.witnesses(target, now: at(10)))
    #expect(!assessment.witnesses(.init(provider: "openai", model: "small"), now: at(10)))
    #expect(!assessment.witnesses(target, now: at(20)), "looked at ten seconds ago")
    var old = assessment
    old.at = at(700)
    #expect(!old.witnesses(target, now: at(700)), "fails for longer than ten minutes")
    var killed = assessment
    killed.plan.status = .killed
    #expect(!killed.witnesses(target, now: at(10)), "serves nobody")
  }
}

extension Outcome {
  /// The same, of a request that began then.
  func begun(at instant: Instant) -> Outcome {
    var outcome = self
    outcome.beganAt = instant
    return outcome
  }
}
