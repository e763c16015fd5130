import DocumentKit
package import RolloutCore

extension Store: TokenStore {
  package func loadTokens() async throws -> [TokenRecord] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms,
          revoked_at_ms
        FROM token
        ORDER BY created_at_ms, id
        """
      ) { row in
        let features = row.optionalText(4).flatMap { try? JSONReader.read(Array($0.utf8)).array }
        var token = TokenRecord(
          id: row.text(0), name: row.text(1), secretHash: row.blob(2),
          scopes: Set(row.text(3).split(separator: " ").compactMap { Scope(rawValue: String($0)) }),
          features: features.map { Set($0.compactMap(\.string)) }, createdAt: row.instant(5),
          expiresAt: row.optionalInstant(6))
        token.revokedAt = row.optionalInstant(7)
        return token
      }
    }
  }

  package func insert(_ token: TokenRecord) async throws {
    try await database.write { connection in
      let scopes = token.scopes.map(\.rawValue).sorted().joined(separator: " ")
      let features = token.features.map { Document.array($0.sorted().map { .string($0) }).jsonText }
      let changed = try connection.run(
        """
        INSERT INTO token (
          id, name, secret_hash, scopes, features_json, created_at_ms, expires_at_ms
        ) VALUES (:id, :name, :hash, :scopes, :features, :created, :expires)
        ON CONFLICT DO NOTHING
        """,
        [
          "id": .text(token.id), "name": .text(token.name), "hash": .blob(token.secretHash),
          "scopes": .text(scopes), "features": SQLValue(features),
          "created": SQLValue(token.createdAt), "expires": SQLValue(token.expiresAt),
        ])
      guard changed == 1 else { throw StoreError.alreadyExists("A token named \(token.name)") }
    }
  }

  package func revoke(id: String, at now: Instant) async throws {
    try await database.write { connection in
      let changed = try connection.run(
        "UPDATE token SET revoked_at_ms = coalesce(revoked_at_ms, :now) WHERE id = :id",
        ["id": .text(id), "now": SQLValue(now)])
      guard changed == 1 else { throw StoreError.notFound("That token") }
    }
  }
}
