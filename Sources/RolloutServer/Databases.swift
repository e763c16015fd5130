import RolloutCore
import RolloutStore

/// The files of the data folder, opened together.
struct Databases: Sendable {
  let directory: DataDirectory
  /// Plans, history, cohorts, tokens, outbox.
  let control: Store
  /// Measurements, outcomes, cached answers, captures.
  let telemetry: TelemetryDatabase
  let money: BudgetDatabase
  let jobs: JobDatabase
  /// Files that could not be used and were set aside, in words.
  let notices: [String]

  /// Takes the folder for this process and brings every schema up to date. What is expendable and
  /// damaged is set aside; what is not is refused. Throws `StoreError`. `committed` hears of every
  /// message once it is on disk, on the database's thread. `moneyReport` hears when the budgets
  /// cannot be written, and with nil when they can again.
  init(
    _ path: String, _ permissions: DataDirectory.Permissions = DataDirectory.Permissions(),
    migrations: [Migration], subscriptions: [Subscription], now: Instant,
    committed: @escaping @Sendable (Message) -> Void = { _ in },
    moneyReport: @escaping @Sendable (StoreError?) -> Void
  ) async throws {
    let directory = try DataDirectory(path, permissions)
    self.directory = directory
    let control: Store
    do {
      control = try Store(
        directory, migrations: migrations, subscriptions: subscriptions, now: now,
        committed: committed)
    } catch StoreError.corrupt(let why) {
      throw StoreError.corrupt(
        "\(why). Put a back-up of it in its place; where there is none, move it away and start with "
          + "--accept-empty, which begins without any plan, cohort or token")
    }
    self.control = control
    var notices: [String] = []
    if directory.isRebuilt {
      notices.append(
        "rollout.lock was missing or could not be read, and is made anew: what the files know of "
          + "each other is all there is to tell an old copy by")
    }
    var opened: (telemetry: TelemetryDatabase?, money: BudgetDatabase?, jobs: JobDatabase?)
    do {
      let telemetry = try Self.telemetry(directory, now, &notices)
      opened.telemetry = telemetry
      let money = try await BudgetDatabase(directory, now: now, report: moneyReport)
      opened.money = money
      let jobs = try Self.jobs(directory, now, &notices)
      opened.jobs = jobs
      try await control.confirm(directory)
      (self.telemetry, self.money, self.jobs) = (telemetry, money, jobs)
    } catch {
      // Whoever tries again finds the folder free.
      await opened.telemetry?.close()
      await opened.money?.close()
      await opened.jobs?.close()
      await control.close()
      directory.release()
      throw error
    }
    self.notices = notices + money.notices
  }

  private static func telemetry(
    _ directory: DataDirectory, _ now: Instant, _ notices: inout [String]
  ) throws -> TelemetryDatabase {
    let name = DataDirectory.telemetryFile
    let anew = "measurements, outcomes and cached answers begin anew"
    if directory.wasHere(name), directory.size(of: name) == 0 {
      notices.append("\(name) was missing or empty: \(anew)")
    }
    do { return try TelemetryDatabase(directory, now: now) } catch StoreError.corrupt(let why) {
      let kept = try directory.setAside(name, now: now)
      notices.append("\(name) cannot be used (\(why)) and is kept as \(kept): \(anew)")
      return try TelemetryDatabase(directory, now: now)
    }
  }

  private static func jobs(
    _ directory: DataDirectory, _ now: Instant, _ notices: inout [String]
  ) throws -> JobDatabase {
    do { return try JobDatabase(directory, now: now) } catch StoreError.corrupt(let why) {
      guard directory.permissions.quarantines else {
        throw StoreError.corrupt(
          "jobs.db cannot be used (\(why)): jobs that were accepted are in it. Put the newest back, "
            + "or start with --quarantine, which sets it aside and begins without jobs")
      }
      let kept = try directory.setAside(DataDirectory.jobsFile, now: now)
      notices.append(
        "jobs.db cannot be used (\(why)), and what there was of it is kept as \(kept): "
          + "its jobs are lost")
      directory.giveUp(DataDirectory.jobsFile)
      return try JobDatabase(directory, now: now)
    }
  }

  func close() async {
    await telemetry.close()
    await money.close()
    await jobs.close()
    await control.close()
    directory.end()
    directory.release()
  }
}
