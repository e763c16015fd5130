package import RolloutCore

/// A plan store in memory, for tests that are not about disks. It keeps the promises of
/// `PlanStore` except durability, and fails on demand.
package actor MemoryPlanStore: PlanStore {
  private var plans: [String: Plan] = [:]
  private var history: [StoredEvent] = []
  private var answers: [StoredAnswer] = []
  private var failure: StoreError?

  package init() {}

  /// Every commit throws this until it is nil again.
  package func fail(with error: StoreError?) { failure = error }

  package func loadPlans() -> [Plan] { Array(plans.values) }

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

  package func events(after id: Int, limit: Int) -> [StoredEvent] {
    Array(history.filter { $0.id > id }.prefix(limit))
  }

  package func answer(scope: String, key: String, now: Instant) -> StoredAnswer? {
    answers.last { $0.scope == scope && $0.key == key && $0.expiresAt > now }
  }
}
