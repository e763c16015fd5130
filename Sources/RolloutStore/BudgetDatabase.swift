package import RolloutCore
import Synchronization

/// The money: accounts in use are in memory, which decides; reservations are in a file of slots,
/// which a crash leaves as it was; what is spent is added to the rows of `<data>/budget.db` many
/// times a second. So a request waits for no disk, and what a process did until it died is counted.
///
/// A power loss may forget the last moments of spending.
package final class BudgetDatabase: BudgetStore {
  /// Accounts kept in memory; idle ones go first.
  static let accountsMax = 50_000
  /// How long what was spent waits to be added to its row.
  private static let flushDelay = Duration.milliseconds(50)
  /// How long after a failure it is tried again.
  private static let retryDelay = Duration.seconds(1)

  private let directory: DataDirectory
  let database: Database
  private let state: Mutex<State>
  private let report: @Sendable (StoreError?) -> Void
  /// Files that could not be used and were set aside, in words.
  package var notices: [String] { state.withLock { $0.notices } }

  /// Counts what an earlier process left behind. A file that is damaged, or missing though there
  /// was one, is lost spending: hard budgets are shut until `accept`. Where the disk takes nothing,
  /// hard budgets are shut until it does, and `resume` is called. `report` hears when rows cannot
  /// be written any more, and with nil when they can again; decisions go on in memory meanwhile.
  /// Throws `StoreError`.
  package init(
    _ directory: DataDirectory, now: Instant,
    report: @escaping @Sendable (StoreError?) -> Void = { _ in }
  ) async throws {
    self.directory = directory
    self.report = report
    var notices: [String] = []
    let isMissing = directory.wasHere(Self.fileName) && directory.size(of: Self.fileName) == 0
    var lost = isMissing ? "\(Self.fileName) was missing" : nil
    do {
      database = try await Self.open(directory, now)
    } catch StoreError.corrupt(let why) {
      let kept = try directory.setAside(Self.fileName, now: now)
      notices.append("\(Self.fileName) cannot be used (\(why)) and is kept as \(kept)")
      lost = "\(Self.fileName) was damaged"
      database = try await Self.open(directory, now)
    }
    let file = ReservationFile(
      unopened: Self.reservationsName, why: "the budgets cannot be written")
    state = Mutex(State(file: file, lost: lost, notices: notices))
    do { try await begin(now) } catch {
      guard directory.diskTrouble() != nil else { throw error }
      currentLoss = try? await database.read(Self.loadLoss)
      note(error)
    }
  }

  /// Begins what could not be begun at the start for want of a disk, if it can be now.
  private func resume(at now: Instant) async {
    guard isWaiting else { return }
    do {
      try await begin(now)
      note(nil)
      flushLater()
    } catch { note(error) }
  }

  /// Looks whether the files are those that were opened. The reservations are written anew from
  /// memory; while the rows' file is gone or spoilt nothing that has a ceiling is reserved.
  package func look(at now: Instant) async {
    await resume(at: now)
    guard !isWaiting else { return }
    var trouble = database.fileTrouble
    if trouble != nil {
      // A log that is gone is put right by who writes.
      try? await database.probe()
      trouble = database.fileTrouble
    }
    var isMended = false
    let isNews = state.withLock { state in
      // Never into another folder of that name.
      if trouble == nil { isMended = state.file.keep() || state.isMended }
      state.isMended = false
      defer { state.fileTrouble = trouble }
      return state.fileTrouble != trouble
    }
    if isMended {
      directory.tellMended(
        "\(Self.reservationsName) was deleted or changed under the server and is made anew")
    }
    // So that it can say of the others, after a crash too, what they had acknowledged.
    if trouble == nil { try? await database.keepMark(directory) }
    if isNews { note(trouble.map { StoreError.unavailable($0) }) }
  }

  /// Whether hard budgets are shut because the disk takes nothing since the start.
  package var isWaiting: Bool { state.withLock { $0.isWaiting } }

  /// Counts what an earlier process left behind, and opens the reservations. Throws `StoreError`;
  /// nothing is changed then that the next try would count twice.
  private func begin(_ now: Instant) async throws {
    // Before a reservation is taken for counted, its row must be able to take it.
    try await database.write { _ in }
    var (lost, notices) = state.withLock { ($0.lost, $0.notices) }
    let commits = try await database.read(Membership.commits)
    if lost == nil, commits < directory.acknowledged(Self.fileName) {
      lost = "\(Self.fileName) was older than what was written (an old copy, or its log is gone)"
    }
    if lost == nil, directory.isRebuilt {
      lost = "rollout.lock was missing or could not be read"
    }
    let last = try await database.read(Self.lastFlush)
    let accounts = try await database.read { connection in
      Set(try connection.query("SELECT id FROM account") { $0.int(0) })
    }
    var file = try reservations(accounts, now, &lost, &notices)
    let strangers = file.strangers(accounts.contains)
    if lost == nil, file.withoutRow(lastFlush: last) > 0 {
      lost = "\(Self.reservationsName) holds spending of accounts that had no row yet"
    }
    let leftOver = lost == nil || strangers == 0 ? file.leftOver(lastFlush: last) : [:]
    let why = lost
    let known = directory.acknowledged(Self.fileName)
    try await database.write { connection in
      for (account, amount) in leftOver where account != ReservationFile.rowless {
        try Self.add(Change(spent: amount), to: account, connection)
      }
      if !leftOver.isEmpty { try Self.note(flush: last + 1, connection) }
      guard let why else { return }
      try Self.keep(why, at: now, connection)
      // From here on the loss is known, and the file is as new as it can be.
      try Membership.raise(connection, to: known)
    }
    directory.settleRebuilt()
    let generation = max(file.generation, directory.acknowledged(Self.reservationsName)) + 1
    file.clear(generation: generation)
    directory.note(Self.reservationsName, commits: generation, isDurable: false)
    if let lost {
      notices.append("\(lost): what was spent is not known, so hard budgets are shut")
    }
    let loss = try await database.read(Self.loadLoss)
    let flushes = last + (leftOver.isEmpty ? 0 : 1)
    state.withLock { $0.begin(&file, flushes: flushes, loss: loss, notices: notices) }
  }

  /// The file of reservations; one that cannot be used is set aside, which is lost spending.
  private func reservations(
    _ accounts: Set<Int>, _ now: Instant, _ lost: inout String?, _ notices: inout [String]
  ) throws -> ReservationFile {
    let path = "\(directory.path)/\(Self.reservationsName)"
    let identity = directory.identity ?? ""
    do { try directory.checkIsFile(Self.reservationsName) } catch {
      let kept = try directory.setAside(Self.reservationsName, now: now)
      notices.append("\(Self.reservationsName) is no file, and is kept as \(kept)")
    }
    let file = try ReservationFile(path: path, identity: identity)
    if file.isNew, directory.wasHere(Self.reservationsName) {
      lost = lost ?? "\(Self.reservationsName) was missing"
    }
    guard let why = fault(of: file, accounts, isLost: lost != nil) else { return file }
    let kept = try directory.setAside(Self.reservationsName, now: now)
    notices.append("\(Self.reservationsName) cannot be used (\(why)) and is kept as \(kept)")
    lost = lost ?? "\(Self.reservationsName) could not be used"
    return try ReservationFile(path: path, identity: identity)
  }

  /// Why what the file of reservations says is not to be counted; nil when it is.
  private func fault(
    of file: borrowing ReservationFile, _ accounts: Set<Int>, isLost: Bool
  ) -> String? {
    if let damage = file.damage { return damage }
    if !file.isNew, file.generation < directory.acknowledged(Self.reservationsName) {
      return "it is an old copy"
    }
    // With new rows nothing in it has an account any more.
    guard !isLost else { return nil }
    let strangers = file.strangers(accounts.contains)
    return strangers == 0 ? nil : "\(strangers) of its entries are not ours"
  }

  static let fileName = DataDirectory.budgetFile
  static let reservationsName = DataDirectory.holdsFile

  private static func open(_ directory: DataDirectory, _ now: Instant) async throws -> Database {
    let database = try Database(
      directory, fileName, durability: .normal, migrations: Migration.money, now: now)
    do { _ = try await database.read(lastFlush) } catch StoreError.corrupt(let why) {
      await database.close()
      throw StoreError.corrupt("\(directory.path)/\(fileName): \(why)")
    } catch {
      // What cannot be read now is tried again, and shuts hard budgets until then.
    }
    return database
  }

  var currentLoss: Loss? {
    get { state.withLock { $0.loss } }
    set { state.withLock { $0.loss = newValue } }
  }

  /// A transaction of its own.
  func accepting<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await database.write(body)
  }

  /// Between transactions.
  func reading<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await database.read(body)
  }

  // MARK: BudgetStore

  package func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) async throws -> BudgetAccount? {
    while true {
      let result = state.withLock { $0.reserve(request, amount, lines) }
      switch result {
      case .reserved: return nil
      case .full(let account): return account
      case .notOpen: try await open(lines)
      case .noSlot:
        let error = StoreError.unavailable(
          state.withLock { $0.file.trouble } ?? "too many requests reserve money at once")
        note(error)
        throw error
      }
    }
  }

  package func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) async throws -> [BudgetAlert] {
    let (alerts, schedules) = state.withLock { state in
      let alerts = state.settle(request, amounts, lines)
      defer { state.isScheduled = true }
      return (alerts, !state.isScheduled)
    }
    if schedules { flushLater() }
    return alerts
  }

  package func balances(since: Instant) async throws -> [BudgetBalance] {
    // What is in no row yet is in memory.
    if !isWaiting { try? await flushed() }
    let rows = try await database.read { connection in
      try connection.query(
        """
        SELECT budget, scope, window_start_ms, spent_nanodollars
        FROM account
        WHERE window_start_ms >= :since OR window_start_ms = 0
        ORDER BY budget, window_start_ms, scope
        LIMIT 10000
        """, ["since": SQLValue(since)]
      ) { row in
        BudgetBalance(
          account: BudgetAccount(
            budget: row.text(0), scope: row.text(1), windowStart: row.instant(2)),
          spent: Money(nanodollars: row.int(3)), reserved: .zero)
      }
    }
    return state.withLock { $0.balances(rows, since: since) }
  }

  package func close() async {
    if !isWaiting { try? await flushed() }
    await database.close()
  }

  // MARK: Accounts in memory

  /// Reads the accounts that are not in memory yet, and makes rows for new ones. Where they cannot
  /// be written they begin in memory and get their rows later: what is read says what was spent.
  /// Where nothing can be read either, only what has no ceiling begins.
  private func open(_ lines: [BudgetLine]) async throws {
    let missing = state.withLock { state in lines.filter { state.book[$0.account] == nil } }
    guard !missing.isEmpty else { return }
    let accounts = missing.map(\.account)
    var found: [AccountRow?]?
    var failure: (any Error)?
    do {
      found = try await database.write { connection in
        try accounts.map { try Self.row($0, connection) }
      }
    } catch {
      failure = error
      found = try? await database.read { connection in
        try accounts.map { try Self.find($0, connection) }
      }
    }
    note(failure)
    if let failure, found == nil, missing.contains(where: { $0.ceiling != nil }) { throw failure }
    let isOpen = state.withLock { $0.open(accounts, found, isWritten: failure == nil) }
    if !isOpen { throw failure ?? StoreError.unavailable("too many accounts are in use") }
  }

  /// Tells of a failure, or of its end, once.
  private func note(_ error: (any Error)?) {
    let trouble = error == nil ? nil : database.fileTrouble
    let isNews = state.withLock { state in
      if trouble != nil { state.fileTrouble = trouble }
      defer { state.isFailing = error != nil }
      return state.isFailing != (error != nil)
    }
    if isNews { report(error.map { $0 as? StoreError ?? .unavailable("\($0)") }) }
  }

  // MARK: To the rows

  /// Returns once everything so far is in its row.
  private func flushed() async throws {
    try await withCheckedThrowingContinuation { continuation in
      let starts = state.withLock { state in
        state.waiters.append(continuation)
        return state.startFlush()
      }
      if starts { flush() }
    }
  }

  private func flushLater(_ delay: Duration = flushDelay) {
    Task.detached { [weak self] in
      try? await Task.sleep(for: delay)
      guard let self else { return }
      let starts = state.withLock { state in
        state.isScheduled = false
        return state.startFlush()
      }
      if starts { flush() }
    }
  }

  /// Adds what was spent to the rows, then frees its slots.
  private func flush() {
    let (batch, waiters, number) = state.withLock { $0.takeBatch() }
    let rows = NewRows()
    database.write { connection in
      for (account, change) in batch.changes { try Self.add(change, to: account, connection) }
      for (account, change) in batch.unreserved {
        let row = try Self.row(account, connection)
        try Self.add(change, to: row.id, connection)
        rows.all.withLock { $0.append(row) }
      }
      try Self.note(flush: number, connection)
    } then: { [self] error in
      note(error)
      let (goesOn, schedules) = state.withLock { state in
        if error == nil { state.take(rows.all.withLock { $0 }) }
        let goesOn = state.end(batch, failed: error != nil)
        let schedules = !goesOn && !state.batch.isEmpty && !state.isScheduled
        if schedules { state.isScheduled = true }
        return (goesOn, schedules)
      }
      for waiter in waiters {
        if let error { waiter.resume(throwing: error) } else { waiter.resume() }
      }
      if goesOn { flush() }
      if schedules { flushLater(error == nil ? Self.flushDelay : Self.retryDelay) }
    }
  }
}
