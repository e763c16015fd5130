import RolloutAPI
import RolloutCore

/// The one place where plans change: loads, decides through `Lifecycle`, commits, publishes.
actor PlanController {
  private var plans: [String: Plan] = [:]
  private var compiled: [String: CompiledPlan] = [:]
  private var cohorts: [String: ByteSet] = [:]
  private var revision = 0
  /// Plans being changed, each with those who wait to change it next.
  private var waiters: [String: [CheckedContinuation<Void, Never>]] = [:]
  private let planStore: any PlanStore
  private let cohortStore: any CohortStore
  private let box: SnapshotBox
  private let clock: any SteadyClock
  private let ledger: OutcomeLedger
  private let hub: EventHub
  /// Told of every event once it is committed.
  private let committed: @Sendable (PlanEvent) -> Void

  /// A failed `If-Match`: the plan as it is now.
  struct Stale: Error {
    var current: Plan
  }

  struct UnknownFeature: Error {
    var feature: String
  }

  struct Done: Sendable {
    var plan: Plan
    /// nil when the command changed nothing.
    var stored: StoredEvent?
    /// Gates that a person's advance passed although they were not open.
    var warnings: [String] = []
  }

  init(
    planStore: any PlanStore, cohortStore: any CohortStore, box: SnapshotBox,
    clock: any SteadyClock, ledger: OutcomeLedger, hub: EventHub,
    committed: @escaping @Sendable (PlanEvent) -> Void = { _ in }
  ) async throws {
    self.planStore = planStore
    self.cohortStore = cohortStore
    self.box = box
    self.clock = clock
    self.ledger = ledger
    self.hub = hub
    self.committed = committed
    cohorts = try await cohortStore.loadCohorts()
    for plan in try await planStore.loadPlans() {
      plans[plan.feature] = plan
      compile(plan)
      ledger.follow(plan)
    }
    publish()
  }

  // MARK: Reading

  func plan(_ feature: String) throws -> Plan {
    guard let plan = plans[feature] else { throw UnknownFeature(feature: feature) }
    return plan
  }

  func planIfAny(_ feature: String) -> Plan? { plans[feature] }

  /// Sorted by feature key.
  func allPlans() -> [Plan] { plans.values.sorted { $0.feature < $1.feature } }

  func cohortSizes() -> [(name: String, count: Int)] {
    cohorts.map { ($0.key, $0.value.count) }.sorted { $0.0 < $1.0 }
  }

  /// The features in whose stages it stands, whatever their state: a plan that rests may come back.
  func features(using cohort: String) -> Set<String> {
    Set(plans.values.filter { $0.uses(cohort) }.map(\.feature))
  }

  /// The cohorts that stand in a stage of one of these features.
  func cohorts(usedBy features: Set<String>) -> Set<String> {
    Set(features.flatMap { plans[$0]?.definition.stages.compactMap(\.cohort) ?? [] })
  }

  func memberCount(of cohort: String) -> Int { cohorts[cohort]?.count ?? 0 }

  func view(_ plan: Plan, warnings: [String] = []) -> PlanView {
    var context = CommandContext(actor: .monitor, reason: "", now: clock.moment)
    context.health = ledger.gates(plan.feature, now: context.now.steady)
    return PlanView(plan, context, warnings: warnings)
  }

  // MARK: Changing

  /// Creates the plan, or replaces its definition when `expecting` is its version.
  func apply(
    _ definition: PlanDefinition, expecting version: Int?, actor: Actor, reason: String
  ) async throws -> Done {
    let context = CommandContext(actor: actor, reason: reason, now: clock.moment)
    await lock(definition.feature)
    defer { unlock(definition.feature) }
    guard let plan = plans[definition.feature] else {
      return try await commit(Lifecycle.create(definition, context), answer: nil)
    }
    // Someone else created it meanwhile.
    guard let version, version == plan.version else { throw Stale(current: plan) }
    guard let change = try Lifecycle.perform(.apply(definition), on: plan, context) else {
      return Done(plan: plan, stored: nil)
    }
    return try await commit(change, answer: nil)
  }

  /// Carries out a command on the plan if its version is `expecting`.
  /// Throws `UnknownFeature`, `Stale`, `Refusal` or `StoreError`.
  func perform(
    _ command: Command, on feature: String, expecting version: Int, _ context: CommandContext,
    answer: (@Sendable (PlanView) throws -> StoredAnswer)? = nil
  ) async throws -> Done {
    await lock(feature)
    defer { unlock(feature) }
    let plan = try plan(feature)
    guard plan.version == version else { throw Stale(current: plan) }
    var context = context
    context.health = ledger.gates(feature, now: context.now.steady)
    guard let change = try Lifecycle.perform(command, on: plan, context) else {
      return Done(plan: plan, stored: nil)
    }
    // What a person passed over is printed with the result.
    let passed = change.event.kind == .advanced && context.actor.isPerson
    let warnings = passed ? context.health.warnings : []
    context.health = HealthGates()
    let view = PlanView(change.plan, context, warnings: warnings)
    var done = try await commit(change, answer: try answer?(view))
    done.warnings = warnings
    return done
  }

  private func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> Done {
    let stored = try await planStore.commit(change, answer: answer)
    plans[change.plan.feature] = change.plan
    compile(change.plan)
    ledger.follow(change.plan)
    publish()
    hub.publish(.event(stored))
    committed(change.event)
    return Done(plan: change.plan, stored: stored)
  }

  // MARK: One change of a plan at a time

  /// The actor may be entered again while a commit is on its way to disk; this keeps the next
  /// change of the same plan waiting until memory and disk agree.
  private func lock(_ feature: String) async {
    guard waiters[feature] != nil else {
      waiters[feature] = []
      return
    }
    await withCheckedContinuation { waiters[feature, default: []].append($0) }
  }

  private func unlock(_ feature: String) {
    guard var queue = waiters[feature], !queue.isEmpty else {
      waiters[feature] = nil
      return
    }
    let next = queue.removeFirst()
    waiters[feature] = queue
    next.resume()
  }

  // MARK: Cohorts

  func add(_ users: [String], to cohort: String) async throws {
    try await cohortStore.add(users, to: cohort, at: clock.now)
    for user in users { cohorts[cohort, default: ByteSet()].insert(user) }
    recompile(using: cohort)
  }

  func remove(_ user: String, from cohort: String) async throws {
    try await cohortStore.remove(user, from: cohort)
    cohorts[cohort]?.remove(user)
    recompile(using: cohort)
  }

  private func recompile(using cohort: String) {
    for plan in plans.values where plan.uses(cohort) { compile(plan) }
    publish()
  }

  private func compile(_ plan: Plan) {
    compiled[plan.feature] = CompiledPlan(plan) { cohorts[$0] ?? ByteSet() }
  }

  private func publish() {
    revision += 1
    box.publish(Snapshot(plans: Array(compiled.values), revision: revision))
  }
}

extension Plan {
  fileprivate func uses(_ cohort: String) -> Bool {
    definition.stages.contains { $0.cohort == cohort }
  }
}
