import RolloutAPI
import RolloutCore
import RolloutStore

/// What the users of one feature have met with in its present stage.
struct FeatureHealth: Sendable {
  private(set) var plan: Plan
  /// One per guard whose rate this server measures, in the plan's order.
  private(set) var guards: [RateGuard]
  private(set) var treatment = ArmCount()
  private(set) var control = ArmCount()
  /// Whether anything was measured since it was last kept.
  var isDirty = false
  private var seen = RecentIDs()

  struct ArmCount: Sendable {
    var requests = 0
    var failed = 0
  }

  init(_ plan: Plan) {
    self.plan = plan
    guards = Self.makeGuards(plan)
  }

  private static func makeGuards(_ plan: Plan) -> [RateGuard] {
    let preset = plan.definition.preset(atStage: plan.stageIndex)
    return plan.definition.guards.filter(\.isMeasured).compactMap { RateGuard($0, preset: preset) }
  }

  /// Takes over a new version; evidence of another stage or another set of guards is dropped.
  mutating func follow(_ new: Plan) {
    let sameStage = new.stageEnteredAt == plan.stageEnteredAt && new.stageName == plan.stageName
    let sameGuards = new.definition.guards == plan.definition.guards
    plan = new
    guard sameStage, sameGuards else {
      guards = Self.makeGuards(new)
      treatment = ArmCount()
      control = ArmCount()
      return
    }
  }

  /// False when an outcome with this id was counted before.
  mutating func record(_ outcome: Outcome, id: String?) -> Bool {
    if let id, !seen.insert(id) { return false }
    guard outcome.result != .excluded, let entered = plan.stageEnteredAt, outcome.at >= entered
    else { return true }
    isDirty = true
    switch outcome.arm {
    case .control: control.count(outcome)
    case .treatment:
      treatment.count(outcome)
      for index in guards.indices {
        let bad = guards[index].rule.isBad(outcome.result)
        guards[index].record(bad: bad, user: outcome.user, at: outcome.at)
      }
    }
    return true
  }

  mutating func assess(now: Instant) -> [RateGuard.Verdict] {
    guards.indices.map { guards[$0].assess(now: now) }
  }

  /// Puts back what was measured before a restart, where it still belongs to this stage.
  mutating func restore(_ kept: GuardWindow) {
    guard kept.stageEnteredAt == plan.stageEnteredAt, guards.indices.contains(kept.position),
      guards[kept.position].rule.metric.rawValue == kept.metric
    else { return }
    guards[kept.position].restore(kept.state)
  }

  /// What a restart must not lose.
  var windows: [GuardWindow] {
    guard let entered = plan.stageEnteredAt else { return [] }
    return guards.enumerated().map { position, guarded in
      GuardWindow(
        feature: plan.feature, stageEnteredAt: entered, position: position,
        metric: guarded.rule.metric.rawValue, state: guarded.state)
    }
  }
}

extension FeatureHealth.ArmCount {
  mutating func count(_ outcome: Outcome) {
    requests += 1
    if outcome.result == .failed || outcome.result == .degradedFallback { failed += 1 }
  }
}

extension Guard {
  /// Whether outcomes decide this guard; the other metrics are shown as not measured.
  var isMeasured: Bool { metric == .errorRate || metric == .degradedRate }

  func isBad(_ result: Outcome.Result) -> Bool {
    switch metric {
    case .degradedRate:
      result == .degradedModel || result == .degradedCache || result == .degradedFallback
    default: counts.contains(result)
    }
  }
}

/// The last outcome ids, so that a repeated report counts once.
struct RecentIDs: Sendable {
  private static let capacity = 20_000
  private var newer: Set<String> = []
  private var older: Set<String> = []

  /// False when the id was among the last 20,000 or more.
  mutating func insert(_ id: String) -> Bool {
    guard !newer.contains(id), !older.contains(id) else { return false }
    newer.insert(id)
    if newer.count >= Self.capacity {
      older = newer
      newer = []
    }
    return true
  }
}
