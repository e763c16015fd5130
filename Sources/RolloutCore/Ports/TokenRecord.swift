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
