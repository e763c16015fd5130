/// The jobs, as people look through them.
package protocol JobList: Sendable {
  /// Those of an app, of these features and in this state (nil for any of it), the last one made
  /// first; without their requests and results. Throws `StoreError`.
  func jobs(
    app: String?, features: Set<String>?, status: Job.Status?, skipping: Int, limit: Int
  ) async throws -> [Job]
}
