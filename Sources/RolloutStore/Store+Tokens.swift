import DocumentKit
package import RolloutCore

extension Store: TokenStore {
  package func loadTokens() async throws -> [TokenRecord] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms,
          revoked_at_ms, last_used_at_ms
        FROM token
        ORDER BY created_at_ms, id
        """
      ) { row in
        let stored = StoredRights(scopes: row.text(3), features: row.optionalText(4))
        var token = TokenRecord(
          id: row.text(0), name: row.text(1), secretHash: row.blob(2), scopes: stored.scopes,
          features: stored.features, createdAt: row.instant(5), expiresAt: row.optionalInstant(6))
        token.revokedAt = row.optionalInstant(7)
        token.lastUsedAt = row.optionalInstant(8)
        return token
      }
    }
  }

  package func insert(_ token: TokenRecord, noting entry: AuditRecord?) async throws {
    try await database.write { connection in
      let rights = StoredRights(scopes: token.scopes, features: token.features)
      // An index cannot know what time it is: an expired token gives its name back here.
      try connection.run(
        """
        UPDATE token SET revoked_at_ms = expires_at_ms
        WHERE name = :name AND revoked_at_ms IS NULL AND expires_at_ms <= :now
        """, ["name": .text(token.name), "now": SQLValue(token.createdAt)])
      let changed = try connection.run(
        """
        INSERT INTO token (
          id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms
        ) VALUES (:id, :name, :hash, :scopes, :features, :created, :expires)
        ON CONFLICT DO NOTHING
        """,
        [
          "id": .text(token.id), "name": .text(token.name), "hash": .blob(token.secretHash),
          "scopes": .text(rights.scopesText), "features": SQLValue(rights.featuresText),
          "created": SQLValue(token.createdAt), "expires": SQLValue(token.expiresAt),
        ])
      guard changed == 1 else { throw StoreError.alreadyExists("A token named \(token.name)") }
      if let entry { try Self.keep(entry, connection) }
    }
  }

  package func revoke(
    id: String, at now: Instant, noting entry: AuditRecord?
  ) async throws -> Revocation {
    try await database.write { connection in
      let isAdmin = """
        revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > :now)
          AND features_json IS NULL AND instr(' ' || scopes || ' ', ' admin ') > 0
        """
      // As `TokenRecord.canFollow` says it.
      let found = try connection.query(
        """
        SELECT
          (\(isAdmin)),
          (
            SELECT count(*)
            FROM token
            WHERE id <> leaving.id AND \(isAdmin) AND (
              expires_at_ms IS NULL
              OR expires_at_ms > :later
              OR expires_at_ms >= leaving.expires_at_ms
            )
          )
        FROM token AS leaving
        WHERE id = :id
        """,
        [
          "id": .text(id), "now": SQLValue(now),
          "later": SQLValue(now + TokenRecord.lastAdminTimeMin),
        ]
      ) { (isAdmin: $0.int(0) == 1, others: $0.int(1)) }
      guard let token = found.first else { throw StoreError.notFound("That token") }
      if token.isAdmin, token.others == 0 { return .refusedAsLastAdmin }
      let changed = try connection.run(
        "UPDATE token SET revoked_at_ms = :now WHERE id = :id AND revoked_at_ms IS NULL",
        ["id": .text(id), "now": SQLValue(now)])
      if let entry, changed > 0 { try Self.keep(entry, connection) }
      return .done
    }
  }

  package func noteUse(of ids: [String], at now: Instant) async throws {
    try await database.write { connection in
      for id in ids {
        try connection.run(
          "UPDATE token SET last_used_at_ms = max(coalesce(last_used_at_ms, 0), :now) WHERE id = :id",
          ["id": .text(id), "now": SQLValue(now)])
      }
    }
  }
}
