import RolloutCore
import RolloutEvaluation

/// The one place where plans change: loads, decides through `Lifecycle`, commits, publishes.
///
/// Memory follows the file. What could not be written is read again before anything else is done
/// with it, and what lowers exposure is in force before it is written, as
/// `PlanController+Durability` has it.
actor PlanController {
  var plans: [String: Plan] = [:]
  private var compiled: [String: CompiledPlan] = [:]
  var cohorts: [String: ByteSet] = [:]
  private var revision = 0
  /// Plans and cohorts being changed, each with those who wait to change it next.
  private var waiters: [Subject: [CheckedContinuation<Void, Never>]] = [:]
  /// Plans whose stored form cannot be read, by feature; a placeholder stands among the plans.
  var unreadable: [String: UnreadablePlan] = [:]
  /// Changes that are in force and not on disk yet, oldest first, by feature.
  var unwritten: [String: [Unwritten]] = [:]
  /// Members that left and are still on disk, by cohort, each with who took it out.
  var unwrittenRemovals: [String: [String: AuditRecord]] = [:]
  /// What may be on disk otherwise than in memory: a write failed, and nothing could be read since.
  var uncertain: Set<Subject> = []
  /// Lists of members of which the rest is still to come.
  nonisolated let imports = MemberImports()
  let planStore: any PlanStore
  let cohortStore: any CohortStore
  private let box: SnapshotBox
  let clock: any SteadyClock
  /// Tells the time as hours of plans have it.
  nonisolated let zones: ZoneBook
  let ledger: OutcomeLedger
  private let observers: [any PlanObserver]
  /// Whether what a token of this name approved still counts.
  private let trusts: @Sendable (_ name: String) -> Bool
  /// Told how a thing does, by its name in `/readyz`; nil is well.
  let note: @Sendable (_ what: String, _ trouble: String?) -> Void

  /// What changes one step after the other.
  enum Subject: Hashable {
    case plan(String)
    case cohort(String)
    /// One request with an `Idempotency-Key`.
    case request(scope: String, key: String)
  }

  struct Unwritten {
    var change: Lifecycle.Change
    var answer: StoredAnswer?
  }

  /// A failed `If-Match`: how the plan stands now, and who asked.
  struct Stale: Error {
    var status: PlanStatus
    var actor: Actor
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
    /// False while the change is in force and could not be written.
    var isDurable = true
    /// Who joins and leaves by a file; nil for commands and for a file that changed nothing.
    var audience: AudienceChange?
    /// What is kept for a repeat of the request; nil for what needs none.
    var answer: StoredAnswer?
  }

  init(
    planStore: any PlanStore, cohortStore: any CohortStore, box: SnapshotBox,
    clock: any SteadyClock, ledger: OutcomeLedger, observers: [any PlanObserver],
    trusts: @escaping @Sendable (_ name: String) -> Bool = { _ in true },
    note: @escaping @Sendable (_ what: String, _ trouble: String?) -> Void = { _, _ in }
  ) async throws {
    self.planStore = planStore
    self.cohortStore = cohortStore
    self.box = box
    self.clock = clock
    zones = ZoneBook(clock: clock)
    self.ledger = ledger
    self.observers = [ledger] + observers
    self.trusts = trusts
    self.note = note
    cohorts = try await cohortStore.loadCohorts()
    let loaded = try await planStore.loadPlans()
    for plan in loaded.readable { take(plan) }
    for plan in loaded.unreadable { takeUnreadable(plan) }
    publish()
  }

  // MARK: Reading

  func plan(_ feature: String) throws -> Plan {
    guard let plan = planIfAny(feature) else { throw UnknownFeature(feature: feature) }
    return plan
  }

  func planIfAny(_ feature: String) -> Plan? {
    plans[feature]?.counting(approvalsOf: trusts)
  }

  /// Sorted by feature key.
  func allPlans() -> [Plan] {
    plans.values.map { $0.counting(approvalsOf: trusts) }.sorted { $0.feature < $1.feature }
  }

  func cohortSizes() -> [(name: String, count: Int)] {
    cohorts.map { ($0.key, $0.value.count) }.sorted { $0.0 < $1.0 }
  }

  /// The features in whose stages it stands, whatever their state: a plan that rests may come back.
  func features(using cohort: String) -> Set<String> {
    Set(plans.values.filter { $0.uses(cohort) }.map(\.feature))
  }

  /// The cohorts that stand in a stage of one of these features.
  func cohorts(usedBy features: Set<String>) -> Set<String> {
    Set(features.flatMap { plans[$0]?.definition.stages.compactMap(\.audience.cohort) ?? [] })
  }

  func memberCount(of cohort: String) -> Int { cohorts[cohort]?.count ?? 0 }

  /// How a plan stands now.
  func status(of plan: Plan) -> PlanStatus {
    var status = judged(plan, clock.moment)
    status.isDurable = unwritten[plan.feature] == nil
    status.trouble = degraded(plan.feature)
    return status
  }

  /// A plan, in a version that may be still to come, with how its feature does; nothing of whether
  /// it is on disk.
  private func judged(_ plan: Plan, _ now: Moment) -> PlanStatus {
    let assessment = ledger.assessment(of: plan, now: now.steady)
    var status = PlanStatus(
      plan, gates: assessment?.gates ?? HealthGates(), now: now,
      civil: zones.civil(for: plan.definition, at: now))
    if let assessment, plan.status != .draft {
      status.health = PlanStatus.Health(
        verdict: assessment.word.rawValue, words: assessment.words, sentence: assessment.sentence)
    }
    return status
  }

  // MARK: Changing

  /// Creates the plan, or replaces its definition when `expecting` is its version. `principal` is
  /// who asks over the wire. `audience` is the change as it was computed beforehand, so that nobody
  /// has to wait for it here.
  /// Throws `Problem`, `Stale`, `Refusal` or `StoreError`.
  func apply(
    _ definition: PlanDefinition, expecting version: Int?, actor: Actor, reason: String,
    digest: String? = nil, audience: AudienceChange? = nil, by principal: Principal? = nil
  ) async throws -> Done {
    var context = CommandContext(actor: actor, reason: reason, now: clock.moment)
    let subject = Subject.plan(definition.feature)
    await lock(subject)
    defer { unlock(subject) }
    try principal?.checkInForce()
    try checkCohorts(of: definition, limit: principal?.features)
    guard let plan = planIfAny(definition.feature) else {
      return try await commit(Lifecycle.create(definition, context), answer: nil)
    }
    // Someone else created it meanwhile.
    guard let version, version == plan.version else { throw stale(plan, actor) }
    if let unreadable = unreadable[definition.feature] {
      return try await commit(
        try Lifecycle.replace(unreadable, with: definition, context), answer: nil)
    }
    if let audience, audience.planVersion == plan.version {
      context.audience = audience
    } else if let index = try? Lifecycle.stageIndex(of: plan, in: definition) {
      context.audience = AudienceChange(plan, to: definition, index: index)
    }
    let command = Command.apply(definition, digest: digest ?? definition.digest)
    guard let change = try Lifecycle.perform(command, on: plan, context) else {
      return unchanged(plan)
    }
    var done = try await commit(change, answer: nil)
    done.audience = context.audience
    return done
  }

  /// Carries out a command on the plan if its version is `expecting`.
  /// `answer` makes what is kept for a repeat of the request, from how the plan stands afterwards.
  /// Throws `UnknownFeature`, `Stale`, `Refusal` or `StoreError`.
  func perform(
    _ command: Command, on feature: String, expecting version: Int, _ context: CommandContext,
    by principal: Principal? = nil,
    answer: (@Sendable (PlanStatus, _ passedOver: [String]) throws -> StoredAnswer)? = nil
  ) async throws -> Done {
    await lock(.plan(feature))
    defer { unlock(.plan(feature)) }
    try principal?.checkInForce()
    let plan = try plan(feature)
    guard plan.version == version else { throw stale(plan, context.actor) }
    if let unreadable = unreadable[feature] {
      let change = try Lifecycle.perform(command, onUnreadable: unreadable, context)
      return try await commit(change, keeping: answer?(judged(change.plan, context.now), []))
    }
    var context = context
    context.health = ledger.gates(of: plan, now: context.now.steady)
    context.civil = zones.civil(for: plan.definition, at: context.now)
    guard let change = try Lifecycle.perform(command, on: plan, context) else {
      return unchanged(plan)
    }
    // What a person passed over is printed with the result.
    let isStep = [.advanced, .restored, .completed].contains(change.event.kind)
    let warnings =
      isStep && context.actor.isPerson
      ? Lifecycle.passedOver(plan, context, isRestore: change.event.kind == .restored) : []
    var done = try await commit(
      change, keeping: answer?(judged(change.plan, context.now), warnings))
    done.warnings = warnings
    return done
  }

  func stale(_ plan: Plan, _ actor: Actor) -> Stale {
    Stale(status: status(of: plan), actor: actor)
  }

  private func commit(_ change: Lifecycle.Change, keeping answer: StoredAnswer?) async throws
    -> Done
  {
    var done = try await commit(change, answer: answer)
    done.answer = answer
    return done
  }

  private func unchanged(_ plan: Plan) -> Done {
    Done(plan: plan, stored: nil, isDurable: unwritten[plan.feature] == nil)
  }

  private func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> Done {
    let stored: StoredEvent
    do {
      try await settle(.plan(change.plan.feature))
      stored = try await planStore.commit(change, answer: answer)
    } catch let error as StoreError {
      return try await recover(from: error, Unwritten(change: change, answer: answer))
    }
    take(change.plan)
    publish()
    tell(stored)
    return Done(plan: change.plan, stored: stored)
  }

  func tell(_ stored: StoredEvent) {
    for observer in observers { observer.hear(stored) }
  }

  /// Makes a readable plan the one that counts; `publish` makes it served.
  func take(_ plan: Plan) {
    plans[plan.feature] = plan
    if unreadable.removeValue(forKey: plan.feature) != nil { note("plan:\(plan.feature)", nil) }
    follow(plan)
  }

  // MARK: One change of a plan or cohort at a time

  /// The actor may be entered again while a commit is on its way to disk; this keeps the next
  /// change of the same plan or cohort waiting until memory and disk agree.
  func lock(_ subject: Subject) async {
    guard waiters[subject] != nil else {
      waiters[subject] = []
      return
    }
    await withCheckedContinuation { waiters[subject, default: []].append($0) }
  }

  /// Does `work` while nobody else changes the subject.
  func alone<Value: Sendable>(
    _ subject: Subject, _ work: @Sendable () async throws -> Value
  ) async throws -> Value {
    await lock(subject)
    defer { unlock(subject) }
    return try await work()
  }

  func unlock(_ subject: Subject) {
    guard var queue = waiters[subject], !queue.isEmpty else {
      waiters[subject] = nil
      return
    }
    let next = queue.removeFirst()
    waiters[subject] = queue
    next.resume()
  }

  // MARK: Serving

  func recompile(using cohort: String) {
    for plan in plans.values where plan.uses(cohort) { follow(plan) }
    publish(telling: features(using: cohort))
  }

  /// Archived plans that have answered for long enough answer as off from now on.
  func endFarewells() {
    let now = clock.steady
    let over = plans.values.filter { plan in
      compiled[plan.feature]?.bidsFarewell == true && !plan.bidsFarewell(at: now)
    }
    guard !over.isEmpty else { return }
    for plan in over { compile(plan) }
    publish(telling: Set(over.map(\.feature)))
  }

  /// Plans whose hold somebody has seen, and whose cooldown is over.
  func dueForRelease() -> [Plan] {
    let now = clock.steady
    return plans.values.filter { $0.isDueForRelease(at: now) }.sorted { $0.feature < $1.feature }
  }

  /// Has a plan decided by, and told to those who follow plans, as it is with today's members.
  private func follow(_ plan: Plan) {
    compile(plan)
    let members = listedMembers(plan)
    for observer in observers { observer.follow(plan, listedMembers: members) }
  }

  private func compile(_ plan: Plan) {
    compiled[plan.feature] = CompiledPlan(plan, at: clock.steady) { cohorts[$0] ?? ByteSet() }
  }

  /// Makes what is compiled the one that decides, and tells those who keep answers of features that
  /// no plan event tells of.
  func publish(telling features: Set<String> = []) {
    revision += 1
    box.publish(Snapshot(plans: Array(compiled.values), revision: revision))
    let (mark, now) = (servedMark, clock.now)
    for observer in observers { observer.decideAnew(features, mark: mark, at: now) }
  }

  /// Of all that decides besides the plans' versions: members, and archived plans that are off.
  private var servedMark: Int {
    var mark: UInt32 = 0
    func hash(_ text: String) -> UInt32 {
      let bytes = Array(text.utf8)
      return Murmur3.hash(bytes.span)
    }
    for (name, members) in cohorts where !members.isEmpty {
      // Spread, so that two cohorts with the same members do not cancel each other.
      mark ^= (members.mark ^ hash(name)) &* 0x9E37_79B1
    }
    for plan in plans.values
    where plan.farewellEnds != nil && compiled[plan.feature]?.bidsFarewell == false {
      mark ^= hash("archived \(plan.feature)")
    }
    return Int(mark & 0x7FFF_FFFF)
  }
}

extension Plan {
  fileprivate func uses(_ cohort: String) -> Bool {
    definition.stages.contains { $0.audience.cohort == cohort }
  }
}
