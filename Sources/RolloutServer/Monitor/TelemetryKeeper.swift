import RolloutCore
import RolloutStore

/// Writes what was measured each second, and puts it back after a restart.
struct TelemetryKeeper: Sendable {
  static let interval = Duration.seconds(1)
  /// What has expired may lie for so many rounds.
  private static let roundsPerCleaning = 30

  let store: TelemetryStore

  func restore(into ledger: OutcomeLedger) async throws {
    for state in try await store.loadStates() { ledger.restore(state) }
  }

  /// What cannot be written stays with the ledger, for the next time.
  func save(_ ledger: OutcomeLedger) async throws {
    let changes = ledger.takeChanges()
    do { try await store.save(changes.states, changes.chunks) } catch {
      ledger.giveBack(changes.states, changes.chunks)
      throw error
    }
  }

  /// Runs until the task is cancelled; `report` hears how each round went, nil when it went well.
  func run(
    _ ledger: OutcomeLedger, _ clock: any WallClock,
    report: @Sendable ((any Error)?) -> Void
  ) async {
    var rounds = 0
    while true {
      // What is left is written by whoever ends this; two at once would each have half of it.
      guard (try? await Task.sleep(for: Self.interval)) != nil else { return }
      do {
        try await save(ledger)
        if rounds % Self.roundsPerCleaning == 0 {
          try await store.deleteExpiredCaptures(now: clock.now)
        }
        rounds += 1
        report(nil)
      } catch { report(error) }
    }
  }
}
