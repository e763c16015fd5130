/// On whose account a request is.
package struct Payer: Sendable, Equatable {
  /// nil for a question of our own.
  package var feature: String?
  /// The token's id.
  package var app: String
  /// As the caller named them.
  package var user: String?
  /// Who may be asked, and paid.
  package var providers: [String]

  package init(feature: String?, app: String, user: String? = nil, providers: [String]) {
    self.feature = feature
    self.app = app
    self.user = user
    self.providers = providers
  }
}

/// Which requests are counted in a budget, and where.
extension Budget {
  /// Whether requests of a feature are counted in it; nil is a question of our own.
  package func counts(_ feature: String?) -> Bool {
    self.feature == nil || self.feature == feature
  }

  /// The accounts in which a request is counted at `now`; none where it is not.
  package func accounts(of payer: Payer, at now: Instant) -> [BudgetAccount] {
    guard counts(payer.feature) else { return [] }
    let start = window(at: now).start
    return scopes(of: payer).map { BudgetAccount(budget: name, scope: $0, windowStart: start) }
  }

  private func scopes(of payer: Payer) -> [String] {
    switch division {
    case nil: [""]
    case .app: [payer.app]
    // A feature's key cannot be this.
    case .feature: [payer.feature ?? "(probe)"]
    case .user: [payer.user.map { String(Outcome.hash(user: $0), radix: 16) } ?? "anonymous"]
    case .provider: Set(payer.providers).sorted()
    }
  }

  /// The account in which all requests of a feature are counted that `provider` serves. nil where
  /// each user or app has its own: more users do not spend more of one user's money, nor of one
  /// app's by a known part.
  package func commonAccount(
    of feature: String, provider: String?, at now: Instant
  ) -> BudgetAccount? {
    guard division != .user, division != .app else { return nil }
    let payer = Payer(feature: feature, app: "", providers: provider.map { [$0] } ?? [])
    return accounts(of: payer, at: now).first
  }

  /// What is asked of one of its accounts before a request.
  package func line(_ account: BudgetAccount) -> BudgetLine {
    BudgetLine(
      account: account, ceiling: isHard ? limit : nil, limit: limit, alertAt: alertAt)
  }
}
