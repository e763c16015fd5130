package import RolloutCore
import Synchronization

/// The money database, `<data>/budget.db`, with the accounts in use in memory: memory decides, the
/// file remembers. Holds that wait together are written together.
///
/// A file of its own with `synchronous=NORMAL`: a hold costs a share of a write and no fsync, so it
/// survives kill -9; a power loss may forget the last moments of spending.
package final class BudgetDatabase: BudgetStore {
  /// Accounts kept in memory; idle ones go first.
  private static let accountsMax = 50_000
  /// How long a settled request may wait to be written. Until then a crash counts its hold in full.
  private static let settleDelay = Duration.milliseconds(50)

  /// Somebody who waits for the disk.
  private typealias Waiter = CheckedContinuation<BudgetAccount?, any Error>

  /// What is not on disk yet.
  private struct Batch {
    var holds: [(request: String, accounts: [BudgetAccount], amount: Money)] = []
    var settled: [String] = []
    var changes: [BudgetAccount: Change] = [:]
    var waiters: [Waiter] = []

    var isEmpty: Bool { holds.isEmpty && settled.isEmpty && changes.isEmpty && waiters.isEmpty }
  }

  /// What an account's row changes by.
  private struct Change {
    var spent = 0
    var reserved = 0
    var alerted = 0
  }

  private struct State {
    var book = BudgetBook()
    var batch = Batch()
    /// Accounts of a batch that is being written.
    var writing: Set<BudgetAccount> = []
    var isFlushing = false
    var flushesLater = false

    /// Whether the caller has to start a flush; none is needed while one has not begun to write.
    mutating func startFlush() -> Bool {
      guard !isFlushing, !batch.isEmpty else { return false }
      isFlushing = true
      return true
    }
  }

  private let database: Database
  private let state = Mutex(State())

  package init(_ directory: DataDirectory, now: Instant) throws {
    database = try Database(
      path: "\(directory.path)/budget.db", durability: .normal, migrations: Self.schema, now: now)
  }

  // MARK: BudgetStore

  package func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) async throws -> BudgetAccount? {
    while true {
      try await open(lines.map(\.account))
      do { return try await hold(request, amount, lines) } catch is NotOpen { continue }
    }
  }

  /// An idle account was forgotten just before it was needed.
  private struct NotOpen: Error {}

  private func hold(
    _ request: String, _ amount: Money, _ lines: [BudgetLine]
  ) async throws -> BudgetAccount? {
    try await withCheckedThrowingContinuation { (continuation: Waiter) in
      var flushes = false
      let full = state.withLock { state -> Result<BudgetAccount, any Error>? in
        guard lines.allSatisfy({ state.book[$0.account] != nil }) else {
          return .failure(NotOpen())
        }
        if let full = state.book.reserve(request, amount, lines) { return .success(full) }
        let accounts = lines.map(\.account)
        state.batch.holds.append((request, accounts, amount))
        for account in accounts {
          state.batch.changes[account, default: Change()].reserved &+= amount.nanodollars
        }
        state.batch.waiters.append(continuation)
        flushes = state.startFlush()
        return nil
      }
      if let full { continuation.resume(with: full.map { $0 }) }
      if flushes { flush() }
    }
  }

  package func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) async throws -> [BudgetAlert] {
    let (alerts, isFirst) = state.withLock { state -> ([BudgetAlert], Bool) in
      guard let hold = state.book.release(request) else { return ([], false) }
      var alerts: [BudgetAlert] = []
      state.batch.settled.append(request)
      for account in hold.accounts {
        let actual = amounts[account] ?? .zero
        var change = state.batch.changes[account] ?? Change()
        change.reserved &-= hold.amount.nanodollars
        change.spent &+= actual.nanodollars
        if let line = lines.first(where: { $0.account == account }),
          let alert = state.book.spend(actual, line)
        {
          alerts.append(alert)
          change.alerted = max(change.alerted, alert.percent)
        }
        state.batch.changes[account] = change
      }
      defer { state.flushesLater = true }
      return (alerts, !state.flushesLater)
    }
    if isFirst { flushLater() }
    return alerts
  }

  package func settleAbandoned() async throws {
    try await database.write { connection in
      let holds = try connection.query(
        "DELETE FROM hold RETURNING budget, scope, window_start_ms, nanodollars", [:], Self.hold)
      for hold in holds {
        try Self.write(
          Change(spent: hold.amount.nanodollars, reserved: -hold.amount.nanodollars),
          to: hold.account, connection)
      }
    }
  }

  package func balances(since: Instant) async throws -> [BudgetBalance] {
    try await flushed()
    return try await database.read { connection in
      try connection.query(
        """
        SELECT budget, scope, window_start_ms, spent_nanodollars, reserved_nanodollars
        FROM account
        WHERE window_start_ms >= :since OR window_start_ms = 0
        ORDER BY budget, window_start_ms, scope
        LIMIT 10000
        """, ["since": SQLValue(since)]
      ) { row in
        BudgetBalance(
          account: BudgetAccount(
            budget: row.text(0), scope: row.text(1), windowStart: row.instant(2)),
          spent: Money(nanodollars: row.int(3)), reserved: Money(nanodollars: row.int(4)))
      }
    }
  }

  package func close() async {
    try? await flushed()
    await database.close()
  }

  // MARK: Accounts in memory

  /// Reads the accounts that are not in memory yet.
  private func open(_ accounts: [BudgetAccount]) async throws {
    let missing = state.withLock { state in
      accounts.filter { state.book[$0] == nil }
    }
    guard !missing.isEmpty else { return }
    let found = try await database.read { connection in
      try missing.map { account in
        let entry = try connection.query(
          """
          SELECT spent_nanodollars, reserved_nanodollars, alerted_percent
          FROM account
          WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
          """, Self.key(account)
        ) { row in
          BudgetBook.Entry(
            spent: Money(nanodollars: row.int(0)), reserved: Money(nanodollars: row.int(1)),
            alerted: row.int(2))
        }.first
        return (account, entry ?? BudgetBook.Entry())
      }
    }
    state.withLock { state in
      if state.book.entries.count >= Self.accountsMax {
        // What is not on disk yet would be read back without its last change.
        state.book.close { state.batch.changes[$0] == nil && !state.writing.contains($0) }
      }
      for (account, entry) in found { state.book.open(account, entry) }
    }
  }

  // MARK: To disk

  /// Returns once everything so far is on disk.
  private func flushed() async throws {
    _ = try await withCheckedThrowingContinuation { (continuation: Waiter) in
      let starts = state.withLock { state in
        state.batch.waiters.append(continuation)
        return state.startFlush()
      }
      if starts { flush() }
    }
  }

  private func flushLater() {
    Task { [weak self] in
      try? await Task.sleep(for: Self.settleDelay)
      guard let self else { return }
      let starts = state.withLock { state in
        state.flushesLater = false
        return state.startFlush()
      }
      if starts { flush() }
    }
  }

  /// Hands the batch to the database's thread, which takes in all that has come until it begins.
  private func flush() {
    let taken = Mutex<Batch?>(nil)
    database.write { [self] connection in
      let batch = takeBatch()
      taken.withLock { $0 = batch }
      try Self.write(batch, connection)
    } then: { [self] error in
      // The database may have given up before it took anything.
      let batch = taken.withLock { $0 } ?? takeBatch()
      if let error {
        takeBack(batch)
        for waiter in batch.waiters { waiter.resume(throwing: error) }
      } else {
        state.withLock { $0.writing.subtract(batch.changes.keys) }
        for waiter in batch.waiters { waiter.resume(returning: nil) }
      }
    }
  }

  private func takeBatch() -> Batch {
    state.withLock { state in
      defer {
        state.writing.formUnion(state.batch.changes.keys)
        state.batch = Batch()
        state.isFlushing = false
      }
      return state.batch
    }
  }

  /// A batch could not be written: its holds are void, what was settled waits for the next one.
  private func takeBack(_ batch: Batch) {
    state.withLock { state in
      state.writing.subtract(batch.changes.keys)
      var changes = batch.changes
      for hold in batch.holds {
        _ = state.book.release(hold.request)
        for account in hold.accounts { changes[account]?.reserved &-= hold.amount.nanodollars }
      }
      state.batch.settled.insert(contentsOf: batch.settled, at: 0)
      for (account, change) in changes {
        var sum = state.batch.changes[account] ?? Change()
        sum.spent &+= change.spent
        sum.reserved &+= change.reserved
        sum.alerted = max(sum.alerted, change.alerted)
        state.batch.changes[account] = sum
      }
    }
  }
}

// MARK: - The file

extension BudgetDatabase {
  private static let schema = [
    Migration(
      number: 1, name: "budget-1",
      sql: """
        CREATE TABLE account (
          budget TEXT NOT NULL,
          scope TEXT NOT NULL,
          window_start_ms INTEGER NOT NULL,
          spent_nanodollars INTEGER NOT NULL DEFAULT 0 CHECK (spent_nanodollars >= 0),
          reserved_nanodollars INTEGER NOT NULL DEFAULT 0 CHECK (reserved_nanodollars >= 0),
          alerted_percent INTEGER NOT NULL DEFAULT 0,
          PRIMARY KEY (budget, scope, window_start_ms)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE hold (
          request TEXT NOT NULL,
          budget TEXT NOT NULL,
          scope TEXT NOT NULL,
          window_start_ms INTEGER NOT NULL,
          nanodollars INTEGER NOT NULL CHECK (nanodollars >= 0),
          PRIMARY KEY (request, budget, scope, window_start_ms),
          FOREIGN KEY (budget, scope, window_start_ms)
            REFERENCES account (budget, scope, window_start_ms)
        ) STRICT, WITHOUT ROWID;
        """)
  ]

  private static func key(_ account: BudgetAccount) -> KeyValuePairs<String, SQLValue> {
    [
      "budget": .text(account.budget), "scope": .text(account.scope),
      "start": SQLValue(account.windowStart),
    ]
  }

  private static func hold(_ row: Row) -> (account: BudgetAccount, amount: Money) {
    (
      BudgetAccount(budget: row.text(0), scope: row.text(1), windowStart: row.instant(2)),
      Money(nanodollars: row.int(3))
    )
  }

  private static func write(_ batch: Batch, _ connection: Connection) throws {
    for (account, change) in batch.changes { try write(change, to: account, connection) }
    let settled = Set(batch.settled)
    for hold in batch.holds where !settled.contains(hold.request) {
      for account in hold.accounts {
        try connection.run(
          """
          INSERT INTO hold (request, budget, scope, window_start_ms, nanodollars)
          VALUES (:request, :budget, :scope, :start, :amount)
          """,
          [
            "request": .text(hold.request), "budget": .text(account.budget),
            "scope": .text(account.scope), "start": SQLValue(account.windowStart),
            "amount": SQLValue(hold.amount.nanodollars),
          ])
      }
    }
    for request in batch.settled {
      try connection.run("DELETE FROM hold WHERE request = :request", ["request": .text(request)])
    }
  }

  /// Sums stop at the largest amount, and no account holds less than nothing.
  private static func write(
    _ change: Change, to account: BudgetAccount, _ connection: Connection
  ) throws {
    try connection.run(
      """
      INSERT INTO account (
        budget, scope, window_start_ms, spent_nanodollars, reserved_nanodollars, alerted_percent
      ) VALUES (:budget, :scope, :start, max(0, :spent), max(0, :reserved), :alerted)
      ON CONFLICT DO UPDATE SET
        reserved_nanodollars = max(0, reserved_nanodollars + :reserved),
        spent_nanodollars = min(spent_nanodollars, :max - :spent) + :spent,
        alerted_percent = max(alerted_percent, :alerted)
      """,
      [
        "budget": .text(account.budget), "scope": .text(account.scope),
        "start": SQLValue(account.windowStart), "reserved": SQLValue(change.reserved),
        "spent": SQLValue(change.spent), "alerted": SQLValue(change.alerted),
        "max": .int(Int64.max),
      ])
  }
}
