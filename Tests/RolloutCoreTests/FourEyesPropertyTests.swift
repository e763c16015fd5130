import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// Whatever one person does, with commands and files in any order: nobody gains the feature who
/// could not have it without a second person.
@Suite struct FourEyesPropertyTests {
  private struct User {
    var id: String
    var attributes: Attributes
  }

  private static let countries = ["de", "fr", "us"]
  private static let users = (0..<36).map { index in
    let country = AttributeValue.text(countries[index % 3])
    let isTwo = index % 4 == 0
    return User(
      id: "u\(index)",
      attributes: [
        "country": isTwo ? .list([country, .text(countries[(index + 1) % 3])]) : country
      ])
  }
  private static let cohorts: [String: ByteSet] = [
    "c0": ByteSet(["u1", "u2"]), "c1": ByteSet(["u2", "u3", "u4"]), "c2": ByteSet(["u5", "u30"]),
  ]

  private struct World {
    var random: SeededRandom

    mutating func rule() -> Rule {
      let values = FourEyesPropertyTests.countries.filter { _ in random.chance(0.4) }
      let named = (values.isEmpty ? ["de"] : values).map { AttributeValue.text($0) }
      return .attribute("country", random.chance(0.7) ? .isIn(named) : .isNotIn(named))
    }

    mutating func stage(_ name: String) -> Stage {
      var stage = Stage(name: name)
      if random.chance(0.7) { stage.audience.percent = .percent(random.below(11) * 10) }
      if random.chance(0.3) { stage.audience.cohort = "c\(random.below(3))" }
      if random.chance(0.3) { stage.audience.rules = [rule()] }
      if random.chance(0.4) { stage.approvals = 1 + random.below(2) }
      return stage
    }

    /// Percentages never decrease, as the reader of files makes sure.
    func ordered(_ definition: PlanDefinition) -> PlanDefinition {
      var definition = definition
      var least = Share.none
      for index in definition.stages.indices {
        guard let share = definition.stages[index].audience.percent else { continue }
        least = max(least, share)
        definition.stages[index].audience.percent = least
      }
      return definition
    }

    /// Never the same on and off, as the reader of files makes sure.
    mutating func values() -> PlanDefinition.Values? {
      let on = random.below(3)
      let off = (on + 1 + random.below(2)) % 3
      return random.chance(0.3) ? nil : .init(on: .int(on), off: .int(off))
    }

    mutating func definition() -> PlanDefinition {
      var definition = PlanDefinition(feature: "x")
      definition.stages = (0..<2 + random.below(4)).map { _ in Stage(name: "") }
      for index in definition.stages.indices { definition.stages[index] = stage("s\(index)") }
      if random.chance(0.3) { definition.values = values() }
      if random.chance(0.3) { definition.population.eligible = [rule()] }
      if random.chance(0.3) { definition.population.holdout = .percent(20) }
      if random.chance(0.3) { definition.population.forceOff = ["u\(random.below(36))"] }
      if random.chance(0.2) { definition.population.forceOn = ["u\(random.below(36))"] }
      return ordered(definition)
    }

    /// One to three edits, as somebody would make who wants more people in.
    mutating func edited(_ definition: PlanDefinition) -> PlanDefinition {
      var new = definition
      for _ in 0..<1 + random.below(3) {
        let index = random.below(new.stages.count)
        switch random.below(13) {
        case 0: new.stages[index].audience.percent = .percent(random.below(11) * 10)
        case 1: new.stages[index].approvals = random.below(3)
        case 2: new.stages[index].audience.rules = random.chance(0.5) ? [rule()] : []
        case 3: new.stages[index].audience.cohort = random.chance(0.7) ? "c\(random.below(3))" : nil
        case 4: new.stages.insert(stage("n\(random.below(1000))"), at: random.below(index + 2))
        case 5: if new.stages.count > 1 { new.stages.remove(at: index) }
        case 6: new.stages[index].audience.name = "r\(random.below(1000))"
        case 7: new.stages.swapAt(index, random.below(new.stages.count))
        case 8: new.population.eligible = random.chance(0.5) ? nil : [rule()]
        case 9: new.population.holdout = random.chance(0.5) ? .none : .percent(10)
        case 10: new.values = values()
        case 11:
          new.population.forceOn =
            random.chance(0.5) ? [] : new.population.forceOn + ["u\(random.below(36))"]
        default: new.population.forceOff = random.chance(0.5) ? [] : ["u\(random.below(36))"]
        }
      }
      return ordered(new)
    }

    mutating func plan() -> Plan {
      var plan = Plan(definition(), at: Moment(Samples.start))
      guard random.chance(0.9) else { return plan }
      plan.status = [.active, .active, .paused, .killed][random.below(4)]
      plan.stageIndex = random.below(plan.definition.stages.count + 1) - 1
      plan.stageEnteredAt = Moment(Samples.start)
      if random.chance(0.2) {
        plan.hold = .init(cause: .alert, reason: "", since: Moment(Samples.start))
      }
      if random.chance(0.4), let last = plan.definition.stages.last {
        plan.incident = .init(stage: last.name, at: Moment(Samples.start))
      }
      return plan
    }

    mutating func command(_ plan: Plan) -> Command {
      switch random.below(16) {
      case 0..<6: .apply(edited(plan.definition), digest: "d\(random.below(3))")
      case 6: .start
      case 7, 8: .advance(to: nil)
      case 9: .rollback(to: nil)
      case 10: random.chance(0.5) ? .kill : .pause
      case 11: .resume
      case 12: random.chance(0.5) ? .approve : .approveFile(digest: "d\(random.below(3))")
      case 13: random.chance(0.5) ? .acknowledge : .complete
      case 14: .approveStage("s\(random.below(5))")
      default: .restore
      }
    }
  }

  private static func members(_ cohort: String) -> ByteSet { cohorts[cohort] ?? ByteSet() }

  /// Who has it, or would have it again after a resume. Completion ends a holdout by itself.
  private static func served(_ plan: Plan) -> Set<String> {
    var plan = plan
    if plan.status == .completed || plan.status == .killed { plan.status = .active }
    let compiled = CompiledPlan(plan, members: members)
    return Set(
      users.filter { user in
        let bytes = Array(user.id.utf8)
        let decision = try? compiled.evaluator.decide(user: bytes.span, attributes: user.attributes)
        return decision?.enabled == true
      }.map(\.id))
  }

  /// Said without the code under test: who needs a second person, and does not have it.
  private static func guarded(_ plan: Plan) -> Set<String> {
    let now = served(plan)
    let open = plan.status == .draft ? -1 : plan.stageIndex
    let stages = plan.definition.stages
    let bucketer = Bucketer(salt: plan.definition.population.salt)
    func most(_ range: Range<Int>) -> Int { stages[range].map(\.approvals).max() ?? 0 }
    return Set(
      users.filter { user in
        guard !now.contains(user.id) else { return false }
        let bytes = Array(user.id.utf8)
        let bucket = bucketer.bucket(bytes.span)
        let first = stages.firstIndex { stage in
          (stage == stages[0] && plan.definition.population.forceOn.contains(user.id))
            || stage.audience.rules.contains { $0.matches(user.attributes) }
            || stage.audience.cohort.map { members($0).contains(bytes.span) } ?? false
            || bucket < stage.audience.percent?.thousandths ?? 0
        }
        guard let first else { return most(0..<stages.count) > 0 }
        // Kept out of an open stage by eligible, holdout or force_off: one person may go back to
        // that stage, so what it took to get there is what counts.
        return most((first > open ? open + 1 : 0)..<first + 1) > 0
      }.map(\.id))
  }

  /// What happened in one run.
  private struct Tally {
    var applied = 0
    var refused = 0
    var gained = 0
  }

  private func run(seed: UInt64, helper: Bool, _ tally: inout Tally) -> String? {
    var world = World(random: SeededRandom(seed: seed))
    var plan = world.plan()
    let first = plan
    let guarded = Self.guarded(plan)
    let needsTwo = plan.definition.stages.contains { $0.approvals > 0 }
    var trail: [String] = []
    for _ in 0..<14 {
      let command = world.command(plan)
      if helper, case .apply(_, let digest) = command {
        for name in ["bob", "carol"] {
          let help = Samples.context(.token(name))
          plan =
            (try? Lifecycle.perform(.approveFile(digest: digest), on: plan, help))?.plan ?? plan
        }
      }
      var context = Samples.context(.token("mallory"), now: Samples.start + .hours(1))
      context.force = world.random.chance(0.5)
      let change: Lifecycle.Change?
      do { change = try Lifecycle.perform(command, on: plan, context) } catch {
        if case .apply = command { tally.refused += 1 }
        continue
      }
      guard let change else { continue }
      if case .apply = command { tally.applied += 1 }
      plan = change.plan
      trail.append("\(command)")
      if needsTwo, plan.definition.valueOff != first.definition.valueOff {
        tally.gained += 1
        return "seed \(seed): another value for everybody from \(first)\n"
          + trail.joined(separator: "\n")
      }
      let gained = Self.served(plan).intersection(guarded)
      if !gained.isEmpty {
        tally.gained += 1
        return "seed \(seed): \(gained.sorted()) from \(first)\n"
          + trail.joined(separator: "\n")
      }
    }
    return nil
  }

  @Test func `no sequence of commands and files by one person gains what needs two`() {
    var tally = Tally()
    for seed in 0..<4000 as Range<UInt64> {
      if let violation = run(seed: seed, helper: false, &tally) {
        Issue.record("\(violation)")
        return
      }
    }
    // A run in which nothing is applied, or nothing refused, proves nothing.
    #expect(tally.applied > 1000, "\(tally)")
    #expect(tally.refused > 1000, "\(tally)")
  }

  @Test func `with the approvals of two others the same sequences do gain it`() {
    var tally = Tally()
    for seed in 0..<200 as Range<UInt64> { _ = run(seed: seed, helper: true, &tally) }
    #expect(tally.gained > 20, "\(tally)")
  }
}
