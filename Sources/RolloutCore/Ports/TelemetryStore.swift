/// Keeps what was measured: what guards know, the outcomes themselves, and what happened over time.
///
/// Promises: what was saved survives a crash of the process; a power loss may cost the last moments
/// of it, which delays a verdict and never makes a false one. A save is done whole or not at all
/// and is not ended by cancelling who waits for it; saving the same twice counts twice, so who does
/// not know asks nobody and saves what came since. Everything is bounded (`Retention`), the oldest
/// goes first. Every call costs in proportion to what it is given or gives. Throws `StoreError`.
package protocol TelemetryStore: Sendable {
  func save(_ changes: TelemetryChanges) async throws
  /// The last state of every feature, in no order.
  func loadStates() async throws -> [FeatureState]
  /// Ids of every feature; those of one are in the order they came.
  func loadIDs() async throws -> [SeenIDs]
  /// The packed outcomes of a feature, oldest first.
  func outcomes(_ feature: String) async throws -> [[UInt8]]
  /// Moves a bounded number of rows that are older than their step is kept for to the next coarser
  /// one, and forgets those of the last.
  func ageSeries(now: Instant) async throws
  /// What happened from `from` to before `to`, added up by `step`, stage and arm (versions of a
  /// stage together, their number 0). Rows of a coarser step keep their own beginning.
  func series(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) async throws -> [SeriesKey: SeriesCell]
  /// How often what failed from `from` to before `to`, added up by `step`.
  func failures(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) async throws -> [FailureKey: Int]
  /// The last failures from `from` to before `to`, newest first, older than `before` (a number of
  /// this list; nil from the newest on).
  func recentFailures(
    _ feature: String, from: Instant, to: Instant, before: Int?, limit: Int
  ) async throws -> [(id: Int, failure: RecentFailure)]
}
