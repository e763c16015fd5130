/// What a token may do. `operate` includes `view`; `admin` all.
package enum Scope: String, Sendable, CaseIterable {
  case evaluate, view, operate, alert, admin
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
/// for no feature. The record of a change is kept with it, and not where nothing changed. A call
/// costs in proportion to the tokens there are, and is not ended by cancelling who waits for it.
/// Throws `StoreError`.
package protocol TokenStore: Sendable {
  func loadTokens() async throws -> [TokenRecord]
  /// Throws `StoreError.alreadyExists` for a name that a valid token has.
  func insert(_ token: TokenRecord, noting: AuditRecord?) async throws
  /// Throws `StoreError.notFound`; revoking twice is no error. Decided in one transaction, so that
  /// two who revoke each other's token do not both succeed.
  func revoke(id: String, at now: Instant, noting: AuditRecord?) async throws -> Revocation
  /// The latest use that was told is kept; what is not there is passed over.
  func noteUse(of ids: [String], at now: Instant) async throws
}

extension TokenStore {
  /// Without a record, for who is nobody.
  package func insert(_ token: TokenRecord) async throws { try await insert(token, noting: nil) }

  package func revoke(id: String, at now: Instant) async throws -> Revocation {
    try await revoke(id: id, at: now, noting: nil)
  }
}
