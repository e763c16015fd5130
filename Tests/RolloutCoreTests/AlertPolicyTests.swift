import RolloutCore
import RolloutTesting
import Testing

/// What an alert does, as a pure function of the alert, the plan and the time.
@Suite struct AlertPolicyTests {
  private let now = Samples.start + .minutes(10)

  private func alert(_ action: Alert.Action, startedAt start: Instant? = nil) -> Alert {
    Alert(
      dedupeKey: "k", name: "High", feature: "ai-summary", action: action, reason: "r",
      startsAt: start ?? now, receivedAt: now)
  }

  private func before(_ moment: Instant, _ span: TimeSpan) -> Instant {
    Instant(milliseconds: moment.milliseconds - span.milliseconds)
  }

  private func decide(_ alert: Alert, _ plan: Plan, wasSet: Bool = false) -> AlertPolicy.Effect {
    AlertPolicy.decide(alert, plan, now: now) { _ in wasSet }
  }

  @Test func `an alert does what it says to a plan that serves`() {
    var plan = Samples.plan(atStage: 2)
    #expect(decide(alert(.kill), plan) == .act(.kill))
    #expect(decide(alert(.pause), plan) == .act(.pause))
    #expect(decide(alert(.rollback), plan) == .act(.rollback(to: nil)))
    plan.definition.rollbackDestination = .off
    #expect(decide(alert(.rollback), plan) == .act(.rollback(to: "off")))
  }

  @Test func `it does nothing to what serves nobody`() {
    for action in Alert.Action.allCases {
      #expect(decide(alert(action), Samples.plan(atStage: nil)) == .inert(.notServing))
      #expect(decide(alert(action), Samples.plan(atStage: -1)) == .inert(.notServing))
    }
  }

  @Test func `one that began before the stage says nothing about it, unless the clock was set`() {
    let old = alert(.rollback, startedAt: before(Samples.start, .seconds(1)))
    let plan = Samples.plan(atStage: 2)
    #expect(decide(old, plan) == .inert(.olderThanTheStage))
    #expect(decide(old, plan, wasSet: true) == .act(.rollback(to: nil)))
    #expect(decide(alert(.rollback, startedAt: Samples.start), plan) == .act(.rollback(to: nil)))
  }

  @Test func `a second rollback waits for the cooldown, a kill for nothing`() {
    var plan = Samples.plan(atStage: 2)
    plan.hold = Plan.Hold(cause: .alert, reason: "r", since: Moment(before(now, .minutes(29))))
    #expect(decide(alert(.rollback), plan) == .inert(.held))
    #expect(decide(alert(.kill), plan) == .act(.kill))
    plan.hold?.since = Moment(before(now, .minutes(30)))
    #expect(decide(alert(.rollback), plan) == .act(.rollback(to: nil)))
  }

  @Test func `what is paused is not paused again`() {
    var plan = Samples.plan(atStage: 2)
    plan.status = .paused
    #expect(decide(alert(.pause), plan) == .inert(.held))
    #expect(decide(alert(.rollback), plan) == .act(.rollback(to: nil)))
  }

  @Test func `an event shows which alert caused it, and no other`() throws {
    var context = Samples.context(.alert("High"))
    let plan = Samples.plan(atStage: 2)
    let alert = alert(.rollback)
    context.evidence = alert.evidence(id: "1", count: 3)
    let event = try #require(
      try Lifecycle.perform(.rollback(to: nil), on: plan, context)?.event)
    #expect(alert.hasCaused(event))
    #expect(!self.alert(.kill).hasCaused(event))
    var other = alert
    other.dedupeKey = "k2"
    #expect(!other.hasCaused(event))
  }

  @Test func `the youngest speaks for all, and rows are folded by what they have in common`() {
    let alerts = [3, 9, 1].map { alert(.kill, startedAt: now + .seconds($0)) }
    #expect(AlertPolicy.speaker(of: alerts, \.self)?.startsAt == now + .seconds(9))
    let held = AlertRecord(.inert, alert(.kill), sender: "t", why: .held)
    #expect(held.fold == "ai-summary kill held High")
    // Names that nobody knows are anybody's to invent.
    let unknown = AlertRecord(.inert, alert(.kill), sender: "t", why: .unknownFeature)
    #expect(unknown.fold == "unknown feature")
    #expect(AlertRecord(.acted, alert(.kill), sender: "t").fold.isEmpty)
  }
}
