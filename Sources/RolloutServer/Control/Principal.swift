import RolloutCore

/// Who a request comes from, after its token was checked. Shared by reference: loops hand it on
/// with every request.
final class Principal: Sendable {
  let actor: Actor
  let tokenID: String?
  private let mask: UInt8
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
    mask = scopes.reduce(0) { $0 | $1.bit }
    self.features = features
    self.expiresAt = expiresAt
  }

  convenience init(_ token: TokenRecord) {
    self.init(
      actor: .token(token.name), tokenID: token.id, scopes: token.scopes,
      features: token.features, expiresAt: token.expiresAt)
  }

  /// Asked with every request, so by bit and not by hash.
  func may(_ scope: Scope) -> Bool { mask & (scope.bit | Scope.admin.bit) != 0 }
  func may(use feature: String) -> Bool { features?.contains(feature) ?? true }
}

extension Scope {
  fileprivate var bit: UInt8 {
    switch self {
    case .evaluate: 1
    case .operate: 2
    case .alert: 4
    case .admin: 8
    }
  }
}
