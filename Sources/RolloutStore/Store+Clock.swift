package import RolloutCore

extension Store: ClockStore {
  package func loadClock() async throws -> ClockCheckpoint? {
    try await database.read { connection in
      try connection.query(
        """
        SELECT steady_ms, wall_ms, uptime_ms, boot, latest_ms, stepped_at_ms, stepped_by_ms
        FROM clock
        """
      ) { row in
        ClockCheckpoint(
          steady: row.instant(0),
          reading: ClockReading(
            wall: row.instant(1), uptime: Int64(row.int(2)), boot: row.text(3)),
          lastStep: row.optionalInstant(5).map {
            ClockStep(at: $0, milliseconds: Int64(row.int(6)))
          }, latest: row.instant(4))
      }.first?.believable
    }
  }

  package func keep(_ checkpoint: ClockCheckpoint) async throws {
    let step = checkpoint.lastStep
    try await database.write { connection in
      _ = try connection.run(
        """
        INSERT INTO clock (
          id, steady_ms, wall_ms, uptime_ms, boot, latest_ms, stepped_at_ms, stepped_by_ms
        ) VALUES (1, :steady, :wall, :uptime, :boot, :latest, :stepped_at, :stepped_by)
        ON CONFLICT (id) DO UPDATE SET
          steady_ms = excluded.steady_ms,
          wall_ms = excluded.wall_ms,
          uptime_ms = excluded.uptime_ms,
          boot = excluded.boot,
          latest_ms = CASE WHEN latest_ms > :last THEN excluded.latest_ms
            ELSE max(latest_ms, excluded.latest_ms) END,
          stepped_at_ms = excluded.stepped_at_ms,
          stepped_by_ms = excluded.stepped_by_ms
        """,
        [
          "steady": SQLValue(checkpoint.steady), "wall": SQLValue(checkpoint.reading.wall),
          "uptime": .int(checkpoint.reading.uptime), "boot": .text(checkpoint.reading.boot),
          "latest": SQLValue(checkpoint.latest), "last": SQLValue(ClockCheckpoint.lastPlace),
          "stepped_at": SQLValue(step?.at),
          "stepped_by": .int(step?.milliseconds ?? 0),
        ])
    }
  }

  /// Something is written that refers to this place of the steady timeline: after a crash of the
  /// machine the timeline must not begin before it.
  static func note(latest: Instant, _ connection: Connection) throws {
    try connection.run(
      "UPDATE clock SET latest_ms = :at WHERE latest_ms < :at", ["at": SQLValue(latest)])
  }
}
