import DocumentKit
package import RolloutCore

extension TelemetryDatabase: AnswerStore {
  /// Expired answers removed at once; the rest waits for the next time.
  private static let expiredMax = 500

  /// Keeps answers, all or none; beyond so many bytes the oldest go.
  package func keep(_ answers: [KeptAnswer], sizeMax: Int) async throws {
    try await database.write { connection in
      for answer in answers { try Self.keep(answer, connection) }
      try Self.shrink(to: sizeMax, connection)
    }
  }

  private static func keep(_ answer: KeptAnswer, _ connection: Connection) throws {
    try connection.run(
      """
      INSERT INTO cached_answer (
        key, feature, text, model, provider, stored_at_ms, fresh_until_ms, stale_until_ms,
        size_bytes
      ) VALUES (:key, :feature, :text, :model, :provider, :stored, :fresh, :stale, :size)
      ON CONFLICT (key) DO UPDATE SET
        text = excluded.text,
        model = excluded.model,
        provider = excluded.provider,
        stored_at_ms = excluded.stored_at_ms,
        fresh_until_ms = excluded.fresh_until_ms,
        stale_until_ms = excluded.stale_until_ms,
        size_bytes = excluded.size_bytes
      """,
      [
        "key": .blob(answer.key), "feature": .text(answer.feature), "text": .text(answer.text),
        "model": .text(answer.model), "provider": .text(answer.provider),
        "stored": SQLValue(answer.storedAt), "fresh": SQLValue(answer.freshUntil),
        "stale": SQLValue(answer.staleUntil), "size": SQLValue(answer.text.utf8.count),
      ])
  }

  /// Removes the oldest until the rest fits. O(what goes).
  private static func shrink(to sizeMax: Int, _ connection: Connection) throws {
    var size = try connection.query("SELECT bytes FROM cached_size") { $0.int(0) }.first ?? 0
    while size > sizeMax {
      let oldest = try connection.query(
        "SELECT key, size_bytes FROM cached_answer ORDER BY stored_at_ms LIMIT 50"
      ) { (key: $0.blob(0), size: $0.int(1)) }
      guard !oldest.isEmpty else { return }
      for answer in oldest where size > sizeMax {
        try connection.run("DELETE FROM cached_answer WHERE key = :key", ["key": .blob(answer.key)])
        size = size.adding(-max(0, answer.size))
      }
    }
  }

  /// Removes a bounded number of those that nobody may be given any more.
  package func deleteExpiredAnswers(now: Instant) async throws {
    _ = try await database.write { connection in
      try connection.run(
        """
        DELETE FROM cached_answer
        WHERE key IN (
          SELECT key
          FROM cached_answer
          WHERE max(fresh_until_ms, stale_until_ms) <= :now
          LIMIT \(Self.expiredMax)
        )
        """, ["now": SQLValue(now)])
    }
  }

  /// What may still be served, newest first, up to so many bytes.
  package func loadAnswers(now: Instant, sizeMax: Int) async throws -> [KeptAnswer] {
    let all = try await database.read { connection in
      try connection.query(
        """
        SELECT key, feature, text, model, provider, stored_at_ms, fresh_until_ms, stale_until_ms
        FROM cached_answer
        WHERE max(fresh_until_ms, stale_until_ms) > :now
        ORDER BY stored_at_ms DESC
        """, ["now": SQLValue(now)]
      ) { row in
        KeptAnswer(
          key: row.blob(0), feature: row.text(1), text: row.text(2), model: row.text(3),
          provider: row.text(4), storedAt: row.instant(5), freshUntil: row.instant(6),
          staleUntil: row.instant(7))
      }
    }
    var size = 0
    return all.filter { answer in
      size = size.adding(answer.text.utf8.count)
      return size <= sizeMax
    }
  }
}
