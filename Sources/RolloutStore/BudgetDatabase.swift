package import RolloutCore

/// The money database, `<data>/budget.db`. A file of its own with `synchronous=NORMAL`: a
/// reservation costs a write and no fsync, so it survives kill -9; a power loss may forget the last
/// moments of spending.
package final class BudgetDatabase: BudgetStore {
  private let database: Database

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

  package init(_ directory: DataDirectory, now: Instant) throws {
    database = try Database(
      path: "\(directory.path)/budget.db", durability: .normal, migrations: Self.schema, now: now)
  }

  /// Ends a transaction that has no room in this account.
  private struct NoRoom: Error {
    var account: BudgetAccount
  }

  private static func key(_ account: BudgetAccount) -> KeyValuePairs<String, SQLValue> {
    [
      "budget": .text(account.budget), "scope": .text(account.scope),
      "start": SQLValue(account.windowStart),
    ]
  }

  package func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) async throws -> BudgetAccount? {
    do {
      try await database.write { connection in
        for line in lines { try Self.reserve(request, amount, line, connection) }
      }
      return nil
    } catch let full as NoRoom { return full.account }
  }

  private static func reserve(
    _ request: String, _ amount: Money, _ line: BudgetLine, _ connection: Connection
  ) throws {
    try connection.run(
      """
      INSERT INTO account (budget, scope, window_start_ms) VALUES (:budget, :scope, :start)
      ON CONFLICT DO NOTHING
      """, key(line.account))
    let account = line.account
    // Subtracted on the right: no sum can overflow past the ceiling.
    let changed = try connection.run(
      """
      UPDATE account
      SET reserved_nanodollars = reserved_nanodollars + :amount
      WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
        AND spent_nanodollars + reserved_nanodollars <= :ceiling - :amount
      """,
      [
        "budget": .text(account.budget), "scope": .text(account.scope),
        "start": SQLValue(account.windowStart), "amount": SQLValue(amount.nanodollars),
        "ceiling": SQLValue(line.ceiling?.nanodollars ?? Int.max / 2),
      ])
    guard changed == 1 else { throw NoRoom(account: account) }
    try connection.run(
      """
      INSERT INTO hold (request, budget, scope, window_start_ms, nanodollars)
      VALUES (:request, :budget, :scope, :start, :amount)
      """,
      [
        "request": .text(request), "budget": .text(account.budget),
        "scope": .text(account.scope), "start": SQLValue(account.windowStart),
        "amount": SQLValue(amount.nanodollars),
      ])
  }

  package func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) async throws -> [BudgetAlert] {
    try await database.write { connection in
      let holds = try connection.query(
        """
        DELETE FROM hold WHERE request = :request
        RETURNING budget, scope, window_start_ms, nanodollars
        """, ["request": .text(request)], Self.hold)
      var alerts: [BudgetAlert] = []
      for hold in holds {
        let actual = amounts[hold.account] ?? .zero
        try Self.move(hold.amount, to: actual, hold.account, connection)
        guard let line = lines.first(where: { $0.account == hold.account }) else { continue }
        if let alert = try Self.alert(line, connection) { alerts.append(alert) }
      }
      return alerts
    }
  }

  private static func hold(_ row: Row) -> (account: BudgetAccount, amount: Money) {
    (
      BudgetAccount(budget: row.text(0), scope: row.text(1), windowStart: row.instant(2)),
      Money(nanodollars: row.int(3))
    )
  }

  private static func move(
    _ held: Money, to actual: Money, _ account: BudgetAccount, _ connection: Connection
  ) throws {
    try connection.run(
      """
      UPDATE account
      SET reserved_nanodollars = max(0, reserved_nanodollars - :held),
        spent_nanodollars = min(spent_nanodollars, :max - :actual) + :actual
      WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
      """,
      [
        "budget": .text(account.budget), "scope": .text(account.scope),
        "start": SQLValue(account.windowStart), "held": SQLValue(held.nanodollars),
        "actual": SQLValue(actual.nanodollars), "max": .int(Int64.max),
      ])
  }

  /// The highest mark passed since the last one told; each is told once per window.
  private static func alert(_ line: BudgetLine, _ connection: Connection) throws -> BudgetAlert? {
    let row = try connection.query(
      """
      SELECT spent_nanodollars, alerted_percent
      FROM account
      WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
      """, key(line.account)
    ) { (spent: $0.int(0), told: $0.int(1)) }.first
    guard let row, line.limit > .zero else { return nil }
    let percent = Double(row.spent) / Double(line.limit.nanodollars) * 100
    guard let mark = line.alertAt.filter({ Double($0) <= percent && $0 > row.told }).max() else {
      return nil
    }
    let account = line.account
    try connection.run(
      """
      UPDATE account SET alerted_percent = :mark
      WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
      """,
      [
        "budget": .text(account.budget), "scope": .text(account.scope),
        "start": SQLValue(account.windowStart), "mark": SQLValue(mark),
      ])
    return BudgetAlert(
      account: account, percent: mark, spent: Money(nanodollars: row.spent), limit: line.limit)
  }

  package func settleAbandoned() async throws {
    try await database.write { connection in
      let holds = try connection.query(
        "DELETE FROM hold RETURNING budget, scope, window_start_ms, nanodollars", [:], Self.hold)
      for hold in holds { try Self.move(hold.amount, to: hold.amount, hold.account, connection) }
    }
  }

  package func balances(since: Instant) async throws -> [BudgetBalance] {
    try await database.read { connection in
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

  package func close() async { await database.close() }
}
