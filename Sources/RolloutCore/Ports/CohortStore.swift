package import RolloutEvaluation

/// Keeps the member lists of cohorts.
///
/// Promises: adding and removing are idempotent, durable on return, and done whole or not at all;
/// ids are bytes, compared and ordered as such. A call costs in proportion to what it is given or
/// gives, and is not ended by cancelling who waits for it. Throws `StoreError`; after a write that
/// threw, what is kept has to be read again.
package protocol CohortStore: Sendable {
  /// Every cohort with all its members.
  func loadCohorts() async throws -> [String: ByteSet]
  func add(_ users: [String], to cohort: String, at now: Instant) async throws
  func remove(_ user: String, from cohort: String) async throws
  /// Takes everybody out.
  func removeAll(from cohort: String) async throws
  /// Members in byte order after `after`.
  func members(of cohort: String, after: String?, limit: Int) async throws -> [String]
}
