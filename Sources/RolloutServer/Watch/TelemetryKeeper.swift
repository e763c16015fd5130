import RolloutCore
import RolloutStore

/// Writes what was measured each second, and puts it back after a restart. Cached answers go after
/// that, as many as there is time for: a measurement never waits for them.
struct TelemetryKeeper: Sendable {
  static let interval = TimeSpan.seconds(1)
  /// What has expired may lie for so many turns.
  private static let turnsPerCleaning = 30
  /// Batches of answers in one turn.
  private static let batchesMax = 4

  let store: any TelemetryStore & CaptureStore & AnswerStore
  var cache: AnswerCache?

  /// Throws `StoreError`; what was read until then is in force.
  func restore(into ledger: OutcomeLedger, now: Instant) async throws {
    for state in try await store.loadStates() { ledger.restore(state) }
    for seen in try await store.loadIDs() { ledger.restore(seen) }
    try await cache?.restore(from: store, now: now)
  }

  /// What cannot be written stays with the ledger, for the next time.
  static func save(_ ledger: OutcomeLedger, to store: any TelemetryStore) async throws {
    let changes = ledger.takeChanges()
    do { try await store.save(changes) } catch {
      ledger.giveBack(changes)
      throw error
    }
  }

  /// One turn of many; `report` hears how it went, nil when it went well.
  func turn(
    _ number: Int, _ ledger: OutcomeLedger, _ clock: any SteadyClock,
    report: @Sendable ((any Error)?) -> Void
  ) async {
    do {
      try await Self.save(ledger, to: store)
      if number % Self.turnsPerCleaning == 0 {
        try await store.deleteExpiredCaptures(now: clock.now)
        try await store.deleteExpiredAnswers(now: clock.steady)
      }
      try await store.ageSeries(now: clock.steady)
      report(nil)
      try await keepAnswers()
    } catch { report(error) }
  }

  /// One small batch at a time: whoever stops the server waits for no more than one.
  private func keepAnswers() async throws {
    for _ in 0..<Self.batchesMax {
      guard !Task.isCancelled, let batch = cache?.takeUnsaved(), !batch.isEmpty else { return }
      try await store.keep(batch, sizeMax: AnswerCache.sizeMax)
    }
  }
}
