package import RolloutEvaluation

/// Keeps the member lists of cohorts.
///
/// Promises: adding and removing are idempotent, durable on return, and done whole or not at all;
/// ids are bytes, compared and ordered as such. A call costs in proportion to what it is given or
/// gives, and is not ended by cancelling who waits for it. The record of a change is kept with it,
/// with how many users it was about, and not where nobody joined or left. Throws `StoreError`;
/// after a write that threw, what is kept has to be read again.
package protocol CohortStore: Sendable {
  /// Every cohort with all its members.
  func loadCohorts() async throws -> [String: ByteSet]
  func add(
    _ users: [String], to cohort: String, at now: Instant, noting: AuditRecord?
  ) async throws
  func remove(_ user: String, from cohort: String, noting: AuditRecord?) async throws
  /// Takes everybody out.
  func removeAll(from cohort: String, noting: AuditRecord?) async throws
  /// Members in byte order after `after`.
  func members(of cohort: String, after: String?, limit: Int) async throws -> [String]
}

extension CohortStore {
  /// Without a record, for who is nobody.
  package func add(_ users: [String], to cohort: String, at now: Instant) async throws {
    try await add(users, to: cohort, at: now, noting: nil)
  }

  package func remove(_ user: String, from cohort: String) async throws {
    try await remove(user, from: cohort, noting: nil)
  }

  package func removeAll(from cohort: String) async throws {
    try await removeAll(from: cohort, noting: nil)
  }
}
