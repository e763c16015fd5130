import DocumentKit
package import RolloutCore

extension TelemetryDatabase {
  // MARK: Writing

  static func append(_ series: FeatureSeries, _ connection: Connection) throws {
    for (key, cell) in series.changes.cells { try add(cell, key, series.feature, connection) }
    for (key, count) in series.changes.failures {
      try add(count, key, series.feature, connection)
    }
    guard !series.changes.recent.isEmpty else { return }
    for failure in series.changes.recent { try add(failure, series.feature, connection) }
    try connection.run(
      """
      DELETE FROM recent_failure
      WHERE feature = :feature AND id <= (
        SELECT id
        FROM recent_failure
        WHERE feature = :feature
        ORDER BY id DESC
        LIMIT 1 OFFSET :kept
      )
      """, ["feature": .text(series.feature), "kept": SQLValue(SeriesBook.recentMax)])
  }

  /// Adds a cell to what is kept under its key; a kept one that cannot be read is replaced.
  private static func add(
    _ cell: SeriesCell, _ key: SeriesKey, _ feature: String, _ connection: Connection
  ) throws {
    let kept = try connection.query(
      """
      SELECT id, cell
      FROM series
      WHERE feature = :feature AND step_ms = :step AND at_ms = :at AND stage = :stage
        AND version = :version AND arm = :arm
      """,
      [
        "feature": .text(feature), "step": .int(key.step.rawValue), "at": SQLValue(key.at),
        "stage": .text(key.stage), "version": SQLValue(key.version),
        "arm": .text(key.arm.rawValue),
      ]
    ) { (id: $0.int(0), cell: SeriesCell($0.blob(1))) }.first
    if let kept {
      var sum = kept.cell ?? SeriesCell()
      sum.merge(cell)
      try connection.run(
        "UPDATE series SET cell = :cell WHERE id = :id",
        ["id": SQLValue(kept.id), "cell": .blob(sum.bytes)])
      return
    }
    try connection.run(
      """
      INSERT INTO series (feature, step_ms, at_ms, stage, version, arm, cell)
      VALUES (:feature, :step, :at, :stage, :version, :arm, :cell)
      """,
      [
        "feature": .text(feature), "step": .int(key.step.rawValue), "at": SQLValue(key.at),
        "stage": .text(key.stage), "version": SQLValue(key.version),
        "arm": .text(key.arm.rawValue), "cell": .blob(cell.bytes),
      ])
  }

  /// Failures of one kind and time that are counted: exact as a floating-point number too.
  private static let failuresMax = 1 << 52

  private static func add(
    _ count: Int, _ key: FailureKey, _ feature: String, _ connection: Connection
  ) throws {
    try connection.run(
      """
      INSERT INTO failure (feature, step_ms, at_ms, arm, kind, provider, model, failure_count)
      VALUES (:feature, :step, :at, :arm, :kind, :provider, :model, :count)
      ON CONFLICT (feature, step_ms, at_ms, arm, kind, provider, model)
      DO UPDATE SET failure_count = min(failure_count, :most) + excluded.failure_count
      """,
      [
        "feature": .text(feature), "step": .int(key.step.rawValue), "at": SQLValue(key.at),
        "arm": .text(key.arm.rawValue), "kind": .text(key.kind),
        "provider": .text(key.target?.provider ?? ""), "model": .text(key.target?.model ?? ""),
        "count": SQLValue(min(count, failuresMax)), "most": SQLValue(failuresMax),
      ])
  }

  private static func add(
    _ failure: RecentFailure, _ feature: String, _ connection: Connection
  ) throws {
    let note = failure.note
    try connection.run(
      """
      INSERT INTO recent_failure (
        feature, at_ms, arm, request_id, kind, provider, model, status, latency_ms
      ) VALUES (:feature, :at, :arm, :request, :kind, :provider, :model, :status, :latency)
      """,
      [
        "feature": .text(feature), "at": SQLValue(failure.at),
        "arm": .text(failure.arm.rawValue), "request": SQLValue(note.requestID),
        "kind": .text(note.kind), "provider": .text(note.target?.provider ?? ""),
        "model": .text(note.target?.model ?? ""), "status": SQLValue(note.status),
        "latency": SQLValue(failure.latency),
      ])
  }

  // MARK: Growing old

  /// Rows of one step and table that are moved in one go; the rest waits for the next second.
  private static let agedMax = 500

  /// Moves a bounded number of rows that are older than their step is kept for to the next coarser
  /// one, and forgets those of the last.
  package func ageSeries(now: Instant) async throws {
    try await database.write { connection in
      for step in SeriesStep.allCases {
        let limit = Instant(milliseconds: now.milliseconds.subtracting(step.keptFor.milliseconds))
        try Self.ageCells(step, before: step.start(of: limit), connection)
        try Self.ageFailures(step, before: step.start(of: limit), connection)
      }
    }
  }

  private static func ageCells(
    _ step: SeriesStep, before limit: Instant, _ connection: Connection
  ) throws {
    let old = try connection.query(
      """
      SELECT at_ms, stage, version, arm, cell, id, feature
      FROM series
      WHERE step_ms = :step AND at_ms < :limit
      ORDER BY at_ms
      LIMIT :max
      """,
      ["step": .int(step.rawValue), "limit": SQLValue(limit), "max": SQLValue(agedMax)]
    ) { (id: $0.int(5), feature: $0.text(6), row: row($0, step)) }
    for entry in old {
      if let (old, cell) = entry.row, let coarser = step.coarser {
        var key = old
        key.step = coarser
        key.at = coarser.start(of: key.at)
        try add(cell, key, entry.feature, connection)
      }
      try connection.run("DELETE FROM series WHERE id = :id", ["id": SQLValue(entry.id)])
    }
  }

  private static func ageFailures(
    _ step: SeriesStep, before limit: Instant, _ connection: Connection
  ) throws {
    let old = """
      SELECT id
      FROM failure
      WHERE step_ms = :step AND at_ms < :limit
      ORDER BY at_ms, id
      LIMIT :max
      """
    if let coarser = step.coarser {
      // Without a WHERE of its own SQLite takes ON CONFLICT for a join.
      try connection.run(
        """
        INSERT INTO failure (feature, step_ms, at_ms, arm, kind, provider, model, failure_count)
        SELECT feature, :coarser, at_ms - at_ms % :coarser, arm, kind, provider, model,
          CAST(min(total(failure_count), :most) AS INTEGER)
        FROM failure
        WHERE id IN (\(old))
        GROUP BY feature, at_ms - at_ms % :coarser, arm, kind, provider, model
        ON CONFLICT (feature, step_ms, at_ms, arm, kind, provider, model)
        DO UPDATE SET failure_count = min(failure_count, :most) + excluded.failure_count
        """,
        [
          "step": .int(step.rawValue), "coarser": .int(coarser.rawValue),
          "limit": SQLValue(limit), "max": SQLValue(agedMax), "most": SQLValue(failuresMax),
        ])
    }
    try connection.run(
      "DELETE FROM failure WHERE id IN (\(old))",
      ["step": .int(step.rawValue), "limit": SQLValue(limit), "max": SQLValue(agedMax)])
  }

  // MARK: Reading

  /// From the columns `at_ms, stage, version, arm, cell`; nil for what cannot be read.
  private static func row(_ row: Row, _ step: SeriesStep) -> (key: SeriesKey, cell: SeriesCell)? {
    guard let arm = Outcome.Arm(rawValue: row.text(3)), let cell = SeriesCell(row.blob(4)) else {
      return nil
    }
    return (
      SeriesKey(
        step: step, at: row.instant(0), version: row.int(2), stage: row.text(1), arm: arm), cell
    )
  }

  /// What happened from `from` to before `to`, added up by `step`, stage and arm (versions of a
  /// stage together, their number the last). Rows of a coarser step keep their own beginning.
  package func series(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) async throws -> [SeriesKey: SeriesCell] {
    try await database.read { connection in
      var sums: [SeriesKey: SeriesCell] = [:]
      for kept in SeriesStep.allCases {
        let rows = try connection.query(
          """
          SELECT at_ms, stage, version, arm, cell
          FROM series
          WHERE feature = :feature AND step_ms = :step AND at_ms >= :from AND at_ms < :to
          """,
          [
            "feature": .text(feature), "step": .int(kept.rawValue),
            "from": SQLValue(kept.start(of: from)), "to": SQLValue(to),
          ]
        ) { Self.row($0, kept) }
        for case (var key, let cell)? in rows {
          key.step = step
          key.at = step.start(of: key.at)
          key.version = 0
          sums[key, default: SeriesCell()].merge(cell)
        }
      }
      return sums
    }
  }

  /// How often what failed from `from` to before `to`, added up by `step`.
  package func failures(
    _ feature: String, from: Instant, to: Instant, step: SeriesStep
  ) async throws -> [FailureKey: Int] {
    try await database.read { connection in
      var sums: [FailureKey: Int] = [:]
      for kept in SeriesStep.allCases {
        let rows = try connection.query(
          """
          SELECT at_ms, arm, kind, provider, model, failure_count
          FROM failure
          WHERE feature = :feature AND step_ms = :step AND at_ms >= :from AND at_ms < :to
          """,
          [
            "feature": .text(feature), "step": .int(kept.rawValue),
            "from": SQLValue(kept.start(of: from)), "to": SQLValue(to),
          ]
        ) { row in
          let key = FailureKey(
            step: step, at: step.start(of: row.instant(0)),
            arm: Outcome.Arm(rawValue: row.text(1)) ?? .unknown, kind: row.text(2),
            target: Self.target(row.text(3), row.text(4)))
          return (key, row.int(5))
        }
        for (key, count) in rows { sums[key, default: 0] = (sums[key] ?? 0).adding(count) }
      }
      return sums
    }
  }

  private static func target(_ provider: String, _ model: String) -> ProviderModel? {
    provider.isEmpty ? nil : ProviderModel(provider: provider, model: model)
  }

  /// The last failures from `from` to before `to`, newest first, older than `before` (a number of
  /// this list; nil from the newest on).
  package func recentFailures(
    _ feature: String, from: Instant, to: Instant, before: Int?, limit: Int
  ) async throws -> [(id: Int, failure: RecentFailure)] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT id, at_ms, arm, request_id, kind, provider, model, status, latency_ms
        FROM recent_failure
        WHERE feature = :feature AND id < :before AND at_ms >= :from AND at_ms < :to
        ORDER BY id DESC
        LIMIT :limit
        """,
        [
          "feature": .text(feature), "before": SQLValue(before ?? Int.max),
          "from": SQLValue(from), "to": SQLValue(to), "limit": SQLValue(limit),
        ]
      ) { row in
        let note = FailureNote(
          kind: row.text(4), target: Self.target(row.text(5), row.text(6)),
          requestID: row.optionalText(3), status: row.optionalInt(7))
        return (
          row.int(0),
          RecentFailure(
            at: row.instant(1), arm: Outcome.Arm(rawValue: row.text(2)) ?? .unknown, note: note,
            latency: row.optionalInt(8))
        )
      }
    }
  }
}
