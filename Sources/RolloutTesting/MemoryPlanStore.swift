package import RolloutCore
package import RolloutEvaluation

/// A plan store in memory, for tests that are not about disks. It keeps the promises of
/// `PlanStore` except durability, and fails on demand.
package actor MemoryPlanStore: PlanStore {
  private var plans: [String: Plan] = [:]
  private var history: [StoredEvent] = []
  private var answers: [StoredAnswer] = []
  package private(set) var allNotices: [StoredNotice] = []
  private var failure: StoreError?

  package init() {}

  /// Every commit throws this until it is nil again.
  package func fail(with error: StoreError?) { failure = error }

  package func loadPlans() -> LoadedPlans { LoadedPlans(readable: Array(plans.values)) }
  package func loadPlan(_ feature: String) -> LoadedPlan? {
    plans[feature].map { .readable($0) }
  }

  package func commit(
    _ change: Lifecycle.Change, answer: StoredAnswer?
  ) throws -> StoredEvent {
    if let failure { throw failure }
    let version = plans[change.plan.feature]?.version ?? 0
    guard change.plan.version == version + 1 else { throw StoreError.stale }
    plans[change.plan.feature] = change.plan
    let stored = StoredEvent(id: history.count + 1, event: change.event)
    history.append(stored)
    if let answer { answers.append(answer) }
    return stored
  }

  package func events(feature: String, before: Int?, limit: Int) -> [StoredEvent] {
    Array(
      history.reversed().filter { $0.event.feature == feature && $0.id < before ?? Int.max }
        .prefix(limit))
  }

  package func answer(scope: String, key: String, now: Instant) -> StoredAnswer? {
    answers.last { $0.scope == scope && $0.key == key && $0.expiresAt > now }
  }
}

/// Enough of the other ports to run a controller and a monitor on.
extension MemoryPlanStore: CohortStore, OutboxStore {
  package func loadCohorts() -> [String: ByteSet] { [:] }
  package func add(_ users: [String], to cohort: String, at now: Instant) {}
  package func remove(_ user: String, from cohort: String) {}
  package func members(of cohort: String, after: String?, limit: Int) -> [String] { [] }

  package func append(_ notice: Notice) throws -> StoredNotice {
    if let failure { throw failure }
    let stored = StoredNotice(
      id: allNotices.count + 1, afterEvent: history.count, notice: notice)
    allNotices.append(stored)
    return stored
  }

  package func lanes(now: Instant) -> [DeliveryLane] { [] }
  package func due(_ lane: DeliveryLane, now: Instant, limit: Int) -> [Delivery] { [] }
  package func hasten(_ target: String, at now: Instant) {}
  package func trim(waitingMax: Int, at now: Instant) -> Int { 0 }
  package func delivered(_ id: Int, at now: Instant) {}
  package func failed(_ id: Int, error: String, retryAt: Instant?, at now: Instant) {}
  package func backlog() -> (waiting: Int, givenUp: Int) { (0, 0) }
}
