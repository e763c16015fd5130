package import DocumentKit
package import RolloutCore

extension Store: ActivityStore {
  package func activity(_ query: ActivityQuery) async throws -> [Message] {
    let before = query.before ?? MessagePlace(event: .max, notice: .max)
    let features = query.features.map { names in
      SQLValue.text(Document.array(names.sorted().map { .string($0) }).jsonText)
    }
    let values: KeyValuePairs<String, SQLValue> = [
      "event": SQLValue(before.event), "notice": SQLValue(before.notice),
      "features": features ?? .null, "kind": SQLValue(query.kind),
      "actor": SQLValue(query.actor), "limit": SQLValue(query.limit),
    ]
    return try await database.readAside { connection in
      let events = try Self.activityEvents(values, connection)
      let notices = try Self.activityNotices(values, connection)
      return Array((events + notices).sorted { $1.place < $0.place }.prefix(query.limit))
    }
  }

  private static func activityEvents(
    _ values: KeyValuePairs<String, SQLValue>, _ connection: Connection
  ) throws -> [Message] {
    try connection.query(
      """
      SELECT id, feature, version, at_ms, type, actor, reason, from_stage, from_status, to_stage,
        to_status, evidence_json
      FROM plan_event
      WHERE (id, 0) < (:event, :notice)
        AND (:features IS NULL OR feature IN (SELECT value FROM json_each(:features)))
        AND (:kind IS NULL OR type = :kind) AND (:actor IS NULL OR actor = :actor)
      ORDER BY id DESC
      LIMIT :limit
      """, values
    ) { .event(try event($0)) }
  }

  /// Every notice is the monitor's.
  private static func activityNotices(
    _ values: KeyValuePairs<String, SQLValue>, _ connection: Connection
  ) throws -> [Message] {
    try connection.query(
      """
      SELECT id, after_event_id, feature, plan_version, at_ms, type, sentence, evidence_json
      FROM notice
      WHERE (after_event_id, id) < (:event, :notice)
        AND (:features IS NULL OR feature IN (SELECT value FROM json_each(:features)))
        AND (:kind IS NULL OR type = :kind) AND (:actor IS NULL OR :actor = 'monitor')
      ORDER BY after_event_id DESC, id DESC
      LIMIT :limit
      """, values
    ) { .notice(try notice($0)) }
  }

  package func definition(feature: String, version: Int) async throws -> Document? {
    try await database.readAside { connection in
      let found = try connection.query(
        "SELECT body_json FROM plan_version WHERE feature = :feature AND version = :version",
        ["feature": .text(feature), "version": SQLValue(version)]
      ) { Array($0.text(0).utf8) }
      guard let body = found.first else { return nil }
      let plan = try? Plan(JSONReader.read(body, depthMax: JSONReader.storedDepthMax))
      return plan?.definition.document
    }
  }
}
