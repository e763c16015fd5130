import DocumentKit
package import RolloutCore

extension Store: EventHistory {
  /// Rows of each table that one page looks at.
  private static let scanMax = 128

  package func newestPlace() async throws -> MessagePlace {
    try await database.read { connection in
      let event = try connection.query("SELECT coalesce(max(id), 0) FROM plan_event") { $0.int(0) }
      let notice = try connection.query(
        """
        SELECT coalesce(max(id), 0)
        FROM notice
        WHERE after_event_id = (SELECT coalesce(max(id), 0) FROM plan_event)
        """
      ) { $0.int(0) }
      return MessagePlace(event: event.first ?? 0, notice: notice.first ?? 0)
    }
  }

  package func oldestPlace() async throws -> MessagePlace {
    try await database.readAside { connection in
      let first = try connection.query(
        "SELECT id, after_event_id FROM notice ORDER BY id LIMIT 1"
      ) { MessagePlace(event: $0.int(1), notice: $0.int(0)) }
      // The very first notice has nothing before it that could be missing.
      guard let first = first.first, first.notice > 1 else { return .beginning }
      return first.predecessor
    }
  }

  package func page(
    after place: MessagePlace, features: Set<String>?
  ) async throws -> HistoryPage {
    let wanted = features.map { SQLValue.text(Self.list($0)) } ?? .null
    return try await database.readAside { connection in
      let events = try Self.events(after: place, wanted, connection)
      let notices = try Self.notices(after: place, wanted, connection)
      // Beyond the shorter of two runs that were cut off, the other is not complete.
      let cuts = [events, notices].filter { $0.count == Self.scanMax }.compactMap { $0.last?.place }
      let end =
        cuts.min() ?? [events.last?.place, notices.last?.place, place].compactMap(\.self)
        .max() ?? place
      let messages = (events + notices).filter { $0.place <= end }.sorted { $0.place < $1.place }
        .compactMap { $0.message }
      return HistoryPage(messages: messages, end: end, isLast: cuts.isEmpty)
    }
  }

  /// A row that was looked at; its message is nil when it is of another feature.
  private struct Seen {
    var place: MessagePlace
    var message: Message?
  }

  private static func events(
    after place: MessagePlace, _ wanted: SQLValue, _ connection: Connection
  ) throws -> [Seen] {
    try connection.query(
      """
      SELECT id, feature, version, at_ms, type, actor, reason, from_stage, from_status, to_stage,
        to_status, evidence_json,
        :wanted IS NULL OR feature IN (SELECT value FROM json_each(:wanted))
      FROM plan_event
      WHERE id > :event
      ORDER BY id
      LIMIT :limit
      """,
      ["event": SQLValue(place.event), "wanted": wanted, "limit": SQLValue(scanMax)]
    ) { row in
      var seen = Seen(place: MessagePlace(event: row.int(0)))
      if row.int(12) == 1 { seen.message = .event(try event(row)) }
      return seen
    }
  }

  private static func notices(
    after place: MessagePlace, _ wanted: SQLValue, _ connection: Connection
  ) throws -> [Seen] {
    try connection.query(
      """
      SELECT id, after_event_id, feature, plan_version, at_ms, type, sentence, evidence_json,
        :wanted IS NULL OR feature IN (SELECT value FROM json_each(:wanted))
      FROM notice
      WHERE (after_event_id, id) > (:event, :notice)
      ORDER BY after_event_id, id
      LIMIT :limit
      """,
      [
        "event": SQLValue(place.event), "notice": SQLValue(place.notice), "wanted": wanted,
        "limit": SQLValue(scanMax),
      ]
    ) { row in
      var seen = Seen(place: MessagePlace(event: row.int(1), notice: row.int(0)))
      if row.int(8) == 1 { seen.message = .notice(try notice(row)) }
      return seen
    }
  }

  /// Feature keys are letters, digits, dots, dashes and underscores; tokens may name others.
  private static func list(_ features: Set<String>) -> String {
    Document.array(features.sorted().map { .string($0) }).jsonText
  }
}
