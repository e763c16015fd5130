import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

// One incident is one step, whatever it is measured by and whoever took the step.
extension JudgeTests {
  private var target: ProviderModel { ProviderModel(provider: "p", model: "m") }

  /// Stage 1, entered just now by a step back.
  private func stepped(_ yaml: String, _ cause: Plan.Hold.Cause) throws -> FeatureHealth {
    var below = try plan(yaml, stage: 1)
    below.hold = .init(cause: cause, reason: "", since: Moment(at(0)))
    below.hold?.cooldown = .minutes(30)
    return FeatureHealth(below)
  }

  @Test func `what is told without a time just after a step is of no stage, whatever it measures`()
    throws
  {
    let sick: [(guardText: String, outcome: (Int) -> Outcome)] = [
      ("{metric: error_rate, max: 5%}", { self.outcome($0, bad: true) }),
      ("{metric: cost_per_request, max: $0.02}", { self.outcome($0, cost: 80_000_000) }),
      ("{metric: latency_p95, max: 1s}", { self.outcome($0, latency: 9000) }),
      ("{metric: latency_mean, max: 1s}", { self.outcome($0, latency: 9000) }),
      ("{metric: tokens_per_request, max: 100}", { self.outcome($0, tokens: 900) }),
    ]
    for (guardText, outcome) in sick {
      for cause in [Plan.Hold.Cause.rollback, .alert, .manual] {
        for isUndated in [true, false] {
          var health = try stepped("preset: sensitive\nguards: [\(guardText)]", cause)
          // Of the last seconds; when it began nobody says, or that it was in this stage.
          for number in isUndated ? 1..<41 : 91..<131 {
            var one = outcome(number)
            one.isUndated = isUndated
            _ = health.record(one)
          }
          let end = at(isUndated ? 4 : 14)
          let found = command(actions(&health, end))
          #expect((found == nil) == isUndated, "\(guardText) after \(cause): \(found as Any)")
        }
      }
    }
  }

  @Test
  func `a number that looks back over minutes takes one step, and the next after the cooldown`()
    throws
  {
    let yaml = "guards: [{prometheus: up, max: 1, sustain: 10s}]"
    var health = try stepped(yaml, .rollback)
    func ask(_ value: Double, _ second: Int64) -> Command? {
      health.record(.value(value), guard: 0, at: at(second))
      return command(actions(&health, at(second)))
    }
    for second in stride(from: Int64(5), to: 1790, by: 15) { #expect(ask(7, second) == nil) }
    let finding = try #require(health.assessment(now: at(1790)).findings.first)
    #expect(finding.verdict.state == .pending)
    #expect(finding.verdict.sentence.contains("still over 1 since before the step back"))
    // Nobody goes further meanwhile.
    #expect(!health.assessment(now: at(1790)).gates.firing.isEmpty)
    #expect(ask(7, 1805) == .rollback(to: nil))
    // Once it has been within its limit it is another incident.
    health = try stepped(yaml, .rollback)
    _ = ask(7, 5)
    _ = ask(0.5, 20)
    #expect(ask(7, 35) == nil)
    #expect(ask(7, 50) == .rollback(to: nil))
  }

  @Test func `throttling is no outage, also where it began as one`() throws {
    var held = try plan("preset: sensitive")
    held.hold = .init(cause: .outage, reason: "", since: Moment(at(0)))
    for isThrottled in [true, false] {
      var health = FeatureHealth(held)
      for number in 0..<100 {
        var bad = outcome(number, bad: true)
        bad.origin =
          number % 3 == 0
          ? FailureOrigin(
            target, kind: "breaker_open", isThrottled: false, keptAwayFor: TimeSpan(milliseconds: 1)
          )
          : FailureOrigin(target, kind: "failed", isThrottled: isThrottled)
        _ = health.record(bad)
      }
      // Nobody can be asked: the account's limit says no to questions, too.
      let found = command(actions(&health, at(10)))
      #expect((found == .rollback(to: nil)) == isThrottled, "\(found as Any)")
    }
  }

  @Test func `what was measured before an incident is what a multiple compares with after it`()
    throws
  {
    let yaml = "preset: sensitive\nguards: [{metric: cost_per_request, max: 2x}]"
    var plan = try plan(yaml, stage: 0)
    var health = FeatureHealth(plan)
    func spend(_ cents: Int, _ numbers: Range<Int>) {
      for number in numbers { _ = health.record(outcome(number, cost: cents * 10_000_000)) }
    }
    func enter(_ stage: Int, at second: Int64, held: Bool = false) {
      plan.stageIndex = stage
      plan.stageEnteredAt = Moment(at(second))
      plan.version += 1
      plan.hold =
        held ? .init(cause: .rollback, reason: "", since: Moment(at(second))) : nil
      health.follow(plan)
    }
    spend(1, 0..<300)
    enter(1, at: 30)
    spend(1, 300..<600)
    enter(2, at: 60)
    spend(5, 600..<900)
    #expect(command(actions(&health, at(90))) == .rollback(to: nil))
    enter(1, at: 90, held: true)
    spend(5, 960..<1200)
    enter(0, at: 120, held: true)
    spend(5, 1260..<1500)
    // A person goes back to where it was.
    enter(2, at: 150)
    spend(5, 1500..<1800)
    #expect(command(actions(&health, at(180))) == .rollback(to: nil))
  }

  @Test func `sentences say what is, of guards that only tell as well`() throws {
    func sentence(_ guardText: String, _ outcomes: [Outcome], _ now: Int64) throws -> String {
      var health = FeatureHealth(try plan("guards: [\(guardText)]"))
      for outcome in outcomes { _ = health.record(outcome) }
      return health.assess(now: at(now))[0].verdict.sentence
    }
    let failures = (1..<41).map { outcome($0, bad: true) }
    let rate = "metric: error_rate, max: 5%"
    for (more, words) in [
      ("", "; acts when it goes on."), (", action: notify", "; tells when it goes on."),
      (", dry_run: true", "; would act when it goes on."),
      (", min_affected_users: 50", "; acts when 50 people are hurt, so far 40."),
    ] {
      let said = try sentence("{\(rate)\(more)}", failures, 4)
      #expect(said.hasSuffix(words), "\(said)")
    }
    let few = try sentence("{\(rate)}", Array(failures.prefix(6)), 1)
    #expect(few.hasPrefix("error_rate: 6 of the first 6 requests that count failed"), "\(few)")
    // What failed is no sample of health.
    var sick = FeatureHealth(try plan())
    for outcome in failures.prefix(3) { _ = sick.record(outcome) }
    let missing = sick.assessment(now: at(1)).gates.unproven
    #expect(missing.first?.contains("more good samples") == true, "\(missing)")
  }

  @Test func `who lets a plan advance by itself does not approve it, too`() throws {
    let yaml = """
      advance: automatic
      stages:
        - {name: a, percent: 10, soak: 0s}
        - {name: b, percent: 50, approvals: 1}
        - {name: c, percent: 100}
      """
    func context(_ actor: Actor) -> CommandContext {
      CommandContext(actor: actor, reason: "because", now: Moment(at(400)))
    }
    for (approver, advances) in [("anna", false), ("bob", true)] {
      var plan = try plan(yaml, stage: 0)
      plan.appliedBy = "anna"
      plan = try #require(
        try Lifecycle.perform(.approve, on: plan, context(.token(approver)))
      ).plan
      var health = FeatureHealth(plan)
      for number in 0..<4000 { _ = health.record(outcome(number)) }
      let found = command(actions(&health, at(400)))
      #expect((found == .advance(to: "b")) == advances, "\(approver): \(found as Any)")
      let status = PlanStatus(
        plan, gates: health.assessment(now: at(400)).gates, now: Moment(at(400)))
      let waits = status.next(for: .token("cy"))?.waitingOn ?? []
      #expect(waits.contains { $0.hasPrefix("approval: anna applied") } != advances, "\(waits)")
      if advances {
        #expect(try Lifecycle.perform(.advance(to: "b"), on: plan, context(.monitor)) != nil)
      } else {
        #expect(throws: Refusal.self) {
          try Lifecycle.perform(.advance(to: "b"), on: plan, context(.monitor))
        }
        // Another person may: they are two.
        #expect(try Lifecycle.perform(.advance(to: "b"), on: plan, context(.token("bob"))) != nil)
      }
    }
  }
}
