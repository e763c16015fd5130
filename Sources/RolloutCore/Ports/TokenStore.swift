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
  /// To the minute; nil while it never was.
  package var lastUsedAt: Instant?

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

  package func isValid(at now: Instant) -> Bool { revokedAt == nil && !hasExpired(at: now) }
  package func hasExpired(at now: Instant) -> Bool { expiresAt.map { now >= $0 } ?? false }

  /// How long an administrator must stay who is left alone: time to make another.
  package static let lastAdminTimeMin = TimeSpan.days(1)

  package func isAdmin(at now: Instant) -> Bool {
    isValid(at: now) && features == nil && scopes.contains(.admin)
  }

  /// Whether it may be left as the last administrator's: it goes on for a day, or for no less time
  /// than `other`, which is to go.
  package func canFollow(_ other: TokenRecord, at now: Instant) -> Bool {
    guard isAdmin(at: now) else { return false }
    guard let expiresAt else { return true }
    if let other = other.expiresAt, expiresAt >= other { return true }
    return expiresAt > now + Self.lastAdminTimeMin
  }

  /// A token that was meant to last is said to end before it does.
  private static let warnedBefore = TimeSpan.days(14)
  private static let warnedLifetimeMin = TimeSpan.days(30)

  /// How long it is still valid, where that is so short that somebody should be told.
  package func timeLeftToTell(at now: Instant) -> TimeSpan? {
    guard isValid(at: now), let expiresAt,
      expiresAt.since(createdAt) >= Self.warnedLifetimeMin,
      expiresAt.since(now) <= Self.warnedBefore
    else { return nil }
    return expiresAt.since(now)
  }
}

/// What came of the wish to revoke a token.
package enum Revocation: Sendable, Equatable {
  case done
  /// Without it nobody could make another, at once or within a day.
  case refusedAsLastAdmin
}

/// Keeps access tokens.
///
/// Promises: what is inserted or revoked is so on return, over power losses too; a name is of one
/// valid token; the last administrator, and one whom nobody can follow, cannot be revoked. What
/// cannot be read of a token is no licence: an unknown scope is none, a limit that is no list is
/// for no feature. A call costs in proportion to the tokens there are, and is not ended by
/// cancelling who waits for it. Throws `StoreError`.
package protocol TokenStore: Sendable {
  func loadTokens() async throws -> [TokenRecord]
  /// Throws `StoreError.alreadyExists` for a name that a valid token has.
  func insert(_ token: TokenRecord) async throws
  /// Throws `StoreError.notFound`; revoking twice is no error. Decided in one transaction, so that
  /// two who revoke each other's token do not both succeed.
  func revoke(id: String, at now: Instant) async throws -> Revocation
  /// The latest use that was told is kept; what is not there is passed over.
  func noteUse(of ids: [String], at now: Instant) async throws
}
