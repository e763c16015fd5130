package import RolloutCore

/// What one guard had measured in one stage.
package struct GuardWindow: Sendable, Equatable {
  package var feature: String
  package var stageEnteredAt: Instant
  /// Among the plan's measured guards.
  package var position: Int
  package var metric: String
  package var state: [UInt8]

  package init(
    feature: String, stageEnteredAt: Instant, position: Int, metric: String, state: [UInt8]
  ) {
    self.feature = feature
    self.stageEnteredAt = stageEnteredAt
    self.position = position
    self.metric = metric
    self.state = state
  }
}

/// The telemetry database, `<data>/telemetry.db`: detector windows. A file of its own with
/// `synchronous=NORMAL`, so that measuring never delays a plan change; a power loss costs the last
/// moments of evidence, which means delay and never a false alarm.
package final class TelemetryStore: Sendable {
  private let database: Database

  private static let schema = [
    Migration(
      number: 1, name: "telemetry-1",
      sql: """
        CREATE TABLE guard_window (
          feature TEXT NOT NULL,
          position INTEGER NOT NULL,
          stage_entered_at_ms INTEGER NOT NULL,
          metric TEXT NOT NULL,
          state BLOB NOT NULL,
          PRIMARY KEY (feature, position)
        ) STRICT, WITHOUT ROWID;
        """)
  ]

  package init(_ directory: DataDirectory, now: Instant) throws {
    database = try Database(
      path: "\(directory.path)/telemetry.db", durability: .normal, migrations: Self.schema,
      now: now)
  }

  package func save(_ windows: [GuardWindow]) async throws {
    guard !windows.isEmpty else { return }
    try await database.write { connection in
      for window in windows {
        try connection.run(
          """
          INSERT INTO guard_window (feature, position, stage_entered_at_ms, metric, state)
          VALUES (:feature, :position, :entered, :metric, :state)
          ON CONFLICT (feature, position) DO UPDATE SET
            stage_entered_at_ms = excluded.stage_entered_at_ms,
            metric = excluded.metric,
            state = excluded.state
          """,
          [
            "feature": .text(window.feature), "position": SQLValue(window.position),
            "entered": SQLValue(window.stageEnteredAt), "metric": .text(window.metric),
            "state": .blob(window.state),
          ])
      }
    }
  }

  package func load() async throws -> [GuardWindow] {
    try await database.read { connection in
      try connection.query(
        "SELECT feature, stage_entered_at_ms, position, metric, state FROM guard_window"
      ) { row in
        GuardWindow(
          feature: row.text(0), stageEnteredAt: row.instant(1), position: row.int(2),
          metric: row.text(3), state: row.blob(4))
      }
    }
  }

  package func close() async { await database.close() }
}
