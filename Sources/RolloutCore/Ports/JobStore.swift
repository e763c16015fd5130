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

/// Keeps jobs.
///
/// Promises: what was added survives a crash and a power loss; the same request with the same key
/// makes one job; a job is claimed by one worker at a time, for as long as its lease lasts; a final
/// job never changes, and its prompt is overwritten where it lay. A call costs in proportion to
/// what it is about, and is not ended by cancelling who waits for it. Throws `StoreError`;
/// `corrupt` for a job whose status is not known, which is none that may run.
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
