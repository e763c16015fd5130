import RolloutCore
import RolloutEvaluation
import Synchronization

/// What survives a crash: plans, history, outbox, telemetry. Commits are atomic.
final class SimulatedDisk: Sendable {
  struct Row: Sendable {
    var delivery: Delivery
    var dueAt: Instant
    var isDone = false
  }

  struct Content: Sendable {
    var plans: [String: Plan] = [:]
    var events: [StoredEvent] = []
    var notices: [StoredNotice] = []
    var outbox: [Row] = []
    var telemetry: [String: [UInt8]] = [:]
    /// What broke a promise, in words.
    var violations: [String] = []
  }

  private let content = Mutex(Content())

  func with<T: Sendable>(_ body: (inout Content) -> T) -> T { content.withLock { body(&$0) } }
  var current: Content { content.withLock { $0 } }
}

/// One process's connection to the disk. Dead after a crash: whatever its tasks still try fails and
/// changes nothing.
final class SimulatedStore: PlanStore, CohortStore, OutboxStore, Sendable {
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

  func loadPlans() async throws -> LoadedPlans {
    LoadedPlans(readable: Array(disk.current.plans.values))
  }

  func loadPlan(_ feature: String) async throws -> LoadedPlan? {
    await Task.yield()
    if state.withLock({ $0.dead }) { throw StoreError.unavailable("simulated crash") }
    return disk.current.plans[feature].map { .readable($0) }
  }

  func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> StoredEvent {
    try await write { content in
      let feature = change.plan.feature
      guard change.plan.version == (content.plans[feature]?.version ?? 0) + 1 else {
        throw StoreError.stale
      }
      Invariants.check(change, after: content.plans[feature], &content.violations)
      content.plans[feature] = change.plan
      let stored = StoredEvent(id: content.events.count + 1, event: change.event)
      content.events.append(stored)
      Self.enqueue(.event(stored), &content)
      return stored
    }
  }

  private static func enqueue(
    _ message: Message, _ content: inout SimulatedDisk.Content
  ) {
    guard Subscription(target: "hook", kinds: nil).wants(message.kind) else { return }
    let delivery = Delivery(
      id: content.outbox.count, target: "hook", message: message, attempts: 0)
    content.outbox.append(.init(delivery: delivery, dueAt: Instant(milliseconds: 0)))
  }

  func events(feature: String, before: Int?, limit: Int) async throws -> [StoredEvent] {
    Array(disk.current.events.reversed().filter { $0.event.feature == feature }.prefix(limit))
  }

  func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer? { nil }

  // MARK: Outbox

  func append(_ notice: Notice) async throws -> StoredNotice {
    try await write { content in
      let stored = StoredNotice(
        id: content.notices.count + 1, afterEvent: content.events.count, notice: notice)
      content.notices.append(stored)
      Self.enqueue(.notice(stored), &content)
      return stored
    }
  }

  private func due(_ lane: DeliveryLane, _ now: Instant) -> [Delivery] {
    let due = disk.current.outbox.filter {
      !$0.isDone && $0.dueAt <= now
        && Message.urgentKinds.contains($0.delivery.message.kind) == lane.isUrgent
    }.map(\.delivery)
    return lane.isUrgent ? due.reversed() : due
  }

  func lanes(now: Instant) async throws -> [DeliveryLane] {
    await Task.yield()
    return [true, false].map { DeliveryLane(target: "hook", isUrgent: $0) }
      .filter { !due($0, now).isEmpty }
  }

  func due(_ lane: DeliveryLane, now: Instant, limit: Int) async throws -> [Delivery] {
    await Task.yield()
    return Array(due(lane, now).prefix(limit))
  }

  func hasten(_ target: String, at now: Instant) async throws {
    try await write { content in
      for index in content.outbox.indices {
        content.outbox[index].dueAt = min(content.outbox[index].dueAt, now)
      }
    }
  }

  func trim(waitingMax: Int, at now: Instant) async throws -> Int { 0 }

  func delivered(_ id: Int, at now: Instant) async throws {
    try await write { $0.outbox[id].isDone = true }
  }

  func failed(_ id: Int, error: String, retryAt: Instant?, at now: Instant) async throws {
    try await write { content in
      content.outbox[id].delivery.attempts += 1
      content.outbox[id].dueAt = retryAt ?? content.outbox[id].dueAt
      // As in the database: what was delivered stays delivered.
      if retryAt == nil { content.outbox[id].isDone = true }
    }
  }

  func backlog() async throws -> (waiting: Int, givenUp: Int) { (0, 0) }

  // MARK: Cohorts

  func loadCohorts() async throws -> [String: ByteSet] { ["internal": ByteSet(["anna", "u3"])] }
  func add(_ users: [String], to cohort: String, at now: Instant) async throws {}
  func remove(_ user: String, from cohort: String) async throws {}
  func members(of cohort: String, after: String?, limit: Int) async throws -> [String] { [] }
}
