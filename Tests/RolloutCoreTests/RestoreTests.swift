import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// Back to the stage before an incident, in one step.
@Suite struct RestoreTests {
  private func perform(
    _ command: Command, _ plan: Plan, _ context: CommandContext = Samples.context()
  ) throws -> Plan {
    try #require(try Lifecycle.perform(command, on: plan, context)).plan
  }

  /// Rolled back by the monitor from stage 50 (3) to the given one, and acknowledged.
  private func incident(to stage: String = "beta") throws -> Plan {
    let plan = try perform(
      .rollback(to: stage), Samples.plan(atStage: 3), Samples.context(.monitor))
    return try perform(.acknowledge, plan, Samples.context(now: Samples.start + .minutes(31)))
  }

  @Test func `an acknowledged plan goes back in one step, and only once`() throws {
    var plan = try incident()
    #expect(plan.incident?.stage == "50")
    let change = try #require(try Lifecycle.perform(.restore, on: plan, Samples.context()))
    #expect(change.event.kind == .restored)
    #expect(!change.lowersExposure(from: plan))
    plan = change.plan
    #expect(plan.stageName == "50")
    #expect(plan.hold == nil)
    #expect(plan.incident == nil)
    #expect(plan.stageEnteredAt == Moment(Samples.start))
    #expect(throws: Refusal.self) { try perform(.restore, plan) }
  }

  @Test func `what is held, unproven, unapproved or without a reason stays where it is`() throws {
    let plan = try incident()
    #expect(throws: Refusal.self) { try perform(.restore, plan, Samples.context(reason: " ")) }
    #expect(throws: Refusal.self) { try perform(.restore, plan, Samples.context(.monitor)) }
    #expect(throws: Refusal.self) { try perform(.restore, plan, Samples.context(.alert("a"))) }
    var unproven = Samples.context()
    unproven.health.recovery = ["healthy evidence: 3 of 77 samples"]
    #expect(throws: Refusal.gateClosed(waitingOn: ["healthy evidence: 3 of 77 samples"])) {
      try perform(.restore, plan, unproven)
    }
    unproven.force = true
    #expect(try perform(.restore, plan, unproven).stageName == "50")
    unproven.health.unproven = ["healthy evidence: 3 of 114 samples"]
    #expect(
      Lifecycle.passedOver(plan, unproven, isRestore: true)
        == ["healthy evidence: 3 of 77 samples"], "what the next stage asks for is not asked")
    var held = try perform(
      .rollback(to: "beta"), Samples.plan(atStage: 3), Samples.context(.monitor))
    #expect(throws: Refusal.self) { try perform(.restore, held, unproven) }
    held = try perform(.acknowledge, held)
    #expect(throws: Refusal.self, "its cooldown goes on") { try perform(.restore, held, unproven) }
    var paused = plan
    paused.status = .paused
    #expect(throws: Refusal.self) { try perform(.restore, paused, unproven) }
    #expect(throws: Refusal.self) { try perform(.restore, Samples.plan(atStage: 1)) }
  }

  @Test func `nobody has what is off, so only force brings it back`() throws {
    let plan = try incident(to: "off")
    #expect(
      throws: Refusal.gateClosed(waitingOn: [
        "healthy evidence: nobody has the feature, so there is none"
      ])
    ) { try perform(.restore, plan) }
    var forced = Samples.context()
    forced.force = true
    #expect(try perform(.restore, plan, forced).stageName == "50")
  }

  @Test func `approvals are of that stage, by others, and as many as the way asks for`() throws {
    var plan = try incident()
    plan.definition.stages[2].approvals = 2
    plan.definition.stages[3].approvals = 1
    // Who approved the next stage did not approve the one behind it.
    for name in ["bob", "carol"] {
      plan = try perform(.approve, plan, Samples.context(.token(name)))
    }
    let gate =
      "approval: 2 more people must approve (rollout approve ai-summary --to 50)"
    #expect(throws: Refusal.approvalNeededFromAnother("\(gate).")) { try perform(.restore, plan) }
    #expect(Lifecycle.restoreWaitsOn(plan, Samples.context()) == [gate])
    plan = try perform(.approveStage("50"), plan, Samples.context(.token("anna")))
    #expect(throws: Refusal.self) { try perform(.approveStage("50"), plan) }
    #expect(throws: Refusal.self) { try perform(.approveStage("100"), plan) }
    plan = try perform(.approveStage("50"), plan, Samples.context(.token("bob")))
    let own = try #require(throws: Refusal.self) { try perform(.restore, plan) }
    guard case .approvalNeededFromAnother = own else {
      Issue.record("refused with \(own)")
      return
    }
    #expect(plan.restoreApprovals.barred == ["anna", "bob"])
    #expect(try perform(.restore, plan, Samples.context(.token("carol"))).stageName == "50")
    // A step in between ends what was approved.
    #expect(try perform(.rollback(to: "internal"), plan).incident == nil)
  }

  @Test func `one stage back is approved as an advance is`() throws {
    var plan = try incident(to: "25")
    plan.definition.stages[3].approvals = 1
    plan = try perform(.approveStage("50"), plan, Samples.context(.token("bob")))
    #expect(plan.approvals == ["bob"])
    #expect(try perform(.restore, plan).stageName == "50")
  }

  @Test func `the first stage of an incident counts until somebody has seen it`() throws {
    var plan = try perform(
      .rollback(to: nil), Samples.plan(atStage: 3), Samples.context(.monitor))
    plan = try perform(.rollback(to: nil), plan, Samples.context(.alert("a")))
    #expect(plan.stageName == "beta")
    #expect(plan.incident?.stage == "50")
    plan = try perform(.acknowledge, plan)
    plan = try perform(.rollback(to: nil), plan, Samples.context(.monitor))
    #expect(plan.incident?.stage == "beta", "another incident")
  }

  @Test func `stages reached again and files that change the way end it`() throws {
    var plan = try incident()
    plan = try perform(.advance(to: nil), plan)
    #expect(plan.incident?.stage == "50")
    #expect(try perform(.advance(to: nil), plan).incident == nil)
    var later = plan.definition
    later.stages[4].approvals = 1
    #expect(try perform(.apply(later), plan).incident?.stage == "50")
    var wider = plan.definition
    wider.stages[3].audience.percent = .percent(60)
    #expect(try perform(.apply(wider), plan).incident == nil)
    var renamed = plan.definition
    renamed.stages[3].audience.name = "half"
    #expect(try perform(.apply(renamed), plan).incident == nil)
  }

  @Test func `a plan with an incident survives its stored form`() throws {
    var plan = try incident()
    plan = try perform(.approveStage("50"), plan)
    #expect(plan.incident?.approvals == ["anna"])
    #expect(try Plan(plan.document) == plan)
  }

  @Test func `a stage has shown that it is well from G 20 on, whatever the next one asks for`()
    throws
  {
    // Back from the last stage to the one before it, whose advance asks for 100.
    var plan = try perform(.rollback(to: nil), Samples.plan(atStage: 4), Samples.context(.monitor))
    plan = try perform(.acknowledge, plan, Samples.context(now: Samples.start + .minutes(31)))
    plan.definition.guards = [Guard(.errorRate, max: .share(.percent(5)))]
    var health = FeatureHealth(plan)
    let now = Samples.start + .minutes(1)
    func gates(after count: Int) -> HealthGates {
      for index in 0..<count {
        _ = health.record(
          Outcome(result: .ok, arm: .treatment, user: UInt64(index), at: now, latency: 1))
      }
      return health.gates(health.assess(now: now), now: now)
    }
    #expect(gates(after: 76).recovery == ["healthy evidence: 76 of 77 samples"])
    #expect(gates(after: 24).recovery.isEmpty)
    #expect(gates(after: 0).unproven == ["healthy evidence: 100 of 114 samples"])
  }
}
