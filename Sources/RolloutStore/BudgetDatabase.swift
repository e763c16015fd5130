package import RolloutCore
import Synchronization

/// The money: accounts in use are in memory, which decides; holds are in a file of slots, which a
/// crash leaves as it was; what is spent is added to the rows of `<data>/budget.db` many times a
/// second. So a request waits for no disk, and what a process did until it died is counted.
///
/// A power loss may forget the last moments of spending.
package final class BudgetDatabase: BudgetStore {
  /// Accounts kept in memory; idle ones go first.
  fileprivate static let accountsMax = 50_000
  /// How long what was spent waits to be added to its row.
  private static let flushDelay = Duration.milliseconds(50)
  /// How long after a failure it is tried again.
  private static let retryDelay = Duration.seconds(1)

  /// What was spent and is in no row yet.
  fileprivate struct Batch {
    var slots: [HoldFile.Slot] = []
    var changes: [Int: Change] = [:]
    /// What was spent while nothing could be written: it has no slot.
    var unheld: [BudgetAccount: Money] = [:]

    var isEmpty: Bool { slots.isEmpty && unheld.isEmpty }
  }

  struct Change {
    var spent = Money.zero
    var alerted = 0
  }

  fileprivate struct State: ~Copyable {
    var book = BudgetBook()
    var ids: [BudgetAccount: Int] = [:]
    var file: HoldFile
    /// Whether the rows cannot be written yet, and never could in this process.
    var isWaiting = true
    /// Requests that hold nothing because of that.
    var unheld: Set<String> = []
    /// Why spending is lost, when that is not in a row yet.
    var lost: String?
    var notices: [String]
    var loss: Loss?
    var slots: [String: [HoldFile.Slot]] = [:]
    var batch = Batch()
    /// Accounts of a batch that is being written.
    var writing: Set<Int> = []
    var flushes = 0
    /// A flush will come by itself.
    var isScheduled = false
    /// Those who wait for everything so far to be in its row.
    var waiters: [CheckedContinuation<Void, any Error>] = []
    var isFlushing = false
    /// Whether rows could not be read or written the last time.
    var isFailing = false

    /// Whether the caller has to start a flush: one at a time.
    mutating func startFlush() -> Bool {
      guard !isFlushing, !isWaiting, !batch.isEmpty || !waiters.isEmpty else { return false }
      isFlushing = true
      return true
    }
  }

  private let directory: DataDirectory
  private let database: Database
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
    let isMissing = directory.isKnown && directory.size(of: Self.fileName) == 0
    var lost = isMissing ? "\(Self.fileName) was missing" : nil
    do {
      database = try Self.open(directory, now)
    } catch StoreError.corrupt(let why) {
      let kept = try directory.setAside(Self.fileName, now: now)
      notices.append("\(Self.fileName) cannot be used (\(why)) and is kept as \(kept)")
      lost = "\(Self.fileName) was damaged"
      database = try Self.open(directory, now)
    }
    let file = HoldFile(unopened: Self.holdsName, why: "the budgets cannot be written")
    state = Mutex(State(file: file, lost: lost, notices: notices))
    do { try await begin(now) } catch {
      guard directory.diskTrouble() != nil else { throw error }
      currentLoss = try? await database.read(Self.loadLoss)
      note(error)
    }
  }

  /// Begins what could not be begun at the start for want of a disk, if it can be now.
  package func resume(at now: Instant) async {
    guard isWaiting else { return }
    do {
      try await begin(now)
      note(nil)
      flushLater()
    } catch { note(error) }
  }

  /// Whether hard budgets are shut because the disk takes nothing since the start.
  package var isWaiting: Bool { state.withLock { $0.isWaiting } }

  /// Counts what an earlier process left behind, and opens the holds. Throws `StoreError`; nothing
  /// is changed then that the next try would count twice.
  private func begin(_ now: Instant) async throws {
    // Before a hold is taken for counted, its row must be able to take it.
    try await database.write { _ in }
    var (lost, notices) = state.withLock { ($0.lost, $0.notices) }
    let last = try await database.read(Self.lastFlush)
    let accounts = try await database.read { connection in
      Set(try connection.query("SELECT id FROM account") { $0.int(0) })
    }
    var file = try holds(accounts, now, &lost, &notices)
    let strangers = file.strangers(accounts.contains)
    let leftOver = lost == nil || strangers == 0 ? file.leftOver(lastFlush: last) : [:]
    let why = lost
    try await database.write { connection in
      for (account, amount) in leftOver {
        try Self.add(Change(spent: amount), to: account, connection)
      }
      if !leftOver.isEmpty { try Self.note(flush: last + 1, connection) }
      if let why { try Self.keep(why, at: now, connection) }
    }
    file.clear()
    if let lost {
      notices.append("\(lost): what was spent is not known, so hard budgets are shut")
    }
    let loss = try await database.read(Self.loadLoss)
    let flushes = last + (leftOver.isEmpty ? 0 : 1)
    state.withLock { $0.begin(&file, flushes: flushes, loss: loss, notices: notices) }
  }

  /// The file of holds; one that cannot be used is set aside, which is lost spending.
  private func holds(
    _ accounts: Set<Int>, _ now: Instant, _ lost: inout String?, _ notices: inout [String]
  ) throws -> HoldFile {
    let path = "\(directory.path)/\(Self.holdsName)"
    let identity = directory.identity ?? ""
    let file = try HoldFile(path: path, identity: identity)
    let strangers = file.damage == nil ? file.strangers(accounts.contains) : 0
    if file.isNew, directory.isKnown, !directory.wasClosed {
      lost = lost ?? "\(Self.holdsName) was missing"
    }
    // With new rows nothing in it has an account any more.
    guard lost == nil || file.damage != nil, file.damage != nil || strangers > 0 else {
      return file
    }
    let why = file.damage ?? "\(strangers) of its entries are not ours"
    let kept = try directory.setAside(Self.holdsName, now: now)
    notices.append("\(Self.holdsName) cannot be used (\(why)) and is kept as \(kept)")
    lost = lost ?? "\(Self.holdsName) was damaged"
    return try HoldFile(path: path, identity: identity)
  }

  static let fileName = "budget.db"
  static let holdsName = "holds.bin"

  private static func open(_ directory: DataDirectory, _ now: Instant) throws -> Database {
    try Database(directory, fileName, durability: .normal, migrations: Migration.money, now: now)
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
      let result = state.withLock { $0.hold(request, amount, lines) }
      switch result {
      case .held: return nil
      case .full(let account): return account
      case .notOpen: try await open(lines.map(\.account))
      case .noSlot:
        let error = StoreError.unavailable(
          state.withLock { $0.file.trouble } ?? "too many requests hold money at once")
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
    if !isWaiting { try await flushed() }
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
    return state.withLock { state in
      rows.map { row in
        guard let entry = state.book[row.account] else { return row }
        return BudgetBalance(account: row.account, spent: entry.spent, reserved: entry.reserved)
      }
    }
  }

  package func close() async {
    if !isWaiting { try? await flushed() }
    await database.close()
  }

  // MARK: Accounts in memory

  /// Reads the accounts that are not in memory yet, and makes rows for new ones.
  private func open(_ accounts: [BudgetAccount]) async throws {
    let missing = state.withLock { state in accounts.filter { state.book[$0] == nil } }
    guard !missing.isEmpty else { return }
    let found: [AccountRow]
    do {
      found = try await database.write { connection in
        try missing.map { try Self.row($0, connection) }
      }
    } catch {
      note(error)
      throw error
    }
    state.withLock { state in
      if state.book.entries.count >= Self.accountsMax { state.forgetIdle() }
      for row in found {
        var entry = row.entry
        entry.spent = entry.spent.adding(state.batch.unheld[row.account] ?? .zero)
        state.book.open(row.account, entry)
        state.ids[row.account] = row.id
      }
    }
    note(nil)
  }

  /// Tells of a failure, or of its end, once.
  private func note(_ error: (any Error)?) {
    let isNews = state.withLock { state in
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
    database.write { connection in
      for (account, change) in batch.changes { try Self.add(change, to: account, connection) }
      for (account, spent) in batch.unheld {
        try Self.add(Change(spent: spent), to: Self.row(account, connection).id, connection)
      }
      try Self.note(flush: number, connection)
    } then: { [self] error in
      note(error)
      let (goesOn, schedules) = state.withLock { state in
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

// MARK: - Under the mutex

extension BudgetDatabase {
  fileprivate enum Holding {
    case held
    case full(BudgetAccount)
    case notOpen
    case noSlot
  }
}

extension BudgetDatabase.State {
  fileprivate mutating func begin(
    _ file: inout HoldFile, flushes: Int, loss: BudgetDatabase.Loss?, notices: [String]
  ) {
    swap(&self.file, &file)
    self.flushes = flushes
    self.loss = loss
    self.notices = notices
    isWaiting = false
  }

  fileprivate mutating func hold(
    _ request: String, _ amount: Money, _ lines: [BudgetLine]
  ) -> BudgetDatabase.Holding {
    if isWaiting {
      // Money that cannot be counted is not spent; what has no ceiling is counted later.
      guard !lines.contains(where: { $0.ceiling != nil }), unheld.count < HoldFile.capacity,
        batch.unheld.count < BudgetDatabase.accountsMax
      else { return .noSlot }
      unheld.insert(request)
      return .held
    }
    for line in lines where book[line.account] == nil { return .notOpen }
    if let loss,
      let shut = lines.first(where: { $0.ceiling != nil && loss.shuts($0.account.budget) })
    {
      return .full(shut.account)
    }
    if let full = book.reserve(request, amount, lines) { return .full(full) }
    var taken: [HoldFile.Slot] = []
    for line in lines {
      guard let id = ids[line.account], let slot = file.hold(account: id, amount) else {
        for slot in taken { file.release(slot) }
        _ = book.release(request)
        return .noSlot
      }
      taken.append(slot)
    }
    // Money that cannot be counted is not spent; what has no ceiling goes on in memory.
    if file.trouble != nil, lines.contains(where: { $0.ceiling != nil }) {
      for slot in taken { file.release(slot) }
      _ = book.release(request)
      return .noSlot
    }
    slots[request] = taken
    return .held
  }

  fileprivate mutating func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) -> [BudgetAlert] {
    if unheld.remove(request) != nil { return settleUnheld(amounts, lines) }
    guard let hold = book.release(request), let taken = slots.removeValue(forKey: request) else {
      return []
    }
    var alerts: [BudgetAlert] = []
    for (account, slot) in zip(hold.accounts, taken) {
      let actual = amounts[account] ?? .zero
      file.settle(slot, actual)
      batch.slots.append(slot)
      guard let id = ids[account] else { continue }
      var change = batch.changes[id] ?? .init()
      change.spent = change.spent.adding(actual)
      let line =
        lines.first { $0.account == account }
        ?? BudgetLine(account: account, ceiling: nil, limit: .zero, alertAt: [])
      if let alert = book.spend(actual, line) {
        alerts.append(alert)
        change.alerted = max(change.alerted, alert.percent)
      }
      batch.changes[id] = change
    }
    return alerts
  }

  private mutating func settleUnheld(
    _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) -> [BudgetAlert] {
    lines.compactMap { line in
      let actual = amounts[line.account] ?? .zero
      batch.unheld[line.account] = (batch.unheld[line.account] ?? .zero).adding(actual)
      return book.spend(actual, line)
    }
  }

  fileprivate mutating func forgetIdle() {
    // What is in no row yet would be read back without its last change.
    let busy = writing.union(batch.changes.keys)
    let ids = ids
    book.close { account in ids[account].map { !busy.contains($0) } ?? true }
    self.ids = ids.filter { book[$0.key] != nil }
  }

  fileprivate mutating func takeBatch() -> (
    BudgetDatabase.Batch, [CheckedContinuation<Void, any Error>], Int
  ) {
    flushes += 1
    file.repair()
    for slot in batch.slots { file.mark(slot, flush: flushes) }
    writing = Set(batch.changes.keys)
    defer {
      batch = .init()
      waiters = []
    }
    return (batch, waiters, flushes)
  }

  /// Whether somebody waits for another flush.
  fileprivate mutating func end(_ done: BudgetDatabase.Batch, failed: Bool) -> Bool {
    isFlushing = false
    writing = []
    if failed {
      // Its slots still say what was spent; the next flush takes them along.
      batch.slots += done.slots
      for (id, change) in done.changes {
        var sum = batch.changes[id] ?? .init()
        sum.spent = sum.spent.adding(change.spent)
        sum.alerted = max(sum.alerted, change.alerted)
        batch.changes[id] = sum
      }
      for (account, spent) in done.unheld {
        batch.unheld[account] = (batch.unheld[account] ?? .zero).adding(spent)
      }
      return false
    }
    for slot in done.slots { file.release(slot) }
    return !waiters.isEmpty && startFlush()
  }
}
