import RolloutCore
import Synchronization

/// What is behind the mutex: the accounts, the reservations, and what waits for its rows.
extension BudgetDatabase {
  /// What was spent and is in no row yet.
  struct Batch {
    var slots: [ReservationFile.Slot] = []
    var changes: [Int: Change] = [:]
    /// What was spent from accounts that had no row.
    var unreserved: [BudgetAccount: Change] = [:]

    var isEmpty: Bool { slots.isEmpty && changes.isEmpty && unreserved.isEmpty }
  }

  struct Change {
    var spent = Money.zero
    var alerted = 0

    mutating func add(_ other: Change) {
      spent = spent.adding(other.spent)
      alerted = max(alerted, other.alerted)
    }
  }

  /// Rows that a flush has made, for whoever waits for its end.
  final class NewRows: Sendable {
    let all = Mutex<[AccountRow]>([])
  }

  struct State: ~Copyable {
    var book = BudgetBook()
    var ids: [BudgetAccount: Int] = [:]
    var file: ReservationFile
    /// Whether the rows cannot be written yet, and never could in this process.
    var isWaiting = true
    /// Requests that have nothing reserved because of that.
    var unreserved: Set<String> = []
    /// Why spending is lost, when that is not in a row yet.
    var lost: String?
    var notices: [String]
    var loss: Loss?
    /// Why the rows' file is not what was opened, in words.
    var fileTrouble: String?
    /// Whether the file of reservations had been cut and is whole again.
    var isMended = false
    /// Accounts in memory of which it is not known what was spent before.
    var unread: Set<BudgetAccount> = []
    /// What is reserved for each request, in the order of its accounts; nil for a reservation in
    /// memory only.
    var slots: [String: [ReservationFile.Slot?]] = [:]
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
}

extension BudgetDatabase {
  enum Reserving {
    case reserved
    case full(BudgetAccount)
    case notOpen
    case noSlot
  }
}

extension BudgetDatabase.State {
  mutating func begin(
    _ file: inout ReservationFile, flushes: Int, loss: BudgetDatabase.Loss?, notices: [String]
  ) {
    swap(&self.file, &file)
    self.flushes = flushes
    self.loss = loss
    self.notices = notices
    isWaiting = false
  }

  mutating func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine]
  ) -> BudgetDatabase.Reserving {
    if isWaiting {
      // Money that cannot be counted is not spent; what has no ceiling is counted later.
      guard !lines.contains(where: { $0.ceiling != nil }),
        unreserved.count < ReservationFile.capacity,
        batch.unreserved.count < BudgetDatabase.accountsMax
      else { return .noSlot }
      unreserved.insert(request)
      return .reserved
    }
    for line in lines where book[line.account] == nil { return .notOpen }
    if let loss,
      let shut = lines.first(where: { $0.ceiling != nil && loss.shuts($0.account.budget) })
    {
      return .full(shut.account)
    }
    // Money that cannot be counted is not spent; what has no ceiling goes on in memory.
    let hasCeiling = lines.contains { $0.ceiling != nil }
    let isUnknown = fileTrouble != nil || lines.contains { unread.contains($0.account) }
    if hasCeiling, isUnknown { return .noSlot }
    if let full = book.reserve(request, amount, lines) { return .full(full) }
    let taken = lines.map { line in
      file.reserve(account: ids[line.account] ?? ReservationFile.rowless, amount)
    }
    let isReserved = !taken.contains(nil) && file.trouble == nil
    guard isReserved || !hasCeiling else {
      for case let slot? in taken { file.release(slot) }
      _ = book.release(request)
      return .noSlot
    }
    slots[request] = taken
    return .reserved
  }

  mutating func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) -> [BudgetAlert] {
    if unreserved.remove(request) != nil {
      return lines.compactMap { spend(amounts[$0.account] ?? .zero, $0) }
    }
    guard let reservation = book.release(request), let taken = slots.removeValue(forKey: request)
    else {
      return []
    }
    var alerts: [BudgetAlert] = []
    for (account, slot) in zip(reservation.accounts, taken) {
      let actual = amounts[account] ?? .zero
      if let slot {
        file.settle(slot, actual)
        batch.slots.append(slot)
      }
      let line =
        lines.first { $0.account == account }
        ?? BudgetLine(account: account, ceiling: nil, limit: .zero, alertAt: [])
      if let alert = spend(actual, line) { alerts.append(alert) }
    }
    return alerts
  }

  /// Counts what was spent, in memory and in the next batch.
  private mutating func spend(_ amount: Money, _ line: BudgetLine) -> BudgetAlert? {
    let alert = book.spend(amount, line)
    let change = BudgetDatabase.Change(spent: amount, alerted: alert?.percent ?? 0)
    if let id = ids[line.account] {
      batch.changes[id, default: .init()].add(change)
    } else {
      batch.unreserved[line.account, default: .init()].add(change)
    }
    return alert
  }

  /// Takes accounts into memory; `found` are their rows, nil where nothing could be read. False
  /// when there is no room for accounts without a row.
  mutating func open(
    _ accounts: [BudgetAccount], _ found: [BudgetDatabase.AccountRow?]?, isWritten: Bool
  ) -> Bool {
    if book.entries.count >= BudgetDatabase.accountsMax { forgetIdle() }
    guard isWritten || book.entries.count < BudgetDatabase.accountsMax else { return false }
    for (index, account) in accounts.enumerated() where book[account] == nil {
      let row = found?[index]
      var entry = row?.entry ?? BudgetBook.Entry()
      entry.spent = entry.spent.adding(batch.unreserved[account]?.spent ?? .zero)
      book.open(account, entry)
      if let row { ids[account] = row.id }
      if found == nil { unread.insert(account) }
    }
    return true
  }

  /// Accounts that began in memory have their rows now, which say what was spent before.
  mutating func take(_ rows: [BudgetDatabase.AccountRow]) {
    for row in rows where book[row.account] != nil {
      ids[row.account] = row.id
      if unread.remove(row.account) != nil { book.take(row.entry, into: row.account) }
    }
  }

  /// The rows as memory has them, and the accounts that have none.
  func balances(_ rows: [BudgetBalance], since: Instant) -> [BudgetBalance] {
    func balance(_ account: BudgetAccount, _ entry: BudgetBook.Entry) -> BudgetBalance {
      BudgetBalance(account: account, spent: entry.spent, reserved: entry.reserved)
    }
    let known = Set(rows.map(\.account))
    let rowless = book.entries.filter { account, _ in
      ids[account] == nil && !known.contains(account)
        && (account.windowStart >= since || account.windowStart.milliseconds == 0)
    }
    return rows.map { row in book[row.account].map { balance(row.account, $0) } ?? row }
      + rowless.map(balance)
  }

  mutating func forgetIdle() {
    // What is in no row yet would be read back without its last change.
    let busy = writing.union(batch.changes.keys)
    let ids = ids
    book.close { account in ids[account].map { !busy.contains($0) } ?? false }
    self.ids = ids.filter { book[$0.key] != nil }
  }

  mutating func takeBatch() -> (
    BudgetDatabase.Batch, [CheckedContinuation<Void, any Error>], Int
  ) {
    flushes += 1
    if file.repair() { isMended = true }
    for slot in batch.slots { file.mark(slot, flush: flushes) }
    writing = Set(batch.changes.keys)
    defer {
      batch = .init()
      waiters = []
    }
    return (batch, waiters, flushes)
  }

  /// Whether somebody waits for another flush.
  mutating func end(_ done: BudgetDatabase.Batch, failed: Bool) -> Bool {
    isFlushing = false
    writing = []
    if failed {
      // Its slots still say what was spent; the next flush takes them along.
      batch.slots += done.slots
      for (id, change) in done.changes { batch.changes[id, default: .init()].add(change) }
      for (account, change) in done.unreserved {
        batch.unreserved[account, default: .init()].add(change)
      }
      return false
    }
    for slot in done.slots { file.release(slot) }
    return !waiters.isEmpty && startFlush()
  }
}
