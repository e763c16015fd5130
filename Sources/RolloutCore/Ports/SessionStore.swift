/// A browser that is signed in, as stored: never what its cookie holds.
package struct SessionRecord: Sendable, Equatable {
  /// SHA-256 of what the cookie holds.
  package var hash: [UInt8]
  /// The token it was begun with.
  package var tokenID: String
  package var createdAt: Instant
  package var expiresAt: Instant

  package init(hash: [UInt8], tokenID: String, createdAt: Instant, expiresAt: Instant) {
    self.hash = hash
    self.tokenID = tokenID
    self.createdAt = createdAt
    self.expiresAt = expiresAt
  }
}

/// Keeps who is signed in. The record of a change is kept with it.
package protocol SessionStore: Sendable {
  /// Those that have not expired.
  func loadSessions(now: Instant) async throws -> [SessionRecord]
  /// Keeps one, and forgets those that have expired.
  func insert(_ session: SessionRecord, noting: AuditRecord?) async throws
  /// Forgets these; it is no error where they are not known.
  func deleteSessions(_ hashes: [[UInt8]], noting: AuditRecord?) async throws
}
