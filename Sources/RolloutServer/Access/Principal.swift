import RolloutCore

/// Who a request comes from, after its token was checked. Shared by reference: loops hand it on
/// with every request.
final class Principal: Sendable {
  let actor: Actor
  let tokenID: String?
  private let scopes: ScopeSet
  /// Features the token is limited to; nil for all.
  let features: Set<String>?
  let expiresAt: Instant?
  /// Where its use is noted; nil for who has no token.
  let use: LastUse?
  /// The same for the same token: whose share of a room it is. 0 for everybody without one.
  let account: Int

  /// Everybody, when the server runs with `auth: off`.
  static let anonymous = Principal(
    actor: .anonymous, tokenID: nil, scopes: Set(Scope.allCases), features: nil, expiresAt: nil)

  init(
    actor: Actor, tokenID: String?, scopes: Set<Scope>, features: Set<String>?,
    expiresAt: Instant?, use: LastUse? = nil
  ) {
    self.actor = actor
    self.tokenID = tokenID
    self.scopes = ScopeSet(granting: scopes)
    self.features = features
    self.expiresAt = expiresAt
    self.use = use
    account = tokenID.map(Self.account) ?? 0
  }

  static func account(of tokenID: String) -> Int { tokenID.hashValue }

  convenience init(_ token: TokenRecord, use: LastUse) {
    self.init(
      actor: .token(token.name), tokenID: token.id, scopes: token.scopes,
      features: token.features, expiresAt: token.expiresAt, use: use)
  }

  /// What it may do, by name.
  var scopeNames: [String] { Scope.allCases.filter(may).map(\.rawValue) }
  func may(_ scope: Scope) -> Bool { scopes.contains(ScopeSet(scope)) }
  /// Whether it has one of these; asked with every request, so by bit and not by hash.
  func hasAny(of other: ScopeSet) -> Bool { !scopes.isDisjoint(with: other) }
  func may(use feature: String) -> Bool { features?.contains(feature) ?? true }
}
