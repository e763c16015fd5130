import RolloutCore

/// The rows of the accounts.
extension BudgetDatabase {
  struct AccountRow: Sendable {
    var account: BudgetAccount
    var id: Int
    var entry: BudgetBook.Entry
  }

  /// The row of an account; a new one where there is none.
  static func row(
    _ account: BudgetAccount, _ connection: Connection
  ) throws -> AccountRow {
    try connection.run(
      """
      INSERT INTO account (budget, scope, window_start_ms) VALUES (:budget, :scope, :start)
      ON CONFLICT DO NOTHING
      """, key(account))
    guard let row = try find(account, connection) else {
      throw StoreError.unavailable("an account has no row")
    }
    return row
  }

  /// The row of an account; nil where there is none.
  static func find(
    _ account: BudgetAccount, _ connection: Connection
  ) throws -> AccountRow? {
    try connection.query(
      """
      SELECT id, spent_nanodollars, alerted_percent
      FROM account
      WHERE budget = :budget AND scope = :scope AND window_start_ms = :start
      """, key(account)
    ) { row in
      AccountRow(
        account: account, id: row.int(0),
        entry: BudgetBook.Entry(spent: Money(nanodollars: row.int(1)), alerted: row.int(2)))
    }.first
  }

  private static func key(_ account: BudgetAccount) -> KeyValuePairs<String, SQLValue> {
    [
      "budget": .text(account.budget), "scope": .text(account.scope),
      "start": SQLValue(account.windowStart),
    ]
  }

  /// Throws `StoreError.corrupt` for a number that cannot be counted on from.
  static func lastFlush(_ connection: Connection) throws -> Int {
    let number = try connection.query("SELECT number FROM flush") { $0.int(0) }.first ?? 0
    guard DirectoryMark.isCount(number) else {
      throw StoreError.corrupt("it says that it was written to \(number) times")
    }
    return number
  }

  static func note(flush number: Int, _ connection: Connection) throws {
    try connection.run("UPDATE flush SET number = :number", ["number": SQLValue(number)])
  }

  /// Sums stop at the largest amount.
  static func add(
    _ change: Change, to account: Int, _ connection: Connection
  ) throws {
    try connection.run(
      """
      UPDATE account
      SET spent_nanodollars = min(spent_nanodollars, :max - :spent) + :spent,
        alerted_percent = max(alerted_percent, :alerted)
      WHERE id = :id
      """,
      [
        "id": SQLValue(account), "spent": SQLValue(change.spent.nanodollars),
        "alerted": SQLValue(change.alerted), "max": .int(Int64.max),
      ])
  }
}
