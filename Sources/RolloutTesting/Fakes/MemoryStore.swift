package import RolloutCore
package import RolloutEvaluation

/// The control database in memory, for tests that are not about disks. It keeps the promises of its
/// ports except durability, and fails on demand.
package actor MemoryStore {
  private var tables = ControlTables()
  private var failure: StoreError?

  package init(subscriptions: [Subscription] = []) { tables.subscriptions = subscriptions }

  /// Every write throws this until it is nil again.
  package func fail(with error: StoreError?) { failure = error }

  package var allNotices: [StoredNotice] { tables.notices }

  private func write<Value>(
    _ body: (inout ControlTables) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    if let failure { throw failure }
    return try body(&tables)
  }
}

extension MemoryStore: PlanStore {
  package func loadPlans() -> LoadedPlans { LoadedPlans(readable: Array(tables.plans.values)) }

  package func loadPlan(_ feature: String) -> LoadedPlan? {
    tables.plans[feature].map { .readable($0) }
  }

  package func commit(
    _ change: Lifecycle.Change, answer: StoredAnswer?
  ) throws -> StoredEvent {
    try write { tables throws(StoreError) in try tables.commit(change, answer) }
  }

  package func commit(all changes: [Lifecycle.Change]) throws -> [StoredEvent] {
    try write { tables throws(StoreError) in
      var new = tables
      var stored: [StoredEvent] = []
      for change in changes { stored.append(try new.commit(change, nil)) }
      tables = new
      return stored
    }
  }

  package func events(feature: String, before: Int?, limit: Int) -> [StoredEvent] {
    tables.history(of: feature, before: before, limit: limit)
  }

  package func answer(scope: String, key: String, now: Instant) -> StoredAnswer? {
    tables.answer(scope, key, now: now)
  }
}

extension MemoryStore: CohortStore {
  package func loadCohorts() -> [String: ByteSet] { tables.memberSets }

  package func add(
    _ users: [String], to cohort: String, at now: Instant, noting entry: AuditRecord?
  ) throws {
    try write { $0.add(users, to: cohort, noting: entry) }
  }

  package func remove(_ user: String, from cohort: String, noting entry: AuditRecord?) throws {
    try write { $0.remove(user, from: cohort, noting: entry) }
  }

  package func removeAll(from cohort: String, noting entry: AuditRecord?) throws {
    try write { $0.removeAll(from: cohort, noting: entry) }
  }

  package func members(of cohort: String, after: String?, limit: Int) -> [String] {
    tables.members(of: cohort, after: after, limit: limit)
  }
}

extension MemoryStore: OutboxStore, EventHistory {
  package func append(_ notice: Notice) throws -> StoredNotice {
    try write { $0.append(notice) }
  }

  package func lanes(now: Instant) -> [DeliveryLane] { tables.lanes(now: now) }

  package func due(_ lane: DeliveryLane, now: Instant, limit: Int) -> [Delivery] {
    tables.due(lane, now: now, limit: limit)
  }

  package func hasten(_ target: String, at now: Instant) throws {
    try write { $0.hasten(target, at: now) }
  }

  package func trim(waitingMax: Int, at now: Instant) throws -> Int {
    try write { $0.trim(waitingMax: waitingMax, at: now) }
  }

  package func delivered(_ id: Int, at now: Instant) throws {
    try write { $0.delivered(id, at: now) }
  }

  package func failed(_ id: Int, error: String, retryAt: Instant?, at now: Instant) throws {
    try write { $0.failed(id, retryAt: retryAt, at: now) }
  }

  package func backlog() -> (waiting: Int, givenUp: Int) { tables.backlog }

  package func newestPlace() -> MessagePlace { tables.newestPlace }
  package func oldestPlace() -> MessagePlace { tables.oldestPlace }

  package func page(after place: MessagePlace, features: Set<String>?) -> HistoryPage {
    tables.page(after: place, features: features)
  }
}

extension MemoryStore: AlertStore, TokenStore, ClockStore {
  package func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) -> [String: AlertRecord.State] {
    tables.finalAlerts(keys, feature: feature, action: action, sender: sender)
  }

  package func keep(_ records: [AlertRecord]) throws { try write { $0.keep(records) } }

  package func alerts(before: Int?, limit: Int, features: Set<String>?) -> [AlertRecord] {
    tables.alerts(before: before, limit: limit, features: features)
  }

  package func loadTokens() -> [TokenRecord] { tables.allTokens }

  package func insert(_ token: TokenRecord, noting entry: AuditRecord?) throws {
    try write { tables throws(StoreError) in try tables.insert(token, noting: entry) }
  }

  package func revoke(
    id: String, at now: Instant, noting entry: AuditRecord?
  ) throws -> Revocation {
    try write { tables throws(StoreError) in try tables.revoke(id: id, at: now, noting: entry) }
  }

  package func noteUse(of ids: [String], at now: Instant) throws {
    try write { $0.noteUse(of: ids, at: now) }
  }

  package func loadClock() -> ClockCheckpoint? { tables.checkpoint }
  package func keep(_ checkpoint: ClockCheckpoint) throws { try write { $0.keep(checkpoint) } }
}

extension MemoryStore: AuditStore {
  package func keep(_ records: [AuditRecord]) throws { try write { $0.keep(records) } }
  package func audit(_ query: AuditQuery) -> [AuditRecord] { tables.audit(query) }
  package func forgetAudit(before: Instant) throws { try write { $0.forgetAudit(before: before) } }
}
