package import RolloutCore

extension Store: SessionStore {
  package func loadSessions(now: Instant) async throws -> [SessionRecord] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT hash, token_id, created_at_ms, expires_at_ms
        FROM session
        WHERE expires_at_ms > :now
        """, ["now": SQLValue(now)]
      ) { row in
        SessionRecord(
          hash: row.blob(0), tokenID: row.text(1), createdAt: row.instant(2),
          expiresAt: row.instant(3))
      }
    }
  }

  package func insert(_ session: SessionRecord, noting entry: AuditRecord?) async throws {
    try await database.write { connection in
      try connection.run(
        "DELETE FROM session WHERE expires_at_ms <= :now",
        ["now": SQLValue(session.createdAt)])
      try connection.run(
        """
        INSERT INTO session (hash, token_id, created_at_ms, expires_at_ms)
        VALUES (:hash, :token, :created, :expires)
        """,
        [
          "hash": .blob(session.hash), "token": .text(session.tokenID),
          "created": SQLValue(session.createdAt), "expires": SQLValue(session.expiresAt),
        ])
      if let entry { try Self.keep(entry, connection) }
    }
  }

  package func deleteSessions(
    _ hashes: [[UInt8]], noting entry: AuditRecord?
  ) async throws {
    try await database.write { connection in
      for hash in hashes {
        try connection.run("DELETE FROM session WHERE hash = :hash", ["hash": .blob(hash)])
      }
      if let entry { try Self.keep(entry, connection) }
    }
  }
}
