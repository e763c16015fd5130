import DocumentKit
package import RolloutCore

extension Store: OutboxStore {
  /// Queues a message for everyone who wants it, due at once; part of the caller's transaction.
  static func enqueue(
    event: Int? = nil, notice: Int? = nil, kind: String,
    _ subscriptions: [Subscription], _ connection: Connection
  ) throws {
    for subscription in subscriptions where subscription.wants(kind) {
      try connection.run(
        """
        INSERT INTO outbox (target, event_id, notice_id, next_attempt_at_ms, is_urgent)
        VALUES (:receiver, :event, :notice, 0, :urgent)
        """,
        [
          "receiver": .text(subscription.receiver), "event": SQLValue(event),
          "notice": SQLValue(notice),
          "urgent": SQLValue(event != nil && Message.urgentKinds.contains(kind) ? 1 : 0),
        ])
    }
  }

  package func append(_ notice: Notice) async throws -> StoredNotice {
    let (subscriptions, committed) = (subscriptions, committed)
    let tell: @Sendable (StoredNotice) -> Void = { committed(.notice($0)) }
    return try await database.write(committed: tell) { connection in
      let last = try connection.query("SELECT coalesce(max(id), 0) FROM plan_event") { $0.int(0) }
      try connection.run(
        """
        INSERT INTO notice (
          after_event_id, feature, plan_version, at_ms, type, sentence, evidence_json
        ) VALUES (:after, :feature, :version, :at, :type, :sentence, :evidence)
        """,
        [
          "after": SQLValue(last.first), "feature": .text(notice.feature),
          "version": SQLValue(notice.planVersion), "at": SQLValue(notice.at),
          "type": .text(notice.kind.rawValue), "sentence": .text(notice.sentence),
          "evidence": SQLValue(notice.evidence?.jsonText),
        ])
      let id = connection.lastInsertedID
      try Self.enqueue(
        notice: id, kind: notice.kind.rawValue, subscriptions, connection)
      try connection.run(
        "DELETE FROM notice WHERE id <= :id", ["id": SQLValue(id - Retention.noticesMax)])
      return StoredNotice(id: id, afterEvent: last.first ?? 0, notice: notice)
    }
  }

  private static let selectNotices = """
    SELECT id, after_event_id, feature, plan_version, at_ms, type, sentence, evidence_json
    FROM notice
    """

  static func notice(_ row: Row) throws -> StoredNotice {
    guard let kind = Notice.Kind(rawValue: row.text(5)) else {
      throw StoreError.corrupt("notice \(row.int(0)) is of an unknown type")
    }
    return StoredNotice(
      id: row.int(0), afterEvent: row.int(1),
      notice: Notice(
        feature: row.text(2), planVersion: row.int(3), at: row.instant(4), kind: kind,
        sentence: row.text(6), evidence: row.document(7)))
  }

  private static let waiting = "delivered_at_ms IS NULL AND given_up_at_ms IS NULL"

  package func lanes(now: Instant) async throws -> [DeliveryLane] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT DISTINCT target, is_urgent
        FROM outbox
        WHERE \(Self.waiting) AND next_attempt_at_ms <= :now
        ORDER BY is_urgent DESC, target
        """, ["now": SQLValue(now)]
      ) { DeliveryLane(receiver: $0.text(0), isUrgent: $0.int(1) == 1) }
    }
  }

  package func due(
    _ lane: DeliveryLane, now: Instant, limit: Int
  ) async throws -> [Delivery] {
    try await database.read { connection in
      let rows = try connection.query(
        """
        SELECT id, event_id, notice_id, attempts
        FROM outbox
        WHERE target = :receiver AND is_urgent = :urgent AND \(Self.waiting)
          AND next_attempt_at_ms <= :now
        ORDER BY id \(lane.isUrgent ? "DESC" : "ASC")
        LIMIT :limit
        """,
        [
          "receiver": .text(lane.receiver), "urgent": SQLValue(lane.isUrgent ? 1 : 0),
          "now": SQLValue(now), "limit": SQLValue(limit),
        ]
      ) { row in
        (
          id: row.int(0), event: row.optionalInt(1), notice: row.optionalInt(2),
          attempts: row.int(3)
        )
      }
      return try rows.compactMap { row in
        let message = try Self.message(event: row.event, notice: row.notice, connection)
        return message.map {
          Delivery(id: row.id, receiver: lane.receiver, message: $0, attempts: row.attempts)
        }
      }
    }
  }

  package func hasten(_ receiver: String, at now: Instant) async throws {
    _ = try await database.write { connection in
      try connection.run(
        """
        UPDATE outbox
        SET next_attempt_at_ms = :now
        WHERE target = :receiver AND \(Self.waiting) AND next_attempt_at_ms > :now
        """, ["receiver": .text(receiver), "now": SQLValue(now)])
    }
  }

  package func trim(waitingMax: Int, at now: Instant) async throws -> Int {
    try await database.write { connection in
      try connection.run(
        "DELETE FROM outbox WHERE delivered_at_ms < :delivered OR given_up_at_ms < :given_up",
        [
          "delivered": .int(now.milliseconds.subtracting(Retention.delivered.milliseconds)),
          "given_up": .int(now.milliseconds.subtracting(Retention.givenUp.milliseconds)),
        ])
      return try connection.run(
        """
        UPDATE outbox
        SET given_up_at_ms = :now, last_error = 'too many were waiting'
        WHERE id IN (
          SELECT id FROM (
            SELECT id,
              row_number() OVER (PARTITION BY target ORDER BY is_urgent DESC, id DESC) AS place
            FROM outbox
            WHERE \(Self.waiting)
          )
          WHERE place > :max
        )
        """, ["now": SQLValue(now), "max": SQLValue(waitingMax)])
    }
  }

  private static func message(
    event: Int?, notice: Int?, _ connection: Connection
  ) throws -> Message? {
    if let event {
      let found = try connection.query(
        "\(selectEvents) WHERE id = :id", ["id": SQLValue(event)], Self.event)
      return found.first.map { .event($0) }
    }
    let found = try connection.query(
      "\(selectNotices) WHERE id = :id", ["id": SQLValue(notice)], Self.notice)
    return found.first.map { .notice($0) }
  }

  package func delivered(_ id: Int, at now: Instant) async throws {
    _ = try await database.write { connection in
      try connection.run(
        """
        UPDATE outbox
        SET delivered_at_ms = :now, attempts = attempts + 1, last_error = NULL
        WHERE id = :id
        """, ["id": SQLValue(id), "now": SQLValue(now)])
    }
  }

  package func failed(
    _ id: Int, error: String, retryAt: Instant?, at now: Instant
  ) async throws {
    try await database.write { connection in
      _ = try connection.run(
        """
        UPDATE outbox
        SET attempts = attempts + 1,
          last_error = :error,
          next_attempt_at_ms = coalesce(:retry, next_attempt_at_ms),
          given_up_at_ms = CASE WHEN :retry IS NULL THEN :now END
        WHERE id = :id
        """,
        [
          "id": SQLValue(id), "error": .text(error.clipped(toBytes: 500)),
          "retry": SQLValue(retryAt), "now": SQLValue(now),
        ])
    }
  }

  package func backlog() async throws -> (waiting: Int, givenUp: Int) {
    try await database.read { connection in
      let counts = try connection.query(
        """
        SELECT count(*) FILTER (WHERE given_up_at_ms IS NULL),
          count(*) FILTER (WHERE given_up_at_ms IS NOT NULL)
        FROM outbox
        WHERE delivered_at_ms IS NULL
        """
      ) { ($0.int(0), $0.int(1)) }
      return counts.first ?? (0, 0)
    }
  }
}
