/// An AI request that is answered later. Its times are places on the steady timeline.
package struct Job: Sendable, Equatable {
  package enum Status: String, Sendable, CaseIterable {
    case queued, processing, succeeded, failed, expired, cancelled

    package var isFinal: Bool { self != .queued && self != .processing }
  }

  package var id: String
  package var feature: String
  /// The token that made it; only it (and an administrator) may see it.
  package var app: String
  /// Whose turn it is in the queue; nil when the request names no user.
  package var user: String?
  /// The native request, as JSON. Empty once the job is final: nobody needs the prompt any more.
  package var request: [UInt8]
  /// Bytes of the request, also where it is left out.
  package var size: Int
  package var status = Status.queued
  /// Times that it was begun.
  package var attempts = 0
  package var createdAt: Instant
  package var startedAt: Instant?
  package var finishedAt: Instant?
  /// A job that has not begun by then never does.
  package var expiresAt: Instant
  /// The native answer or the problem, as JSON; nil until the job is final.
  package var result: [UInt8]?

  package init(
    id: String, feature: String, app: String, user: String?, request: [UInt8], createdAt: Instant,
    expiresAt: Instant
  ) {
    self.id = id
    self.feature = feature
    self.app = app
    self.user = user
    self.request = request
    size = request.count
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }
}

/// A caller's own name for a request, so that sending it twice makes one job.
package struct IdempotencyKey: Sendable, Equatable {
  package var key: String
  package var requestHash: [UInt8]

  package init(key: String, requestHash: [UInt8]) {
    self.key = key
    self.requestHash = requestHash
  }
}

/// What became of adding a job.
package enum JobAddition: Sendable, Equatable {
  case added
  /// The key was used for the same request before; this is its job.
  case known(Job)
  /// The key was used for another request.
  case keyReused
}

/// Keeps jobs. Promises: what was added survives a crash and a power loss; a job is claimed by one
/// worker at a time, for as long as its lease lasts; a final job never changes. Throws
/// `StoreError`.
package protocol JobStore: Sendable {
  func add(_ job: Job, _ key: IdempotencyKey?) async throws -> JobAddition
  func job(_ id: String) async throws -> Job?
  /// Marks a queued job as being processed; nil when it is not queued any more, or has expired.
  func claim(_ id: String, at now: Instant, leaseUntil: Instant) async throws -> Job?
  func renew(_ id: String, leaseUntil: Instant) async throws
  /// Puts a claimed job back: its worker could not begin, which is no attempt.
  func release(_ id: String) async throws
  /// Ends a job that is not final; nil when there is no such job, else the job as it is now.
  func finish(
    _ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant
  ) async throws -> Job?
  /// Jobs whose lease has run out go back into the queue, or fail when they had their attempts;
  /// queued ones expire when their time has come; final ones are forgotten after `keepFor`. Returns
  /// what is in the queue again.
  func sweep(at now: Instant, attemptsMax: Int, keepFor: TimeSpan) async throws -> [Job]
  /// Everything in the queue, oldest first; without the requests.
  func queued() async throws -> [Job]
  /// Ends every lease: those of a process that is gone.
  func endLeases() async throws
  func counts() async throws -> [Job.Status: Int]
}
