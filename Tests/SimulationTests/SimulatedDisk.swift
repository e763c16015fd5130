import DigestKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Synchronization

/// What survives a crash: plans, history, outbox, alerts, telemetry. Commits are atomic.
final class SimulatedDisk: Sendable {
  struct Content: Sendable {
    var tables = ControlTables()
    /// The hash of each event.
    var chain: [[UInt8]] = []
    var telemetry: [String: [UInt8]] = [:]
    /// What broke a promise, in words.
    var violations: [String] = []
  }

  private let content: Mutex<Content>

  init() {
    var content = Content()
    content.tables.subscriptions = [Subscription(receiver: "hook", kinds: nil)]
    content.tables.add(["anna", "u3"], to: "internal")
    self.content = Mutex(content)
  }

  func with<T: Sendable>(_ body: (inout Content) -> T) -> T { content.withLock { body(&$0) } }
  var current: Content { content.withLock { $0 } }
}

/// One process's connection to the disk. Dead after a crash: whatever its tasks still try fails and
/// changes nothing.
final class SimulatedStore: Sendable {
  private let disk: SimulatedDisk
  private let state = Mutex((dead: false, failing: false))

  init(_ disk: SimulatedDisk) { self.disk = disk }

  func crash() { state.withLock { $0.dead = true } }
  /// Every write fails until it is false again: a full disk.
  func setFailing(_ failing: Bool) { state.withLock { $0.failing = failing } }
  var isFailing: Bool { state.withLock { $0.failing || $0.dead } }

  /// Waits its turn, then works on the disk unless the process is dead by then. After the work it
  /// waits again: a crash may come between the commit and its acknowledgement.
  private func write<T: Sendable>(
    _ body: @Sendable (inout SimulatedDisk.Content) throws -> T
  ) async throws -> T {
    await Task.yield()
    guard !isFailing else { throw StoreError.unavailable("simulated") }
    let result = disk.with { content in Result { try body(&content) } }
    await Task.yield()
    if state.withLock({ $0.dead }) { throw StoreError.unavailable("simulated crash") }
    return try result.get()
  }

  /// A full disk can be read, a dead process reads nothing.
  private func read<T: Sendable>(_ body: @Sendable (ControlTables) -> T) async throws -> T {
    await Task.yield()
    if state.withLock({ $0.dead }) { throw StoreError.unavailable("simulated crash") }
    return body(disk.current.tables)
  }
}

extension SimulatedStore: PlanStore {
  func loadPlans() async throws -> LoadedPlans {
    LoadedPlans(readable: Array(disk.current.tables.plans.values))
  }

  func loadPlan(_ feature: String) async throws -> LoadedPlan? {
    try await read { $0.plans[feature].map { .readable($0) } }
  }

  func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> StoredEvent {
    try await write { content in
      let before = content.tables.plans[change.plan.feature]
      let stored = try content.tables.commit(change, answer)
      let others = content.tables.plans.values.filter { $0.feature != change.plan.feature }
      Invariants.check(change, after: before, others: others, &content.violations)
      let link = HistoryChain.link(change.event, after: content.chain.last ?? [])
      content.chain.append(Digest.sha256(link))
      return stored
    }
  }

  func commit(all changes: [Lifecycle.Change]) async throws -> [StoredEvent] {
    try await write { content in
      var new = content
      let stored = try changes.map { change in
        let before = new.tables.plans[change.plan.feature]
        let stored = try new.tables.commit(change, nil)
        let others = new.tables.plans.values.filter { $0.feature != change.plan.feature }
        Invariants.check(change, after: before, others: others, &new.violations)
        let link = HistoryChain.link(change.event, after: new.chain.last ?? [])
        new.chain.append(Digest.sha256(link))
        return stored
      }
      content = new
      return stored
    }
  }

  func events(feature: String, before: Int?, limit: Int) async throws -> [StoredEvent] {
    try await read { $0.history(of: feature, before: before, limit: limit) }
  }

  func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer? {
    try await read { $0.answer(scope, key, now: now) }
  }
}

extension SimulatedStore: OutboxStore, EventHistory {
  func append(_ notice: Notice) async throws -> StoredNotice {
    try await write { $0.tables.append(notice) }
  }

  func lanes(now: Instant) async throws -> [DeliveryLane] {
    try await read { $0.lanes(now: now) }
  }

  func due(_ lane: DeliveryLane, now: Instant, limit: Int) async throws -> [Delivery] {
    try await read { $0.due(lane, now: now, limit: limit) }
  }

  func hasten(_ target: String, at now: Instant) async throws {
    try await write { $0.tables.hasten(target, at: now) }
  }

  func trim(waitingMax: Int, at now: Instant) async throws -> Int {
    try await write { $0.tables.trim(waitingMax: waitingMax, at: now) }
  }

  func delivered(_ id: Int, at now: Instant) async throws {
    try await write { $0.tables.delivered(id, at: now) }
  }

  func failed(_ id: Int, error: String, retryAt: Instant?, at now: Instant) async throws {
    try await write { $0.tables.failed(id, retryAt: retryAt, at: now) }
  }

  func backlog() async throws -> (waiting: Int, givenUp: Int) { try await read { $0.backlog } }

  func newestPlace() async throws -> MessagePlace { try await read { $0.newestPlace } }
  func oldestPlace() async throws -> MessagePlace { try await read { $0.oldestPlace } }

  func page(after place: MessagePlace, features: Set<String>?) async throws -> HistoryPage {
    try await read { $0.page(after: place, features: features) }
  }
}

extension SimulatedStore: CohortStore {
  func loadCohorts() async throws -> [String: ByteSet] { try await read { $0.memberSets } }

  func add(
    _ users: [String], to cohort: String, at now: Instant, noting entry: AuditRecord?
  ) async throws {
    try await write { $0.tables.add(users, to: cohort, noting: entry) }
  }

  func remove(_ user: String, from cohort: String, noting entry: AuditRecord?) async throws {
    try await write { $0.tables.remove(user, from: cohort, noting: entry) }
  }

  func removeAll(from cohort: String, noting entry: AuditRecord?) async throws {
    try await write { $0.tables.removeAll(from: cohort, noting: entry) }
  }

  func members(of cohort: String, after: String?, limit: Int) async throws -> [String] {
    try await read { $0.members(of: cohort, after: after, limit: limit) }
  }
}

extension SimulatedStore: AlertStore, TokenStore, ClockStore {
  func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State] {
    try await read { $0.finalAlerts(keys, feature: feature, action: action, sender: sender) }
  }

  func keep(_ records: [AlertRecord]) async throws { try await write { $0.tables.keep(records) } }

  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [AlertRecord] {
    try await read { $0.alerts(before: before, limit: limit, features: features) }
  }

  func loadTokens() async throws -> [TokenRecord] { try await read { $0.allTokens } }

  func insert(_ token: TokenRecord, noting entry: AuditRecord?) async throws {
    try await write { try $0.tables.insert(token, noting: entry) }
  }

  func revoke(
    id: String, at now: Instant, noting entry: AuditRecord?
  ) async throws -> Revocation {
    try await write { try $0.tables.revoke(id: id, at: now, noting: entry) }
  }

  func noteUse(of ids: [String], at now: Instant) async throws {
    try await write { $0.tables.noteUse(of: ids, at: now) }
  }

  func loadClock() async throws -> ClockCheckpoint? { try await read { $0.checkpoint } }

  func keep(_ checkpoint: ClockCheckpoint) async throws {
    try await write { $0.tables.keep(checkpoint) }
  }
}

extension SimulatedStore: AuditStore {
  func keep(_ records: [AuditRecord]) async throws { try await write { $0.tables.keep(records) } }
  func audit(_ query: AuditQuery) async throws -> [AuditRecord] {
    try await read { $0.audit(query) }
  }
  func forgetAudit(before: Instant) async throws {
    try await write { $0.tables.forgetAudit(before: before) }
  }
}
