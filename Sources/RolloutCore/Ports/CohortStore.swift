package import RolloutEvaluation

/// Keeps the member lists of cohorts. Adding and removing are idempotent and durable on return.
package protocol CohortStore: Sendable {
  /// Every cohort with all its members.
  func loadCohorts() async throws -> [String: ByteSet]
  func add(_ users: [String], to cohort: String, at now: Instant) async throws
  func remove(_ user: String, from cohort: String) async throws
  /// Members in byte order after `after`.
  func members(of cohort: String, after: String?, limit: Int) async throws -> [String]
}
