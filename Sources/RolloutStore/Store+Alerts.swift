import DocumentKit
package import RolloutCore

extension Store: AlertStore {
  /// Keys looked up one by one; of more, all that is known of the feature is read.
  private static let lookupsMax = 100

  package func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State] {
    try await database.read { connection in
      var found: [String: AlertRecord.State] = [:]
      func note(_ row: Row) {
        guard let state = AlertRecord.State(rawValue: row.text(1)), keys.contains(row.text(0))
        else { return }
        if found[row.text(0)] != .acted { found[row.text(0)] = state }
      }
      let select = """
        SELECT dedupe_key, state FROM alert
        WHERE feature = :feature AND action = :action
          AND (state = 'acted' OR (state = 'resolved' AND sender = :sender))
        """
      guard keys.count <= Self.lookupsMax else {
        _ = try connection.query(
          select,
          ["feature": .text(feature), "action": .text(action.rawValue), "sender": .text(sender)],
          note)
        return found
      }
      for key in keys {
        _ = try connection.query(
          "\(select) AND dedupe_key = :key",
          [
            "feature": .text(feature), "action": .text(action.rawValue),
            "sender": .text(sender), "key": .text(key),
          ], note)
      }
      return found
    }
  }

  package func keep(_ records: [AlertRecord]) async throws {
    try await database.write { connection in
      for record in records { try Self.keep(record, connection) }
      for sender in Set(records.map(\.sender)) {
        try Self.trim("inert", sender, Retention.inertAlertsMax, connection)
        try Self.trim("resolved", sender, Retention.resolvedAlertsMax, connection)
      }
      try connection.run(
        """
        DELETE FROM alert
        WHERE state = 'acted' AND id <= (SELECT coalesce(max(id), 0) FROM alert) - :max
        """, ["max": SQLValue(Retention.actedAlertsMax)])
    }
  }

  private static func keep(_ record: AlertRecord, _ connection: Connection) throws {
    let alert = record.alert
    let target =
      switch record.state {
      case .acted: "(feature, action, dedupe_key) WHERE state = 'acted'"
      case .resolved: "(feature, action, dedupe_key, sender) WHERE state = 'resolved'"
      case .inert: "(sender, fold) WHERE state = 'inert'"
      }
    try connection.run(
      """
      INSERT INTO alert (
        state, dedupe_key, sender, fold, name, feature, action, reason, why, starts_at_ms,
        received_at_ms, last_received_at_ms, received_count
      ) VALUES (
        :state, :key, :sender, :fold, :name, :feature, :action, :reason, :why, :starts, :received,
        :received, :count
      )
      ON CONFLICT \(target) DO UPDATE SET
        dedupe_key = excluded.dedupe_key,
        feature = excluded.feature,
        action = excluded.action,
        name = excluded.name,
        reason = excluded.reason,
        starts_at_ms = excluded.starts_at_ms,
        last_received_at_ms = excluded.last_received_at_ms,
        received_count = min(received_count + excluded.received_count, 1000000000)
      """,
      [
        "state": .text(record.state.rawValue), "key": .text(alert.dedupeKey),
        "sender": .text(record.sender), "fold": .text(record.fold), "name": .text(alert.name),
        "feature": .text(alert.feature), "action": .text(alert.action.rawValue),
        "reason": .text(alert.reason), "why": SQLValue(record.why),
        "starts": SQLValue(alert.startsAt), "received": SQLValue(alert.receivedAt),
        "count": SQLValue(record.count),
      ])
  }

  private static func trim(
    _ state: String, _ sender: String, _ max: Int, _ connection: Connection
  ) throws {
    try connection.run(
      """
      DELETE FROM alert
      WHERE sender = :sender AND state = :state AND id <= (
        SELECT id FROM alert
        WHERE sender = :sender AND state = :state
        ORDER BY id DESC
        LIMIT 1 OFFSET :max
      )
      """, ["sender": .text(sender), "state": .text(state), "max": SQLValue(max)])
  }

  package func alerts(
    before: Int?, limit: Int, features: Set<String>?
  ) async throws -> [AlertRecord] {
    let names = features.map { Document.array($0.sorted().map { .string($0) }).jsonText }
    return try await database.read { connection in
      try connection.query(
        """
        SELECT id, state, dedupe_key, sender, name, feature, action, reason, why, starts_at_ms,
          received_at_ms, last_received_at_ms, received_count
        FROM alert
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

  private static func alert(_ row: Row) throws -> AlertRecord {
    guard let state = AlertRecord.State(rawValue: row.text(1)),
      let action = Alert.Action(rawValue: row.text(6))
    else { throw StoreError.corrupt("alert \(row.int(0)) has an unknown state or action") }
    let alert = Alert(
      dedupeKey: row.text(2), name: row.text(4), feature: row.text(5), action: action,
      reason: row.text(7), startsAt: row.instant(9), receivedAt: row.instant(10))
    var record = AlertRecord(
      state, alert, sender: row.text(3), count: row.int(12))
    record.why = row.optionalText(8)
    record.id = row.int(0)
    record.lastReceivedAt = row.instant(11)
    return record
  }
}
