import RolloutCore

/// Scopes as bits.
struct ScopeSet: OptionSet, Sendable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init(_ scope: Scope) {
    switch scope {
    case .evaluate: self.init(rawValue: 1)
    case .operate: self.init(rawValue: 2)
    case .alert: self.init(rawValue: 4)
    case .admin: self.init(rawValue: 8)
    case .view: self.init(rawValue: 16)
    }
  }

  init(_ scopes: some Sequence<Scope>) {
    self = scopes.reduce(into: []) { $0.formUnion(ScopeSet($1)) }
  }

  /// What a token with these may do: some include others.
  init(granting scopes: Set<Scope>) {
    self.init(scopes)
    if contains(ScopeSet(.operate)) { formUnion(ScopeSet(.view)) }
    if contains(ScopeSet(.admin)) { self = ScopeSet(Scope.allCases) }
  }
}
