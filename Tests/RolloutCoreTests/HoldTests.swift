import RolloutCore
import RolloutTesting
import Testing

/// Which hold lets whom pass, and when it ends.
@Suite struct HoldTests {
  private typealias Cause = Plan.Hold.Cause

  /// One row of the table: who wants to pass a hold, and how.
  private struct Try: CustomStringConvertible {
    var cause: Cause
    var actor: Actor
    var reason: String
    var force: Bool
    var requireEvidence: Bool
    var age: TimeSpan

    var description: String {
      "\(cause) of \(age.words), \(actor.text), reason \"\(reason)\", force \(force), "
        + "require_evidence \(requireEvidence)"
    }

    /// Said without the code under test.
    var isAllowed: Bool {
      guard actor.isPerson, cause != .rollback, cause != .alert else { return false }
      // Force by itself needs a reason, whatever it is for.
      if cause == .manual { return !force || reason == "because" }
      if cause == .outage, age < .hours(1) { return false }
      return reason == "because" && (force || !requireEvidence)
    }

    static let all: [Try] = Cause.allCases.flatMap { cause in
      [Actor.token("anna"), .anonymous, .monitor, .alert("a")].flatMap { actor in
        ["because", "", " \n"].flatMap { reason in
          [false, true].flatMap { force in
            [false, true].flatMap { evidence in
              [TimeSpan.minutes(59), .minutes(61)].map { age in
                Try(
                  cause: cause, actor: actor, reason: reason, force: force,
                  requireEvidence: evidence, age: age)
              }
            }
          }
        }
      }
    }
  }

  private func plan(_ row: Try, atStage stage: Int) -> Plan {
    var plan = Samples.plan(atStage: stage)
    plan.definition.advance = .automatic
    plan.definition.requireEvidence = row.requireEvidence
    plan.hold = .init(cause: row.cause, reason: "1.6 %", since: Moment(Samples.start))
    return plan
  }

  private func context(_ row: Try) -> CommandContext {
    var context = Samples.context(
      row.actor, reason: row.reason, now: Samples.start + .hours(2) + row.age)
    context.force = row.force
    return context
  }

  private func check(_ row: Try, _ command: Command, _ plan: Plan, allowed: Bool) throws {
    var plan = plan
    plan.hold?.since = Moment(Samples.start + .hours(2))
    let context = context(row)
    guard allowed else {
      #expect(throws: Refusal.self, "\(command): \(row)") {
        try Lifecycle.perform(command, on: plan, context)
      }
      return
    }
    let change = try #require(try Lifecycle.perform(command, on: plan, context), "\(row)")
    #expect(change.plan.hold == nil, "\(row)")
    // Passing it is said, and so is that it may be passed.
    let passed = Lifecycle.passedOver(plan, context)
    #expect(passed.count == (row.cause == .manual ? 0 : 1), "\(row): \(passed)")
    let warned = Lifecycle.warnings(plan, context)
    #expect(warned == (row.requireEvidence ? [] : passed), "\(row)")
    #expect(Set(warned).isSubset(of: Lifecycle.waitingOn(plan, context)), "\(row)")
  }

  @Test func `every hold lets pass whom it should, and nobody else`() throws {
    for row in Try.all {
      try check(row, .advance(to: nil), plan(row, atStage: 1), allowed: row.isAllowed)
      try check(row, .complete, plan(row, atStage: 4), allowed: row.isAllowed)
      // A way back asks for a reason whatever the hold.
      var back = plan(row, atStage: 1)
      back.incident = .init(stage: "50", at: Moment(Samples.start))
      try check(
        row, .restore, back, allowed: row.isAllowed && row.reason == "because")
    }
  }

  @Test func `what a person may not pass yet says what it takes`() throws {
    func refused(_ cause: Cause, _ requireEvidence: Bool = false) throws -> String {
      let row = Try(
        cause: cause, actor: .token("anna"), reason: "", force: false,
        requireEvidence: requireEvidence, age: .minutes(18))
      let refusal = try #require(throws: Refusal.self) {
        try Lifecycle.perform(
          .advance(to: nil), on: plan(row, atStage: 1),
          Samples.context(reason: "", now: Samples.start + .minutes(18)))
      }
      guard case .held(_, let waiting) = refusal else { return "\(refusal)" }
      return waiting.joined(separator: "; ")
    }
    #expect(
      try refused(.investigate)
        == "hold: to be looked at (1.6 %); it ends with its condition; a person passes it with a reason"
    )
    #expect(try refused(.noTraffic).hasSuffix("a person passes it with a reason"))
    #expect(try refused(.outage).hasSuffix("a person passes it with a reason, in 42 m"))
    #expect(
      try refused(.investigate, true).hasSuffix(
        "require_evidence: a person passes it only with force and a reason"))
    #expect(
      try refused(.alert)
        == "hold: after an alert; a person must acknowledge it; cooldown: 12 m left")
  }

  // MARK: Acknowledging

  private func held(_ cause: Cause = .rollback) throws -> Plan {
    let actor: Actor = cause == .rollback ? .monitor : .alert("a")
    return try #require(
      try Lifecycle.perform(
        .rollback(to: nil), on: Samples.plan(atStage: 3), Samples.context(actor))
    ).plan
  }

  @Test(arguments: [Plan.Hold.Cause.rollback, .alert])
  func `an acknowledgement is taken at once, and the release follows by itself`(
    cause: Plan.Hold.Cause
  ) throws {
    var plan = try held(cause)
    func release(_ minutes: Int64) throws -> Plan? {
      try Lifecycle.perform(
        .release, on: plan, Samples.context(.monitor, now: Samples.start + .minutes(minutes)))?
        .plan
    }
    #expect(try release(60) == nil, "nobody has seen it")
    let seen = Samples.context(now: Samples.start + .minutes(3))
    let change = try #require(try Lifecycle.perform(.acknowledge, on: plan, seen))
    #expect(change.event.kind == .acknowledged)
    plan = change.plan
    #expect(plan.hold?.acknowledged?.by == "token:anna")
    #expect(plan.hold?.acknowledged?.at.wall == Samples.start + .minutes(3))
    #expect(try Plan(plan.document) == plan, "it survives its stored form")
    #expect(
      throws: Refusal.invalidTransition(
        "anna has acknowledged it already; it is released by itself in 27 m (force with a "
          + "reason to end it now).")
    ) { try Lifecycle.perform(.acknowledge, on: plan, seen) }
    #expect(throws: Refusal.self, "the cooldown goes on") {
      try Lifecycle.perform(.advance(to: nil), on: plan, seen)
    }
    #expect(Lifecycle.waitingOn(plan, seen).first == "cooldown: 27 m left")
    #expect(try release(29) == nil)
    #expect(try release(30)?.hold == nil)
    #expect(try release(30) != nil)
    // What was killed meanwhile is left alone until somebody resumes it.
    plan.status = .killed
    #expect(try release(30) == nil)
  }

  @Test(arguments: [Plan.Hold.Cause.rollback, .alert])
  func `a file shortens no cooldown that is running, and may lengthen it`(
    cause: Plan.Hold.Cause
  ) throws {
    var plan = try held(cause)
    func apply(_ cooldown: TimeSpan, at minutes: Int64) throws {
      var definition = plan.definition
      definition.cooldown = cooldown
      let context = Samples.context(now: Samples.start + .minutes(minutes))
      let change = try Lifecycle.perform(.apply(definition, digest: "d"), on: plan, context)
      plan = try #require(change).plan
      #expect(try Plan(plan.document) == plan, "it survives its stored form")
    }
    func left(at minutes: Int64) -> String? {
      Lifecycle.waitingOn(plan, Samples.context(now: Samples.start + .minutes(minutes)))
        .first { $0.hasPrefix("cooldown") }
    }
    try apply(.zero, at: 1)
    #expect(plan.definition.cooldown == .zero)
    #expect(left(at: 2) == "cooldown: 28 m left")
    plan = try #require(
      try Lifecycle.perform(
        .acknowledge, on: plan, Samples.context(now: Samples.start + .minutes(2)))
    ).plan
    #expect(plan.hold != nil, "an acknowledgement releases nothing at once")
    try apply(.hours(1), at: 3)
    #expect(left(at: 3) == "cooldown: 57 m left")
    try apply(.minutes(1), at: 4)
    try apply(.minutes(2), at: 5)
    #expect(left(at: 5) == "cooldown: 55 m left")
    let monitor = Samples.context(.monitor, now: Samples.start + .minutes(60))
    plan = try #require(try Lifecycle.perform(.release, on: plan, monitor)).plan
    #expect(plan.hold == nil)
    // The next hold is the new file's.
    plan = try #require(
      try Lifecycle.perform(
        .rollback(to: nil), on: plan, Samples.context(.monitor, now: Samples.start + .hours(2)))
    ).plan
    #expect(plan.cooldownEnds == Samples.start + .hours(2) + .minutes(2))
  }

  @Test func `a second step back needs another acknowledgement`() throws {
    var plan = try #require(
      try Lifecycle.perform(.acknowledge, on: held(), Samples.context())
    ).plan
    plan = try #require(
      try Lifecycle.perform(.rollback(to: nil), on: plan, Samples.context(.monitor))
    ).plan
    #expect(plan.hold?.acknowledged == nil)
  }

  @Test func `force ends an acknowledged hold at once`() throws {
    var plan = try #require(
      try Lifecycle.perform(.acknowledge, on: held(), Samples.context())
    ).plan
    var forced = Samples.context(.token("bob"))
    forced.force = true
    plan = try #require(try Lifecycle.perform(.acknowledge, on: plan, forced)).plan
    #expect(plan.hold == nil)
  }

  @Test func `the evidence gathered since the acknowledgement outlives the release`() throws {
    var plan = try held()
    var health = FeatureHealth(plan)
    func report(_ count: Int) {
      for index in 0..<count {
        _ = health.record(
          Outcome(
            result: .ok, arm: .treatment, user: UInt64(index % 40), at: Samples.start + .minutes(1),
            latency: 100))
      }
    }
    report(50)
    plan = try #require(try Lifecycle.perform(.acknowledge, on: plan, Samples.context())).plan
    health.follow(plan)
    #expect(health.detectors[0].health.count == 0, "what came before proves nothing")
    report(60)
    plan = try #require(
      try Lifecycle.perform(
        .release, on: plan, Samples.context(.monitor, now: Samples.start + .hours(1)))
    ).plan
    health.follow(plan)
    #expect(health.detectors[0].health.count == 60)
  }
}
