package import RolloutCore
package import RolloutEvaluation

/// The control database as a value: what its ports promise, without a disk. A memory keeps one, and
/// so does the simulated disk.
package struct ControlTables: Sendable {
  package internal(set) var plans: [String: Plan] = [:]
  package internal(set) var events: [StoredEvent] = []
  package internal(set) var notices: [StoredNotice] = []
  package internal(set) var deliveries: [QueuedDelivery] = []
  /// Who is told of events and notices.
  package var subscriptions: [Subscription] = []
  var answers: [StoredAnswer] = []
  var cohorts: [String: Set<ExactText>] = [:]
  var alerts: [AlertRecord] = []
  var alertCount = 0
  /// Deliveries made so far.
  var queued = 0
  var tokens: [TokenRecord] = []
  var clock: ClockCheckpoint?
  var audits: [AuditRecord] = []
  var auditCount = 0

  package init() {}

  // MARK: Plans

  package mutating func commit(
    _ change: Lifecycle.Change, _ answer: StoredAnswer?
  ) throws(StoreError) -> StoredEvent {
    let plan = change.plan
    guard plan.version == (plans[plan.feature]?.version ?? 0) + 1 else { throw .stale }
    plans[plan.feature] = plan
    let stored = StoredEvent(id: events.count + 1, event: change.event)
    events.append(stored)
    enqueue(.event(stored))
    note(latest: plan.updatedAt.steady)
    if let answer {
      answers.removeAll { $0.expiresAt <= plan.updatedAt.steady }
      answers.append(answer)
    }
    return stored
  }

  package func history(of feature: String, before: Int?, limit: Int) -> [StoredEvent] {
    Array(
      events.reversed().filter { $0.event.feature == feature && $0.id < before ?? Int.max }
        .prefix(limit))
  }

  package func answer(_ scope: String, _ key: String, now: Instant) -> StoredAnswer? {
    answers.last { $0.scope == scope && $0.key == key && $0.expiresAt > now }
  }

  // MARK: Cohorts

  package mutating func add(
    _ users: [String], to cohort: String, noting entry: AuditRecord? = nil
  ) {
    let before = cohorts[cohort]?.count ?? 0
    cohorts[cohort, default: []].formUnion(users.map(ExactText.init))
    keep(entry, users: (cohorts[cohort]?.count ?? 0) - before)
  }

  package mutating func remove(_ user: String, from cohort: String, noting entry: AuditRecord?) {
    let removed = cohorts[cohort]?.remove(ExactText(user))
    keep(entry, users: removed == nil ? 0 : 1)
  }

  package mutating func removeAll(from cohort: String, noting entry: AuditRecord?) {
    keep(entry, users: cohorts[cohort]?.count ?? 0)
    cohorts[cohort] = nil
  }

  package var memberSets: [String: ByteSet] {
    cohorts.filter { !$0.value.isEmpty }.mapValues { ByteSet($0.map(\.text)) }
  }

  package func members(of cohort: String, after: String?, limit: Int) -> [String] {
    let start = ExactText(after ?? "")
    return (cohorts[cohort] ?? []).filter { $0 > start }.sorted().prefix(limit).map(\.text)
  }

  // MARK: Clock

  package var checkpoint: ClockCheckpoint? { clock }

  package mutating func keep(_ checkpoint: ClockCheckpoint) {
    let latest = max(checkpoint.latest, clock?.latest ?? checkpoint.latest)
    clock = checkpoint
    clock?.latest = latest
  }

  /// Something is written that refers to this place of the steady timeline.
  private mutating func note(latest: Instant) {
    guard let known = clock?.latest, known < latest else { return }
    clock?.latest = latest
  }
}
