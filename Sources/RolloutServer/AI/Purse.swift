import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// On whose account a provider is called.
struct Spender: Sendable {
  /// Unlike any other's.
  var request: String
  /// What is rolled out; nil for a question of our own.
  var plan: Plan?
  /// The token's id.
  var app: String
  /// As the caller named them.
  var user: String?
  /// Who may be asked, and paid.
  var providers: [String]
}

/// Asks the budgets before a provider is called, and pays afterwards.
struct Purse: Sendable {
  var budgets: [Budget]
  let store: any BudgetStore
  let clock: any WallClock
  let log: Log
  let tell: @Sendable (BudgetAlert, Spender) async -> Void

  /// What a request may cost at most, and where it is held.
  struct Hold: Sendable {
    var spender: Spender
    var amount: Money
    var lines: [BudgetLine]
    /// The provider of each line that belongs to one.
    var providers: [BudgetAccount: String]
  }

  /// Why a request must not be sent.
  enum Refusal: Error {
    /// `bound` is what the request may cost; `until` is when its window ends, nil for a total.
    case spent(budget: String, bound: Money, until: Instant?)
    case unknownPrice(model: String)
    case unavailable
  }

  /// Holds what a request may cost; nil when no budget concerns it. Throws `Refusal`.
  func reserve(_ bound: () -> Gateway.Bound, for spender: Spender) async throws -> Hold? {
    let concerned = budgets.filter { $0.feature == nil || $0.feature == spender.plan?.feature }
    guard !concerned.isEmpty else { return nil }
    let amount: Money
    switch bound() {
    case .amount(let bound): amount = bound
    case .unknownPrice(let model):
      // Free of charge is a price of 0; an unknown one is no price.
      if concerned.contains(where: \.isHard) { throw Refusal.unknownPrice(model: model) }
      amount = .zero
    }
    var providers: [BudgetAccount: String] = [:]
    let now = clock.now
    let lines = concerned.flatMap { budget -> [BudgetLine] in
      scopes(budget, spender).map { scope in
        let account = BudgetAccount(
          budget: budget.name, scope: scope, windowStart: budget.window(at: now).start)
        if budget.division == .provider { providers[account] = scope }
        return BudgetLine(
          account: account, ceiling: budget.isHard ? budget.limit : nil, limit: budget.limit,
          alertAt: budget.alertAt)
      }
    }
    do {
      if let full = try await store.reserve(spender.request, amount, lines, at: now) {
        let budget = concerned.first { $0.name == full.budget }
        throw Refusal.spent(
          budget: full.budget, bound: amount, until: budget?.window(at: now).end)
      }
    } catch let refusal as Refusal { throw refusal } catch {
      // Money that cannot be counted is not spent. The store itself has said why.
      throw Refusal.unavailable
    }
    return Hold(spender: spender, amount: amount, lines: lines, providers: providers)
  }

  private func scopes(_ budget: Budget, _ spender: Spender) -> [String] {
    switch budget.division {
    case nil: [""]
    case .app: [spender.app]
    // A feature's key cannot be this.
    case .feature: [spender.plan?.feature ?? "(probe)"]
    case .user: [spender.user.map { String(Outcome.hash(user: $0), radix: 16) } ?? "anonymous"]
    case .provider: Set(spender.providers).sorted()
    }
  }

  /// Pays `cost` to `provider`; nil is a request whose cost nobody knows, which is paid in full.
  func settle(_ hold: Hold?, cost: Money?, provider: String?) async {
    guard let hold else { return }
    let paid = cost ?? hold.amount
    var amounts: [BudgetAccount: Money] = [:]
    for line in hold.lines {
      let isTheirs = hold.providers[line.account].map { $0 == provider || provider == nil } ?? true
      amounts[line.account] = isTheirs ? paid : .zero
    }
    do {
      for alert in try await store.settle(hold.spender.request, amounts, hold.lines) {
        await tell(alert, hold.spender)
      }
    } catch {
      // The hold stays, and counts in full: too careful is better than too dear.
      log.error("a budget could not be settled", ["error": "\(error)"])
    }
  }
}

/// `GET /v1/budgets`.
struct BudgetEndpoint: Sendable {
  let settings: Current<ServerConfiguration>
  let store: any BudgetStore
  /// Where spending that was lost is known, and accepted.
  let losses: BudgetDatabase
  let clock: any WallClock
  let log: Log

  var routes: [Route] {
    [
      Route(.get, "/v1/budgets", .scopes([.view]), featureLimit: .respected, .task(list)),
      Route(.post, "/v1/budgets/accept", .scopes([.operate]), .task(accept)),
    ]
  }

  /// A person's word that budgets may be spent from although what was spent is not known.
  private func accept(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let body = try request.json()
    let name: String?
    let reason: String
    do throws(DocumentError) {
      var reader = try ObjectReader(body)
      name = try reader.text("name")
      reason = try reader.string("reason") ?? ""
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    guard !reason.allSatisfy(\.isWhitespace), reason.utf8.count <= 2000 else {
      throw Problem(
        .reasonRequired, "Say in 1–2000 bytes why it is safe to spend on; it is recorded.")
    }
    if let name, !budgets.contains(where: { $0.name == name }) {
      let known = budgets.map(\.name).joined(separator: ", ")
      throw Problem(.notFound, "There is no budget \(quoted(name)); there are: \(known).")
    }
    guard losses.loss != nil else {
      throw Problem(.invalidTransition, "No spending was lost; there is nothing to accept.")
    }
    let actor = request.principal.actor
    try await losses.accept(name, actor: actor, reason: reason, at: clock.now)
    log.notice(
      "lost spending was accepted",
      ["budget": name ?? "all", "actor": actor.text, "reason": reason])
    return try .json(await everything())
  }

  /// Every budget, and what became of spending that was lost.
  private func everything() async throws -> BudgetList {
    var list = BudgetList(budgets: try await views())
    list.lost = losses.loss?.why
    list.accepted = try await losses.acceptances().map {
      BudgetList.Acceptance(
        name: $0.budget, at: $0.at.rfc3339, actor: $0.actor.text, reason: $0.reason)
    }
    return list
  }

  private func list(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    guard let limit = request.principal.features else { return try .json(await everything()) }
    let views = try await views()
    return try .json(BudgetList(budgets: views.filter { isAbout($0, limit) }))
  }

  /// Whether an account is about some of these features and no other.
  private func isAbout(_ view: BudgetView, _ features: Set<String>) -> Bool {
    guard let budget = budgets.first(where: { $0.name == view.name }) else { return false }
    if let feature = budget.feature { return features.contains(feature) }
    return budget.division == .feature && view.scope.map(features.contains) ?? false
  }

  private var budgets: [Budget] { settings.value.gateway.budgets }

  private func isShut(_ budget: Budget) -> Bool {
    guard budget.isHard else { return false }
    guard !losses.isWaiting else { return true }
    guard let loss = losses.loss else { return false }
    return !loss.accepted.contains(budget.name)
  }

  /// The accounts of the present windows.
  func accounts() async throws -> [BudgetBalance] {
    let now = clock.now
    guard let oldest = budgets.map({ $0.window(at: now).start }).min() else { return [] }
    return try await store.balances(since: oldest)
  }

  /// Every budget with each of its accounts in the present window.
  func views() async throws -> [BudgetView] {
    let now = clock.now
    let balances = try await accounts()
    return budgets.flatMap { budget -> [BudgetView] in
      let window = budget.window(at: now)
      var own = balances.filter {
        $0.account.budget == budget.name && $0.account.windowStart == window.start
      }
      if own.isEmpty, budget.division == nil {
        let account = BudgetAccount(budget: budget.name, scope: "", windowStart: window.start)
        own = [BudgetBalance(account: account, spent: .zero, reserved: .zero)]
      }
      return own.map { balance in
        BudgetView(
          name: budget.name, scope: balance.account.scope.isEmpty ? nil : balance.account.scope,
          limitUsd: budget.limit.dollars, spentUsd: balance.spent.dollars,
          reservedUsd: balance.reserved.dollars, windowStart: window.start.rfc3339,
          windowEnd: window.end?.rfc3339, isShut: isShut(budget))
      }
    }
  }
}
