import RolloutCore

/// Who a request comes from, after its token was checked. Shared by reference: loops hand it on
/// with every request.
final class Principal: Sendable {
  let actor: Actor
  let tokenID: String?
  let scopes: Set<Scope>
  /// Features the token is limited to; nil for all.
  let features: Set<String>?
  let expiresAt: Instant?

  /// Everybody, when the server runs with `auth: off`.
  static let anonymous = Principal(
    actor: .anonymous, tokenID: nil, scopes: Set(Scope.allCases), features: nil, expiresAt: nil)

  init(
    actor: Actor, tokenID: String?, scopes: Set<Scope>, features: Set<String>?,
    expiresAt: Instant?
  ) {
    self.actor = actor
    self.tokenID = tokenID
    self.scopes = scopes
    self.features = features
    self.expiresAt = expiresAt
  }

  convenience init(_ token: TokenRecord) {
    self.init(
      actor: .token(token.name), tokenID: token.id, scopes: token.scopes,
      features: token.features, expiresAt: token.expiresAt)
  }

  func may(_ scope: Scope) -> Bool { scopes.contains(scope) || scopes.contains(.admin) }
  func may(use feature: String) -> Bool { features?.contains(feature) ?? true }
}
