import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing
import YAMLKit

/// A file is no way around what two people must agree on, and none around a hold.
@Suite struct FourEyesTests {
  private let anna = Samples.context(.token("anna"))
  private let bob = Samples.context(.token("bob"))

  private func perform(_ command: Command, _ plan: Plan, _ context: CommandContext) throws -> Plan {
    try #require(try Lifecycle.perform(command, on: plan, context)).plan
  }

  /// internal (rule) → 25 % → 100 %, the last with two approvals.
  private func plan(at stage: Int, hold: Bool = false) throws -> Plan {
    let yaml = """
      feature: ai-summary
      stages:
        - {name: internal, rules: [{attribute: team, in: [ai, web]}]}
        - {name: beta, percent: 25, cohort: beta}
        - {name: all, percent: 100, approvals: 2}
      """
    var plan = Plan(
      try PlanDefinition(YAMLReader.read(Array(yaml.utf8))), at: Moment(Samples.start))
    plan.status = .active
    plan.stageIndex = stage
    plan.stageEnteredAt = Moment(Samples.start)
    if hold { plan.hold = .init(cause: .rollback, reason: "bad", since: Moment(Samples.start)) }
    return plan
  }

  struct Edit: Sendable, CustomTestStringConvertible {
    var name: String
    var apply: @Sendable (inout PlanDefinition) -> Void
    var testDescription: String { name }
    init(_ name: String, _ apply: @escaping @Sendable (inout PlanDefinition) -> Void) {
      self.name = name
      self.apply = apply
    }
  }

  static let widening = [
    Edit("a larger share now") { $0.stages[1].audience.percent = .percent(60) },
    Edit("everybody now") { $0.stages[1].audience.percent = .percent(100) },
    Edit("a new rule now") {
      $0.stages[0].audience.rules.append(.attribute("country", .isIn([.text("de")])))
    },
    Edit("a wider rule now") {
      $0.stages[0].audience.rules = [
        .attribute("team", .isIn([.text("ai"), .text("web"), .text("x")]))
      ]
    },
    Edit("another cohort now") { $0.stages[1].audience.cohort = "everyone" },
    Edit("somebody forced on") { $0.population.forceOn = ["mallory"] },
    Edit("a stage in between now") { $0.stages.insert(Stage(name: "x", cohort: "x"), at: 0) },
  ]

  @Test func `another first stage is no easier way to who is forced on`() throws {
    for stage in [-1, 1] {
      var plan = try plan(at: stage)
      plan.definition.population.forceOn = ["mallory"]
      plan.definition.stages[0].approvals = 2
      var file = plan.definition
      file.stages.insert(Stage(name: "empty"), at: 0)
      let own = try #require(throws: Refusal.self) { try perform(.apply(file), plan, anna) }
      guard case .approvalNeededFromAnother = own else {
        Issue.record("refused with \(own)")
        continue
      }
    }
  }

  static let laterOnly = [
    Edit("fewer approvals") { $0.stages[2].approvals = 1 },
    Edit("the stage renamed") { $0.stages[2].audience.name = "everyone" },
    Edit("a later stage without approvals") {
      $0.stages.insert(Stage(name: "most", percent: .percent(90)), at: 2)
    },
    Edit("another way to everybody") {
      $0.stages.insert(Stage(name: "most", cohort: "everyone"), at: 2)
    },
  ]

  static let harmless = [
    Edit("a text") { $0.description = "new" }, Edit("guards") { $0.guards = [] },
    Edit("a smaller share") { $0.stages[1].audience.percent = .percent(10) },
    Edit("a narrower rule") {
      $0.stages[0].audience.rules = [.attribute("team", .isIn([.text("ai")]))]
    },
    Edit("somebody forced off") { $0.population.forceOff = ["u1"] },
    Edit("a holdout") { $0.population.holdout = .percent(5) },
    Edit("fewer eligible") {
      $0.population.eligible = [.attribute("country", .isIn([.text("de")]))]
    },
    Edit("more approvals") { $0.stages[2].approvals = 3 },
    Edit("a longer soak") { $0.stages[1].soak = .hours(3) },
  ]

  @Test(arguments: widening + laterOnly)
  func `what two must agree on is refused from one`(edit: Edit) throws {
    var definition = try plan(at: 1).definition
    edit.apply(&definition)
    for status in [Plan.Status.active, .paused, .killed] {
      var plan = try plan(at: 1)
      plan.status = status
      let refusal = try #require(throws: Refusal.self) {
        try perform(.apply(definition, digest: "d"), plan, anna)
      }
      guard case .approvalNeededFromAnother = refusal else {
        Issue.record("\(edit.name): \(refusal)")
        continue
      }
    }
  }

  @Test(arguments: widening + laterOnly)
  func `with the approvals of others the file is taken, and they are written down`(
    edit: Edit
  ) throws {
    var plan = try plan(at: 1)
    var definition = plan.definition
    edit.apply(&definition)
    plan = try perform(.approveFile(digest: "d"), plan, anna)
    plan = try perform(.approveFile(digest: "d"), plan, bob)
    // Who approved may not be the one who applies.
    #expect(throws: Refusal.self) { try perform(.apply(definition, digest: "d"), plan, anna) }
    let carol = Samples.context(.token("carol"))
    #expect(throws: Refusal.self) { try perform(.apply(definition, digest: "e"), plan, carol) }
    let change = try #require(
      try Lifecycle.perform(.apply(definition, digest: "d"), on: plan, carol))
    #expect(change.plan.fileApprovals.isEmpty)
    #expect(change.event.evidence?["file"]?.string == "d")
    #expect(change.event.evidence?["approved_by"]?.array?.compactMap(\.string) == ["anna", "bob"])
  }

  @Test(arguments: harmless)
  func `what narrows, and what is not about people, one may apply, held or not`(
    edit: Edit
  ) throws {
    for held in [false, true] {
      let plan = try plan(at: 1, hold: held)
      var definition = plan.definition
      edit.apply(&definition)
      #expect(try perform(.apply(definition, digest: "d"), plan, anna).definition == definition)
    }
  }

  @Test(arguments: widening)
  func `a held plan takes no file that could give the feature to anybody`(
    edit: Edit
  ) throws {
    var plan = try plan(at: 1, hold: true)
    var definition = plan.definition
    // Approvals do not help: a hold is not passed by agreement.
    for index in plan.definition.stages.indices { plan.definition.stages[index].approvals = 0 }
    definition = plan.definition
    edit.apply(&definition)
    for status in [Plan.Status.active, .paused, .killed] {
      plan.status = status
      let refusal = try #require(throws: Refusal.self) {
        try perform(.apply(definition, digest: "d"), plan, anna)
      }
      guard case .held = refusal else {
        Issue.record("\(edit.name): \(refusal)")
        continue
      }
    }
    plan.status = .active
    plan.hold = nil
    #expect(try perform(.apply(definition, digest: "d"), plan, anna).definition == definition)
  }

  @Test func `what only changes later stages is taken while the plan is held`() throws {
    let plan = try plan(at: 0, hold: true)
    var definition = plan.definition
    definition.stages[1].approvals = 1
    definition.stages[1].audience.percent = .percent(10)
    #expect(try perform(.apply(definition, digest: "d"), plan, anna).definition == definition)
  }

  @Test func `a draft needs the approvals of its first stage to start`() throws {
    var definition = try plan(at: 0).definition
    definition.stages[0].approvals = 1
    var plan = Lifecycle.create(definition, anna).plan
    #expect(Lifecycle.waitingOn(plan, anna) == ["approval: 1 more person must approve"])
    let refusal = try #require(throws: Refusal.self) { try perform(.start, plan, anna) }
    guard case .approvalNeededFromAnother = refusal else {
      Issue.record("refused with \(refusal)")
      return
    }
    // A file that lowers what the draft asks for needs them too.
    definition.stages[0].approvals = 0
    #expect(throws: Refusal.self) { try perform(.apply(definition, digest: "d"), plan, anna) }
    plan = try perform(.approve, plan, bob)
    #expect(throws: Refusal.self) { try perform(.start, plan, bob) }
    #expect(try perform(.start, plan, anna).status == .active)
  }

  @Test func `an advance that only lacks approvals needs another person, with force or without`()
    throws
  {
    var plan = try plan(at: 0)
    plan.definition.stages[1].approvals = 1
    for force in [false, true] {
      var context = anna
      context.force = force
      context.reason = "now"
      let refusal = try #require(throws: Refusal.self) {
        try perform(.advance(to: nil), plan, context)
      }
      guard case .approvalNeededFromAnother(let why) = refusal else {
        Issue.record("refused with \(refusal)")
        return
      }
      #expect(why.contains("rollout approve"))
    }
  }

  @Test func `a file that only narrows need not wait for a disk, one that widens must`() throws {
    let plan = try plan(at: 1)
    var narrower = plan.definition
    narrower.stages[0].audience.rules = []
    narrower.stages[1].audience.percent = .percent(20)
    narrower.population.holdout = .percent(5)
    // What comes later, and what is said, changes nothing now.
    narrower.stages[2].approvals = 3
    narrower.description = "less"
    let change = try #require(
      try Lifecycle.perform(.apply(narrower, digest: "d"), on: plan, anna))
    #expect(change.lowersExposure(from: plan))
    var wider = change
    wider.plan.definition.population.forceOn = ["dora"]
    #expect(!wider.lowersExposure(from: plan))
    // What everybody else gets is handed out by a killed plan too.
    var killed = plan
    killed.status = .killed
    var other = plan.definition
    other.values = .init(on: .string("on"), off: .string("other"))
    wider = change
    wider.plan = killed
    #expect(wider.lowersExposure(from: killed))
    wider.plan.definition = other
    #expect(!wider.lowersExposure(from: killed))
    wider = change
    wider.plan.definition.population.salt = "other"
    #expect(!wider.lowersExposure(from: plan))
  }

  @Test func `a file in place of a plan that cannot be read is no way around approvals`() throws {
    let before = try plan(at: 1)
    func lost(_ before: Plan?) -> UnreadablePlan {
      UnreadablePlan(
        feature: "ai-summary", version: 9, status: .active, stage: "beta", why: "damaged",
        before: before)
    }
    let same = try Lifecycle.replace(lost(before), with: before.definition, anna)
    #expect(same.plan.status == .killed && same.plan.stageName == "beta")
    var lower = before.definition
    lower.stages[2].approvals = 0
    var wider = before.definition
    wider.stages[1].audience.percent = .all
    for definition in [lower, wider] {
      let refusal = try #require(throws: Refusal.self) {
        try Lifecycle.replace(lost(before), with: definition, anna)
      }
      guard case .approvalNeededFromAnother = refusal else {
        Issue.record("refused with \(refusal)")
        return
      }
    }
    // Nothing is known of how far it was allowed to go: it begins anew.
    #expect(try Lifecycle.replace(lost(nil), with: wider, anna).plan.status == .draft)
  }

  @Test func `a change says who joins and leaves, by rule, cohort, list and share`() throws {
    let plan = try plan(at: 1)
    var definition = plan.definition
    definition.stages[0].audience.rules = [.attribute("team", .isIn([.text("core")]))]
    definition.stages[1].audience.percent = .percent(30)
    definition.stages[1].audience.cohort = nil
    definition.population.forceOn = ["anna"]
    definition.population.holdout = .percent(1)
    let change = AudienceChange(plan, to: definition, index: 1)
    #expect(change.joins.map(\.by) == [.share, .rule, .list])
    #expect(change.leaves.map(\.by) == [.rule, .cohort, .holdout])
    #expect(change.joins[0].what == "30 % instead of 25 %")
    #expect(change.approvals == 2)
  }

  @Test func `files that nobody applies do not pile up`() throws {
    var plan = try plan(at: 0)
    for index in 0..<Lifecycle.fileApprovalsMax {
      plan = try perform(.approveFile(digest: "\(index)"), plan, anna)
    }
    #expect(throws: Refusal.self) { try perform(.approveFile(digest: "x"), plan, anna) }
    #expect(throws: Refusal.self) { try perform(.approveFile(digest: "1"), plan, anna) }
    #expect(try Plan(plan.document) == plan)
    #expect(try perform(.advance(to: nil), plan, anna).fileApprovals.isEmpty)
  }
}
