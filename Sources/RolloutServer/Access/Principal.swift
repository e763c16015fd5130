import RolloutAPI
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
  /// The browser session it signed in with; nil for who sends the token itself.
  private let session: SessionMark?
  /// Who knows whether the token still counts; nil for who has none.
  private let tokens: TokenDirectory?
  /// The same for the same token: whose share of a room it is. 0 for everybody without one.
  let account: Int

  /// Everybody, when the server runs with `auth: off`.
  static let anonymous = Principal(
    actor: .anonymous, tokenID: nil, scopes: Set(Scope.allCases), features: nil, expiresAt: nil)

  init(
    actor: Actor, tokenID: String?, scopes: Set<Scope>, features: Set<String>?,
    expiresAt: Instant?, use: LastUse? = nil, session: SessionMark? = nil,
    tokens: TokenDirectory? = nil
  ) {
    self.actor = actor
    self.tokenID = tokenID
    self.scopes = ScopeSet(granting: scopes)
    self.features = features
    self.expiresAt = expiresAt
    self.use = use
    self.session = session
    self.tokens = tokens
    account = tokenID.map(Self.account) ?? 0
  }

  static func account(of tokenID: String) -> Int { tokenID.hashValue }

  convenience init(
    _ token: TokenRecord, use: LastUse, session: SessionMark? = nil, of tokens: TokenDirectory
  ) {
    self.init(
      actor: .token(token.name), tokenID: token.id, scopes: token.scopes,
      features: token.features, expiresAt: token.expiresAt, use: use, session: session,
      tokens: tokens)
  }

  /// Whether whoever was let in once would be let in still: neither token nor session has ended.
  var isInForce: Bool {
    guard let tokens, let tokenID else { return true }
    if session?.hasEnded == true { return false }
    if let expiresAt, expiresAt <= tokens.now { return false }
    return tokens.isInForce(id: tokenID)
  }

  /// Asked again by whatever has waited, before it acts or spends. Throws the problem of a request
  /// whose token or session ended meanwhile.
  func checkInForce() throws(Problem) {
    guard isInForce else { throw .tokenEnded }
  }

  /// What it may do, by name.
  var scopeNames: [String] { Scope.allCases.filter(may).map(\.rawValue) }
  func may(_ scope: Scope) -> Bool { scopes.contains(ScopeSet(scope)) }
  /// Whether it has one of these; asked with every request, so by bit and not by hash.
  func hasAny(of other: ScopeSet) -> Bool { !scopes.isDisjoint(with: other) }
  func may(use feature: String) -> Bool { features?.contains(feature) ?? true }
}

extension Problem {
  /// Of a request that waited longer than its token was in force.
  static let tokenEnded = Problem(
    .unauthorized,
    "The token was revoked, or it or its session ended, while the request waited for its turn; "
      + "nothing was done.")
}
