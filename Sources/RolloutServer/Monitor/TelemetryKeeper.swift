import RolloutStore

/// Writes what was measured each second, and puts it back after a restart.
struct TelemetryKeeper: Sendable {
  static let interval = Duration.seconds(1)

  let store: TelemetryStore

  func restore(into ledger: OutcomeLedger) async throws {
    for window in try await store.load() { ledger.restore(window) }
  }

  func save(_ ledger: OutcomeLedger) async throws {
    try await store.save(ledger.changedWindows())
  }

  /// Runs until the task is cancelled. A failure is logged once, and again when it is over.
  func run(_ ledger: OutcomeLedger, _ log: Log) async {
    var failing = false
    while !Task.isCancelled {
      try? await Task.sleep(for: Self.interval)
      do {
        try await save(ledger)
        if failing { log.notice("telemetry is being written again") }
        failing = false
      } catch {
        if !failing { log.error("telemetry could not be written", ["error": "\(error)"]) }
        failing = true
      }
    }
  }
}
