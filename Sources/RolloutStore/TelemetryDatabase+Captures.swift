package import RolloutCore

extension TelemetryDatabase: CaptureStore {
  package func keep(_ capture: Capture, max: Int) async throws {
    try await database.write { connection in
      try connection.run(
        """
        INSERT INTO captured_exchange (
          request, feature, stage, at_ms, expires_at_ms, provider, model, prompt, answer,
          input_tokens, output_tokens
        ) VALUES (
          :request, :feature, :stage, :at, :expires, :provider, :model, :prompt, :answer, :input,
          :output
        )
        """,
        [
          "request": .text(capture.request), "feature": .text(capture.feature),
          "stage": .text(capture.stage), "at": SQLValue(capture.at),
          "expires": SQLValue(capture.expiresAt), "provider": .text(capture.provider),
          "model": .text(capture.model), "prompt": .text(capture.prompt),
          "answer": .text(capture.answer), "input": SQLValue(capture.inputTokens),
          "output": SQLValue(capture.outputTokens),
        ])
      try connection.run(
        "DELETE FROM captured_exchange WHERE expires_at_ms <= :now", ["now": SQLValue(capture.at)])
      // By number, not by counting: so a capture costs the same however many there are.
      try connection.run(
        "DELETE FROM captured_exchange WHERE id <= :oldest",
        ["oldest": SQLValue(connection.lastInsertedID - max)])
    }
  }

  package func captures(
    _ feature: String, before: Int?, limit: Int, sizeMax: Int, now: Instant
  ) async throws -> [Capture] {
    try await database.read { connection in
      try connection.query(
        """
        WITH page AS (
          SELECT id, LENGTH(prompt) + LENGTH(answer) AS size
          FROM captured_exchange
          WHERE feature = :feature AND id < :before AND expires_at_ms > :now
          ORDER BY id DESC
          LIMIT :limit
        ), summed AS (
          SELECT id, SUM(size) OVER (
            ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING
          ) AS size_before
          FROM page
        )
        SELECT id, request, feature, stage, at_ms, expires_at_ms, provider, model, prompt, answer,
          input_tokens, output_tokens
        FROM captured_exchange JOIN summed USING (id)
        WHERE COALESCE(size_before, 0) < :size
        ORDER BY id DESC
        """,
        [
          "feature": .text(feature), "before": SQLValue(before ?? Int.max),
          "limit": SQLValue(limit), "size": SQLValue(sizeMax), "now": SQLValue(now),
        ]
      ) { row in
        var capture = Capture(
          request: row.text(1), feature: row.text(2), stage: row.text(3), at: row.instant(4),
          expiresAt: row.instant(5), provider: row.text(6), model: row.text(7),
          prompt: row.text(8), answer: row.text(9), inputTokens: row.int(10),
          outputTokens: row.int(11))
        capture.id = row.int(0)
        return capture
      }
    }
  }

  package func deleteCaptures(_ feature: String) async throws {
    _ = try await database.write { connection in
      try connection.run(
        "DELETE FROM captured_exchange WHERE feature = :feature", ["feature": .text(feature)])
    }
  }

  package func deleteExpiredCaptures(now: Instant) async throws {
    _ = try await database.write { connection in
      try connection.run(
        "DELETE FROM captured_exchange WHERE expires_at_ms <= :now", ["now": SQLValue(now)])
    }
  }
}
