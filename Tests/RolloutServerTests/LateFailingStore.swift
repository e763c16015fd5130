import RolloutCore
import RolloutStore
import Synchronization

/// The real store, whose commits reach the file and are then reported as failed: an fsync that fails
/// after the bytes were written.
final class LateFailingStore: PlanStore {
  private let store: Store
  private let faults = Mutex((commits: 0, reads: 0))

  init(_ store: Store) { self.store = store }

  func fails(commits: Int, reads: Int) { faults.withLock { $0 = (commits, reads) } }

  func loadPlans() async throws -> LoadedPlans { try await store.loadPlans() }

  func loadPlan(_ feature: String) async throws -> LoadedPlan? {
    let fails = faults.withLock { faults in
      faults.reads -= 1
      return faults.reads >= 0
    }
    if fails { throw StoreError.unavailable("I/O error") }
    return try await store.loadPlan(feature)
  }

  func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> StoredEvent {
    let stored = try await store.commit(change, answer: answer)
    try failLate()
    return stored
  }

  func commit(all changes: [Lifecycle.Change]) async throws -> [StoredEvent] {
    let stored = try await store.commit(all: changes)
    try failLate()
    return stored
  }

  private func failLate() throws {
    let fails = faults.withLock { faults in
      faults.commits -= 1
      return faults.commits >= 0
    }
    if fails { throw StoreError.unavailable("fsync failed") }
  }

  func events(feature: String, before: Int?, limit: Int) async throws -> [StoredEvent] {
    try await store.events(feature: feature, before: before, limit: limit)
  }

  func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer? {
    try await store.answer(scope: scope, key: key, now: now)
  }
}
