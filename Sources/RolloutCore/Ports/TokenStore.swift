/// What a token may do. `operate` includes `view`; `admin` all.
package enum Scope: String, Sendable, CaseIterable {
  case evaluate, view, operate, alert, admin
}

/// An access token as stored: never its secret.
package struct TokenRecord: Sendable, Equatable {
  package var id: String
  package var name: String
  /// SHA-256 of the secret part.
  package var secretHash: [UInt8]
  package var scopes: Set<Scope>
  /// Features it is limited to; nil for all.
  package var features: Set<String>?
  package var createdAt: Instant
  package var expiresAt: Instant?
  package var revokedAt: Instant?

  package init(
    id: String, name: String, secretHash: [UInt8], scopes: Set<Scope>, features: Set<String>?,
    createdAt: Instant, expiresAt: Instant?
  ) {
    self.id = id
    self.name = name
    self.secretHash = secretHash
    self.scopes = scopes
    self.features = features
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }

  package func isValid(at now: Instant) -> Bool {
    revokedAt == nil && expiresAt.map { now < $0 } ?? true
  }
}

/// Keeps access tokens.
package protocol TokenStore: Sendable {
  func loadTokens() async throws -> [TokenRecord]
  /// Throws `StoreError.alreadyExists` for a name in use.
  func insert(_ token: TokenRecord) async throws
  /// Throws `StoreError.notFound`; revoking twice is no error.
  func revoke(id: String, at now: Instant) async throws
}
