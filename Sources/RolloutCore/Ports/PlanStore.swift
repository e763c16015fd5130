import DocumentKit

/// Keeps plans and their history.
///
/// Promises: a returned `commit` survives kill -9 and power loss; versions of a feature are 1..n,
/// each once; an event and its version are written together or not at all.
package protocol PlanStore: Sendable {
  /// Every plan at its current version, in no order. Throws `StoreError`.
  func loadPlans() async throws -> [Plan]

  /// Writes the change if the stored version is exactly the one before it (none for version 1).
  /// Throws `StoreError.stale` when someone else was first, and nothing is written then.
  func commit(_ change: Lifecycle.Change, answer: StoredAnswer?) async throws -> StoredEvent

  /// A plan's history, newest first, older than `before` (an event id; nil from the newest on).
  func events(feature: String, before: Int?, limit: Int) async throws -> [StoredEvent]

  /// Events of all plans after an id, oldest first: what a reconnecting listener missed.
  func events(after id: Int, limit: Int) async throws -> [StoredEvent]

  /// The answer kept for an idempotency key that has not expired.
  func answer(scope: String, key: String, now: Instant) async throws -> StoredAnswer?
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

/// What a store could not do.
package enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The version was not the expected one; somebody else's change came first.
  case stale
  case alreadyExists(String)
  case notFound(String)
  /// Disk full, I/O error, lock: nothing was written; try again later.
  case unavailable(String)
  /// The file cannot be used; a person must look.
  case corrupt(String)

  package var description: String {
    switch self {
    case .stale: "somebody else's change came first"
    case .alreadyExists(let what): "\(what) already exists"
    case .notFound(let what): "\(what) does not exist"
    case .unavailable(let why): "the database is not available: \(why)"
    case .corrupt(let why): "the database cannot be used: \(why)"
    }
  }
}
