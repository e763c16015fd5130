import DocumentKit
package import RolloutCore

/// The telemetry database, `<data>/telemetry.db`: what guards measured, and the outcomes. A file of
/// its own with
/// `synchronous=NORMAL`, so that measuring never delays a plan change; a power loss costs the last
/// moments of evidence, which means delay and never a false alarm.
package final class TelemetryDatabase: TelemetryStore {
  let database: Database

  package init(_ directory: DataDirectory, now: Instant) throws {
    database = try Database(
      directory, DataDirectory.telemetryFile, durability: .normal, erasesDeleted: true,
      migrations: Migration.telemetry, now: now)
  }

  /// Why nothing can be written now, in words; nil when all is well.
  package var trouble: String? { database.trouble }

  /// Writes what changes nothing: whether writing works again. Throws `StoreError`.
  package func probe() async throws { try await database.probe() }

  package func save(_ changes: TelemetryChanges) async throws {
    guard !changes.isEmpty else { return }
    try await database.write { connection in
      for state in changes.states {
        try connection.run(
          """
          INSERT INTO feature_state (feature, state) VALUES (:feature, :state)
          ON CONFLICT (feature) DO UPDATE SET state = excluded.state
          """, ["feature": .text(state.feature), "state": .blob(state.state)])
      }
      for chunk in changes.chunks { try Self.append(chunk, connection) }
      for seen in changes.ids { try Self.append(seen, connection) }
      for series in changes.series { try Self.append(series, connection) }
    }
  }

  /// Outcomes in one row; a feature's last row is filled up first, so that little traffic does not
  /// make many rows.
  private static let rowMax = 2048

  private static func append(_ chunk: OutcomeChunk, _ connection: Connection) throws {
    let last = try connection.query(
      """
      SELECT id, outcome_count, outcomes
      FROM outcome_chunk
      WHERE feature = :feature
      ORDER BY id DESC
      LIMIT 1
      """, ["feature": .text(chunk.feature)]
    ) { (id: $0.int(0), count: $0.int(1), outcomes: $0.blob(2)) }.first
    if let last, last.count.adding(chunk.count) <= rowMax {
      try connection.run(
        "UPDATE outcome_chunk SET outcome_count = :count, outcomes = :outcomes WHERE id = :id",
        [
          "id": SQLValue(last.id), "count": SQLValue(last.count + chunk.count),
          "outcomes": .blob(last.outcomes + chunk.bytes),
        ])
      return
    }
    try connection.run(
      """
      INSERT INTO outcome_chunk (feature, outcome_count, at_ms, outcomes)
      VALUES (:feature, :count, :at, :outcomes)
      """,
      [
        "feature": .text(chunk.feature), "count": SQLValue(chunk.count), "at": SQLValue(chunk.at),
        "outcomes": .blob(chunk.bytes),
      ])
    // Keeps the newest chunks that together hold the limit.
    try connection.run(
      """
      DELETE FROM outcome_chunk
      WHERE feature = :feature AND id <= (
        SELECT id FROM (
          SELECT id, total(outcome_count) OVER (ORDER BY id DESC) AS newer
          FROM outcome_chunk
          WHERE feature = :feature
        )
        WHERE newer > :max
        ORDER BY id DESC
        LIMIT 1
      )
      """, ["feature": .text(chunk.feature), "max": SQLValue(Retention.outcomesMax)])
  }

  package func loadStates() async throws -> [FeatureState] {
    try await database.read { connection in
      try connection.query("SELECT feature, state FROM feature_state") { row in
        FeatureState(feature: row.text(0), state: row.blob(1))
      }
    }
  }

  /// The packed outcomes of a feature, oldest first.
  package func outcomes(_ feature: String) async throws -> [[UInt8]] {
    try await database.read { connection in
      try connection.query(
        "SELECT outcomes FROM outcome_chunk WHERE feature = :feature ORDER BY id",
        ["feature": .text(feature)]
      ) { $0.blob(0) }
    }
  }

  package func close() async { await database.close() }
}
