import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing
import YAMLKit

/// What a file may change about those who do not have the feature.
@Suite struct OutsideTests {
  /// How a field of a plan file is judged when another file changes it.
  enum Judgement {
    /// Somebody may gain the feature: approvals count, and a hold refuses it.
    case audience
    /// Another value for everybody outside: as if it reached everybody.
    case everybody
    /// Fixed once the plan has started.
    case fixed
    /// One person may change it, held or not: it gives the feature to nobody.
    case free
  }

  struct Field: Sendable, CustomTestStringConvertible {
    var name: String
    var judgement: Judgement
    var change: @Sendable (inout PlanDefinition) -> Void
    var testDescription: String { name }
    init(
      _ name: String, _ judgement: Judgement,
      _ change: @escaping @Sendable (inout PlanDefinition) -> Void
    ) {
      self.name = name
      self.judgement = judgement
      self.change = change
    }
  }

  static let fields = [
    Field("salt", .fixed) { $0.population.salt = "other" },
    Field("bucketing", .fixed) { $0.population.bucketing = .unleash },
    Field("eligible", .audience) { $0.population.eligible = nil },
    Field("forceOn", .audience) { $0.population.forceOn.append("u9") },
    // The same letters otherwise composed are another id.
    Field("forceOn", .audience) { $0.population.forceOn = ["Jose\u{301}"] },
    Field("forceOff", .audience) { $0.population.forceOff = [] },
    Field("forceOff", .audience) { $0.population.forceOff = ["Zoe\u{308}"] },
    Field("holdout", .audience) { $0.population.holdout = .none },
    Field("stages", .audience) { $0.stages[0].audience.percent = .percent(50) },
    Field("values", .everybody) {
      $0.values = .init(on: .string("new"), off: .string("newer"))
    },
    Field("values", .everybody) { $0.values = nil },
    Field("values", .everybody) {
      $0.values = .init(on: .string("old"), off: .string("new"))
    },
    // What those get who have it anyway: like another release of the code.
    Field("values", .free) { $0.values = .init(on: .string("newest"), off: .string("old")) },
    // A fixed text is never the feature's answer, and must be right quickly when AI is out.
    Field("fallbackContent", .free) { $0.fallbackContent = "Please wait." },
    Field("fallbackContent", .free) { $0.fallbackContent = nil },
    // The AI behind it is asked for those inside only.
    Field("route", .free) { $0.route = "other" },
    // How it goes on and is watched; gates, approvals and holds stand whatever these say.
    Field("advance", .free) { $0.advance = .automatic },
    Field("hours", .free) { $0.hours = [] },
    Field("guards", .free) { $0.guards = [] },
    Field("rollbackDestination", .free) { $0.rollbackDestination = .off },
    Field("cooldown", .free) { $0.cooldown = .minutes(1) },
    Field("preset", .free) { $0.preset = .calm },
    Field("attribution", .free) { $0.attribution = false },
    Field("requireEvidence", .free) { $0.requireEvidence = true },
    Field("dryRun", .free) { $0.dryRun = true },
    Field("description", .free) { $0.description = "other" },
  ]

  private func plan(_ status: Plan.Status = .active, approvals: Int = 2) throws -> Plan {
    let yaml = """
      feature: x
      eligible: [{attribute: country, in: [de]}]
      force_on: ["Jos\u{E9}"]
      force_off: ["Zo\u{EB}"]
      holdout: 5%
      stages:
        - {name: few, percent: 1, approvals: \(approvals)}
        - {name: all, percent: 100, approvals: \(approvals)}
      route: main
      fallback: {content: "Later."}
      values: {on: new, off: old}
      """
    var plan = Plan(
      try PlanDefinition(YAMLReader.read(Array(yaml.utf8))), at: Moment(Samples.start))
    plan.status = status
    plan.stageEnteredAt = Moment(Samples.start)
    return plan
  }

  private func refusal(_ field: Field, _ plan: Plan) throws -> Refusal? {
    var definition = plan.definition
    field.change(&definition)
    let anna = Samples.context(.token("anna"))
    do {
      let change = try Lifecycle.perform(.apply(definition, digest: "d"), on: plan, anna)
      #expect(change != nil, "\(field.name): taken for the same plan")
      return nil
    } catch { return error }
  }

  @Test func `every field of a plan is judged by some line of the table`() {
    let definition = PlanDefinition(feature: "x")
    func names(_ value: Any) -> [String] { Mirror(reflecting: value).children.compactMap(\.label) }
    let all = names(definition).filter { $0 != "population" } + names(definition.population)
    // Whose plan it is cannot change at all.
    #expect(Set(Self.fields.map(\.name)).union(["feature"]) == Set(all))
  }

  @Test(arguments: fields) func `each field is judged as the table says`(field: Field) throws {
    for status in [Plan.Status.active, .paused, .killed, .completed] {
      let lone = try refusal(field, plan(status))
      var held = try plan(status, approvals: 0)
      held.hold = .init(cause: .alert, reason: "bad", since: Moment(Samples.start))
      let whileHeld = try refusal(field, held)
      switch field.judgement {
      case .audience, .everybody:
        guard case .approvalNeededFromAnother = lone, case .held = whileHeld else {
          Issue.record("\(status): \(String(describing: lone)), \(String(describing: whileHeld))")
          continue
        }
      case .fixed:
        guard case .invalidTransition = lone, case .invalidTransition = whileHeld else {
          Issue.record("\(status): \(String(describing: lone)), \(String(describing: whileHeld))")
          continue
        }
      case .free: #expect(lone == nil && whileHeld == nil, "\(status)")
      }
    }
  }

  @Test func `the value of those outside is guarded in a draft and after a rollback to off too`()
    throws
  {
    let field = Field("values", .everybody) {
      $0.values = .init(on: .string("old"), off: .string("new"))
    }
    guard case .approvalNeededFromAnother = try refusal(field, plan(.draft)) else {
      Issue.record("a draft hands out what needs two")
      return
    }
    var off = try plan()
    off.stageIndex = -1
    guard case .approvalNeededFromAnother = try refusal(field, off) else {
      Issue.record("a plan rolled back to off hands out what needs two")
      return
    }
    #expect(try refusal(field, plan(approvals: 0)) == nil)
  }

  @Test func `a value spelt otherwise is the same value`() throws {
    let pairs = [
      ("1", "1.0", true), ("1e2", "100", true), ("1", "2", false), ("0.1", "0.10", true),
      (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#, true), (#"{"a":1}"#, #"{"a":2}"#, false),
      (#"{"a":[1]}"#, #"{"a":[1,1]}"#, false), (#""1""#, "1", false), ("true", "false", false),
    ]
    for (a, b, expected) in pairs {
      let (one, other) = (try JSONReader.read(Array(a.utf8)), try JSONReader.read(Array(b.utf8)))
      #expect(one.hasSameValue(as: other) == expected, "\(a) \(b)")
      #expect(other.hasSameValue(as: one) == expected, "\(b) \(a)")
    }
  }

  @Test(
    arguments: [
      "{on: true, off: true}", "{on: 1, off: 1.0}", "{on: a, off: a}",
      "{on: {a: 1, b: 2}, off: {b: 2, a: 1}}",
    ])
  func `a plan that hands out the same on and off is refused at the door`(values: String) throws {
    let document = try YAMLReader.read(Array("feature: x\nvalues: \(values)\n".utf8))
    let error = try #require(throws: DocumentError.self) { try PlanDefinition(document) }
    #expect(error.message.contains("same value"), "\(error)")
    // What was taken before can still be read.
    #expect(throws: Never.self) { try PlanDefinition(document, isStored: true) }
  }
}
