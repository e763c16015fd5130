import RolloutCore
import RolloutStore

/// The files of the data folder, opened together.
struct Databases: Sendable {
  let directory: DataDirectory
  /// Plans, history, cohorts, tokens, outbox.
  let control: Store
  /// Measurements, outcomes, cached answers, captures.
  let telemetry: TelemetryStore
  let money: BudgetDatabase
  let jobs: JobDatabase

  /// Takes the folder for this process and brings every schema up to date. Throws `StoreError`.
  /// `committed` is told of every message once it is on disk, on the database's thread.
  /// `moneyReport` hears when the budgets cannot be written, and with nil when they can again.
  init(
    _ path: String, migrations: [Migration], subscriptions: [Subscription], now: Instant,
    committed: @escaping @Sendable (Message) -> Void = { _ in },
    moneyReport: @escaping @Sendable (StoreError?) -> Void
  ) async throws {
    directory = try DataDirectory(path)
    control = try Store(
      directory, migrations: migrations, subscriptions: subscriptions, now: now,
      committed: committed)
    telemetry = try TelemetryStore(directory, now: now)
    money = try await BudgetDatabase(directory, now: now, report: moneyReport)
    jobs = try JobDatabase(directory, now: now)
  }

  func close() async {
    await telemetry.close()
    await money.close()
    await jobs.close()
    await control.close()
    directory.release()
  }
}
