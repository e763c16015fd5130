package import RolloutCore

/// Spending that nobody knows any more: hard budgets stay shut until a person says go on.
extension BudgetDatabase: BudgetLossStore {
  /// Why budgets are shut, and which a person has opened again.
  struct Loss: Sendable, Equatable {
    var why: String
    var accepted: Set<String> = []

    func shuts(_ budget: String) -> Bool { !accepted.contains(budget) }
  }

  static func loadLoss(_ connection: Connection) throws -> Loss? {
    let found = try connection.query("SELECT since_ms, why FROM loss") {
      (since: $0.int(0), why: $0.text(1))
    }.first
    guard let found else { return nil }
    let accepted = try connection.query(
      "SELECT budget FROM acceptance WHERE at_ms >= :since AND budget IS NOT NULL",
      ["since": SQLValue(found.since)]
    ) { $0.text(0) }
    return Loss(why: found.why, accepted: Set(accepted))
  }

  static func keep(_ why: String, at now: Instant, _ connection: Connection) throws {
    try connection.run(
      """
      INSERT INTO loss (only_row, since_ms, why) VALUES (1, :now, :why)
      ON CONFLICT (only_row) DO UPDATE SET since_ms = excluded.since_ms, why = excluded.why
      """, ["now": SQLValue(now), "why": .text(why)])
  }

  /// Why hard budgets are shut, and which are open all the same; nil when nothing was lost.
  package var loss: (why: String, accepted: Set<String>)? {
    currentLoss.map { ($0.why, $0.accepted) }
  }

  /// Lets a budget be spent from again, or all of them, counting from what is known now. Returns
  /// once that is on disk. Throws `StoreError`.
  package func accept(
    _ budget: String?, actor: Actor, reason: String, at now: Instant
  ) async throws {
    let left = try await accepting { connection in
      try connection.run(
        """
        INSERT INTO acceptance (budget, at_ms, actor, reason)
        VALUES (:budget, :now, :actor, :reason)
        """,
        [
          "budget": SQLValue(budget), "now": SQLValue(now), "actor": .text(actor.text),
          "reason": .text(reason),
        ])
      if budget == nil { try connection.run("DELETE FROM loss") }
      return try Self.loadLoss(connection)
    }
    currentLoss = left
  }

  /// Who has opened what, newest first.
  package func acceptances() async throws -> [BudgetAcceptance] {
    try await reading { connection in
      try connection.query(
        "SELECT budget, at_ms, actor, reason FROM acceptance ORDER BY id DESC LIMIT 100"
      ) { row in
        BudgetAcceptance(
          budget: row.optionalText(0), at: row.instant(1), actor: Actor(text: row.text(2)),
          reason: row.text(3))
      }
    }
  }
}
