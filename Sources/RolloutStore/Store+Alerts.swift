import DocumentKit
package import RolloutCore

extension Store: AlertStore {
  package func record(
    _ alert: Alert
  ) async throws -> (stored: StoredAlert, isRepeat: Bool) {
    try await database.write { connection in
      let changed = try connection.run(
        """
        INSERT INTO alert (
          dedupe_key, name, feature, action, reason, starts_at_ms, received_at_ms
        ) VALUES (:key, :name, :feature, :action, :reason, :starts, :received)
        ON CONFLICT DO NOTHING
        """,
        [
          "key": .text(alert.dedupeKey), "name": .text(alert.name),
          "feature": .text(alert.feature), "action": .text(alert.action.rawValue),
          "reason": .text(alert.reason), "starts": SQLValue(alert.startsAt),
          "received": SQLValue(alert.receivedAt),
        ])
      let stored = try connection.query(
        "\(Self.selectAlerts) WHERE dedupe_key = :key", ["key": .text(alert.dedupeKey)],
        Self.alert)
      guard let stored = stored.first else { throw StoreError.notFound("The alert") }
      return (stored, changed == 0)
    }
  }

  package func judge(id: Int, acted: Bool, why: String?) async throws {
    try await database.write { connection in
      _ = try connection.run(
        "UPDATE alert SET acted = :acted, why = :why WHERE id = :id",
        ["id": SQLValue(id), "acted": .int(acted ? 1 : 0), "why": SQLValue(why)])
    }
  }

  package func alerts(
    before: Int?, limit: Int, features: Set<String>?
  ) async throws -> [StoredAlert] {
    let names = features.map { Document.array($0.sorted().map { .string($0) }).jsonText }
    return try await database.read { connection in
      try connection.query(
        """
        \(Self.selectAlerts)
        WHERE id < :before
          AND (:features IS NULL OR feature IN (SELECT value FROM json_each(:features)))
        ORDER BY id DESC
        LIMIT :limit
        """,
        [
          "before": SQLValue(before ?? Int.max), "limit": SQLValue(limit),
          "features": SQLValue(names),
        ], Self.alert)
    }
  }

  private static let selectAlerts = """
    SELECT id, dedupe_key, name, feature, action, reason, starts_at_ms, received_at_ms, acted, why
    FROM alert
    """

  private static func alert(_ row: Row) throws -> StoredAlert {
    guard let action = Alert.Action(rawValue: row.text(4)) else {
      throw StoreError.corrupt("alert \(row.int(0)) has an unknown action")
    }
    return StoredAlert(
      id: row.int(0),
      alert: Alert(
        dedupeKey: row.text(1), name: row.text(2), feature: row.text(3), action: action,
        reason: row.text(5), startsAt: row.instant(6), receivedAt: row.instant(7)),
      acted: row.optionalInt(8).map { $0 == 1 }, why: row.optionalText(9))
  }
}
