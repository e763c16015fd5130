import DocumentKit

/// Keeps plans and their history.
///
/// Promises: a returned `commit` survives kill -9 and power loss; versions of a feature are 1..n,
/// each once; an event and its version are written together or not at all; the events of a store
/// are one chain (`HistoryChain`). A commit costs one wait for the disk, shared with others that
/// come together, and is not ended by cancelling who waits for it; committing the same change again
/// throws `stale`. What cannot be read serves nobody and stops nobody else.
package protocol PlanStore: Sendable {
  /// Every plan at its current version, in no order. Throws `StoreError`; a plan that cannot be
  /// read is no error, the others are there all the same.
  func loadPlans() async throws -> LoadedPlans

  /// One plan at its current version, read anew; nil when there is none. Throws `StoreError`.
  func loadPlan(_ feature: String) async throws -> LoadedPlan?

  /// Writes the change if the stored version is exactly the one before it (none for version 1).
  /// Throws `StoreError.stale` when someone else was first, and `unreadable` for a plan that would
  /// not be read back as it is; nothing is written then. After `unavailable` nobody knows: what is
  /// stored has to be read again.
  func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> StoredEvent

  /// Writes changes of different plans, all of them or none; otherwise as the other.
  func commit(all changes: [Lifecycle.Change]) async throws -> [StoredEvent]

  /// A plan's history, newest first, older than `before` (an event id; nil from the newest on).
  func events(feature: String, before: Int?, limit: Int) async throws -> [StoredEvent]

  /// The answer kept for an idempotency key that has not expired.
  func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer?
}

/// A plan as it was found.
package enum LoadedPlan: Sendable, Equatable {
  case readable(Plan)
  case unreadable(UnreadablePlan)
}

/// All plans as they were found.
package struct LoadedPlans: Sendable, Equatable {
  package var readable: [Plan]
  package var unreadable: [UnreadablePlan]

  package init(readable: [Plan] = [], unreadable: [UnreadablePlan] = []) {
    self.readable = readable
    self.unreadable = unreadable
  }

  package init(_ plans: [LoadedPlan]) {
    self.init()
    for plan in plans {
      switch plan {
      case .readable(let plan): readable.append(plan)
      case .unreadable(let plan): unreadable.append(plan)
      }
    }
  }
}

/// An event with the id the store gave it; ids grow in commit order.
package struct StoredEvent: Sendable, Equatable {
  package var id: Int
  package var event: PlanEvent

  package init(id: Int, event: PlanEvent) {
    self.id = id
    self.event = event
  }
}

/// An answer kept so that a repeated request is not carried out twice.
package struct StoredAnswer: Sendable, Equatable {
  package var scope: String
  package var key: String
  /// SHA-256 of the request, to tell a repeat from a reused key.
  package var requestHash: [UInt8]
  package var answer: String
  /// On the steady timeline.
  package var expiresAt: Instant

  package init(
    scope: String, key: String, requestHash: [UInt8], answer: String, expiresAt: Instant
  ) {
    self.scope = scope
    self.key = key
    self.requestHash = requestHash
    self.answer = answer
    self.expiresAt = expiresAt
  }
}
