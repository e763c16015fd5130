import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@Suite struct LifecycleTests {
  private func perform(
    _ command: Command, _ plan: Plan, _ context: CommandContext = Samples.context()
  ) throws -> Plan {
    try #require(try Lifecycle.perform(command, on: plan, context)).plan
  }

  @Test func `a plan goes from draft through every stage to completion`() throws {
    var plan = Lifecycle.create(PlanDefinition(feature: "x"), Samples.context()).plan
    #expect(plan.version == 1)
    plan = try perform(.start, plan)
    #expect(plan.stageName == "internal")
    for name in ["beta", "25", "50", "100"] {
      plan = try perform(.advance(to: nil), plan)
      #expect(plan.stageName == name)
    }
    plan = try perform(.complete, plan)
    #expect(plan.status == .completed)
    #expect(plan.version == 7)
  }

  @Test func `each change is one event that says where from and where to`() throws {
    let change = try #require(
      try Lifecycle.perform(.advance(to: "beta"), on: Samples.plan(atStage: 0), Samples.context()))
    #expect(change.event.version == 3)
    #expect(change.event.kind == .advanced)
    #expect(change.event.from == .init(stage: "internal", status: .active))
    #expect(change.event.to == .init(stage: "beta", status: .active))
    #expect(change.event.actor.text == "token:anna")
    #expect(change.event.reason == "because")
  }

  @Test(
    arguments: [
      (Command.start, Plan.Status.active), (.advance(to: nil), .draft),
      (.advance(to: nil), .paused),
      (.advance(to: nil), .killed), (.rollback(to: nil), .draft), (.rollback(to: nil), .killed),
      (.restore, .active), (.restore, .killed),
      (.pause, .paused), (.resume, .active), (.acknowledge, .active), (.kill, .draft),
      (.complete, .active), (.archive, .active), (.approve, .killed), (.archive, .archived),
    ])
  func `what a state does not allow is refused`(command: Command, status: Plan.Status) {
    var plan = Samples.plan(atStage: 1)
    plan.status = status
    #expect(throws: Refusal.self) { try perform(command, plan) }
  }

  @Test(
    arguments: [
      (Command.advance(to: nil), Plan.Status.draft, "start it (rollout start ai-summary)"),
      (.advance(to: nil), .killed, "resume it first (rollout resume ai-summary --reason TEXT)"),
      (.pause, .draft, "start it (rollout start ai-summary)"),
      (.pause, .killed, "resume it first (rollout resume ai-summary --reason TEXT)"),
      (.rollback(to: nil), .draft, "start it (rollout start ai-summary)"),
      (.restore, .killed, "resume it first (rollout resume ai-summary --reason TEXT)"),
      (.complete, .draft, "start it (rollout start ai-summary)"),
      (.complete, .paused, "resume it first (rollout resume ai-summary)"),
      (.start, .active, "advance it (rollout advance ai-summary)"),
      (.advance(to: nil), .archived, "bring it back first (rollout unarchive ai-summary)"),
    ])
  func `a refusal says what to do first`(
    command: Command, status: Plan.Status, advice: String
  ) throws {
    var plan = Samples.plan(atStage: 1)
    plan.status = status
    do {
      _ = try Lifecycle.perform(command, on: plan, Samples.context())
      Issue.record("accepted")
    } catch let refusal {
      #expect("\(refusal)".contains(advice), "\(refusal)")
    }
  }

  @Test func `advance names the next stage when another was expected`() {
    #expect(throws: Refusal.unexpectedStage(next: "beta")) {
      try perform(.advance(to: "50"), Samples.plan(atStage: 0))
    }
  }

  @Test func `soak and firing guards close the gate, force opens it with a reason`() throws {
    var plan = Samples.plan(atStage: 0)
    plan.definition.stages[0].soak = .hours(2)
    var context = Samples.context(now: Samples.start + .minutes(30))
    #expect(throws: Refusal.gateClosed(waitingOn: ["soak: 1 h 30 m left"])) {
      try perform(.advance(to: nil), plan, context)
    }
    context.force = true
    #expect(try perform(.advance(to: nil), plan, context).stageName == "beta")
    context.reason = " "
    #expect(throws: Refusal.self) { try perform(.advance(to: nil), plan, context) }
    var firing = Samples.context(now: Samples.start + .hours(3))
    firing.health.firing = ["error_rate: 9 %"]
    #expect(throws: Refusal.gateClosed(waitingOn: ["error_rate: 9 %"])) {
      try perform(.advance(to: nil), plan, firing)
    }
  }

  @Test func `who approves may not be who advances, and advancing clears approvals`() throws {
    var plan = Samples.plan(atStage: 0)
    plan.definition.stages[1].approvals = 1
    #expect(throws: Refusal.self) { try perform(.advance(to: nil), plan) }
    plan = try perform(.approve, plan)
    #expect(plan.approvals == ["anna"])
    let own = try #require(throws: Refusal.self) { try perform(.advance(to: nil), plan) }
    guard case .approvalNeededFromAnother = own else {
      Issue.record("refused with \(own)")
      return
    }
    #expect(throws: Refusal.self) { try perform(.approve, plan) }
    var forced = Samples.context()
    forced.force = true
    #expect(throws: Refusal.self) { try perform(.advance(to: nil), plan, forced) }
    plan = try perform(.advance(to: nil), plan, Samples.context(.token("bob")))
    #expect(plan.stageName == "beta")
    #expect(plan.approvals.isEmpty)
  }

  @Test func `an automatic rollback holds the plan until cooldown and a person`() throws {
    var plan = try perform(
      .rollback(to: nil), Samples.plan(atStage: 2), Samples.context(.monitor))
    #expect(plan.stageName == "beta")
    #expect(plan.hold?.cause == .rollback)
    var forced = Samples.context()
    forced.force = true
    #expect(throws: Refusal.self) { try perform(.advance(to: nil), plan, forced) }
    #expect(try perform(.acknowledge, plan).hold?.acknowledged?.by == "token:anna")
    plan = try perform(.acknowledge, plan, Samples.context(now: Samples.start + .minutes(31)))
    #expect(plan.hold == nil)
    #expect(try perform(.advance(to: nil), plan).stageName == "25")
  }

  @Test func `a person's rollback leaves a hold that their own advance clears`() throws {
    var plan = try perform(.rollback(to: "internal"), Samples.plan(atStage: 3))
    #expect(plan.hold?.cause == .manual)
    #expect(plan.stageIndex == 0)
    #expect(throws: Refusal.self) {
      try perform(.advance(to: nil), plan, Samples.context(.monitor))
    }
    plan = try perform(.advance(to: nil), plan)
    #expect(plan.hold == nil)
  }

  @Test func `rollback reaches earlier stages and off only, and history never rewinds`() throws {
    #expect(throws: Refusal.self) { try perform(.rollback(to: "50"), Samples.plan(atStage: 1)) }
    var plan = try perform(.rollback(to: nil), Samples.plan(atStage: 0))
    #expect(plan.stageName == "off")
    #expect(!plan.isServing)
    #expect(plan.version == 3)
    #expect(throws: Refusal.self) { try perform(.rollback(to: nil), plan) }
    plan = try perform(.advance(to: nil), plan)
    #expect(plan.stageName == "internal")
  }

  @Test func `two automatic rollbacks in a day turn automatic advance off`() throws {
    var plan = try perform(.rollback(to: nil), Samples.plan(atStage: 3), Samples.context(.monitor))
    #expect(!plan.automaticAdvanceOff)
    plan = try perform(
      .rollback(to: nil), plan, Samples.context(.monitor, now: Samples.start + .hours(23)))
    #expect(plan.automaticAdvanceOff)
  }

  @Test func `kill serves nobody, resume needs a reason and returns to the stage`() throws {
    var plan = try perform(.kill, Samples.plan(atStage: 3))
    #expect(!plan.isServing)
    #expect(throws: Refusal.self) { try perform(.resume, plan, Samples.context(reason: "")) }
    plan = try perform(.resume, plan)
    #expect(plan.stageName == "50")
    #expect(plan.isServing)
  }

  @Test func `applying the same plan makes no version, a new salt or a lost stage is refused`()
    throws
  {
    let plan = Samples.plan(atStage: 1)
    #expect(try Lifecycle.perform(.apply(plan.definition), on: plan, Samples.context()) == nil)
    var salted = plan.definition
    salted.population.salt = "new"
    #expect(throws: Refusal.self) { try perform(.apply(salted), plan) }
    var drawn = plan.definition
    drawn.population.bucketing = .goff
    #expect(throws: Refusal.self) { try perform(.apply(drawn), plan) }
    var shorter = plan.definition
    shorter.stages.remove(at: 1)
    #expect(throws: Refusal.self) { try perform(.apply(shorter), plan) }
    var longer = plan.definition
    longer.stages.insert(Stage(name: "pilot", cohort: "pilot"), at: 0)
    let moved = try perform(.apply(longer), plan)
    #expect(moved.stageName == "beta")
    #expect(moved.stageIndex == 2)
  }

  @Test func `a plan survives its stored form`() throws {
    var plan = try perform(.rollback(to: nil), Samples.plan(atStage: 3), Samples.context(.monitor))
    plan = try perform(.approve, plan)
    #expect(try Plan(plan.document) == plan)
  }
}
