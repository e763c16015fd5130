import DocumentKit
package import RolloutCore

extension Store: AuditStore {
  package func keep(_ records: [AuditRecord]) async throws {
    try await database.write { connection in
      for record in records { try Self.keep(record, connection) }
    }
  }

  /// In the transaction of the change that it is about.
  static func keep(_ record: AuditRecord, _ connection: Connection) throws {
    let fold = record.fold
    if let fold {
      let changed = try connection.run(
        """
        UPDATE audit
        SET last_at_ms = max(last_at_ms, :last),
          users = min(users + :users, 1000000000000),
          repeat_count = min(repeat_count + :count, 1000000000000)
        WHERE fold = :fold
        """,
        [
          "last": SQLValue(record.lastAt), "users": SQLValue(record.users),
          "count": SQLValue(record.count), "fold": .text(fold),
        ])
      guard changed == 0 else { return }
    }
    try connection.run(
      """
      INSERT INTO audit (
        type, at_ms, last_at_ms, actor, target, reason, users, details_json, repeat_count, fold
      ) VALUES (
        :type, :at, :last, :actor, :target, :reason, :users, :details, :count, :fold
      )
      """,
      [
        "type": .text(record.type), "at": SQLValue(record.at), "last": SQLValue(record.lastAt),
        "actor": .text(record.actor.text), "target": .text(record.target),
        "reason": .text(record.reason), "users": SQLValue(record.users),
        "details": SQLValue(record.details?.jsonText), "count": SQLValue(record.count),
        "fold": SQLValue(fold),
      ])
    try trim(record, connection)
  }

  /// What one actor does often pushes out no more than what it did of the same.
  private static func trim(_ record: AuditRecord, _ connection: Connection) throws {
    try connection.run(
      """
      DELETE FROM audit
      WHERE actor = :actor AND type = :type AND id <= (
        SELECT id FROM audit
        WHERE actor = :actor AND type = :type
        ORDER BY id DESC
        LIMIT 1 OFFSET :max
      )
      """,
      [
        "actor": .text(record.actor.text), "type": .text(record.type),
        "max": SQLValue(Retention.auditPerActorMax),
      ])
    try connection.run(
      "DELETE FROM audit WHERE id <= (SELECT coalesce(max(id), 0) FROM audit) - :max",
      ["max": SQLValue(Retention.auditMax)])
  }

  package func audit(_ query: AuditQuery) async throws -> [AuditRecord] {
    try await database.readAside { connection in
      try connection.query(
        """
        SELECT id, type, at_ms, last_at_ms, actor, target, reason, users, details_json,
          repeat_count
        FROM audit
        WHERE id < :before
          AND (:since IS NULL OR last_at_ms >= :since)
          AND (:type IS NULL OR type = :type)
          AND (:actor IS NULL OR actor = :actor)
        ORDER BY id DESC
        LIMIT :limit
        """,
        [
          "before": SQLValue(query.before ?? Int.max), "since": SQLValue(query.since),
          "type": SQLValue(query.type), "actor": SQLValue(query.actor),
          "limit": SQLValue(query.limit),
        ]
      ) { row in
        AuditRecord(
          id: row.int(0), type: row.text(1), at: row.instant(2), lastAt: row.instant(3),
          actor: Actor(text: row.text(4)), target: row.text(5), reason: row.text(6),
          users: row.int(7), details: row.document(8), count: row.int(9))
      }
    }
  }

  package func forgetAudit(before: Instant) async throws {
    try await database.write { connection in
      _ = try connection.run(
        "DELETE FROM audit WHERE last_at_ms < :before", ["before": SQLValue(before)])
    }
  }
}
