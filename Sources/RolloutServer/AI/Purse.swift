import DocumentKit
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

  var payer: Payer {
    Payer(feature: plan?.feature, app: app, user: user, providers: providers)
  }
}

/// Asks the budgets before a provider is called, and pays afterwards.
struct Purse: Sendable {
  var budgets: [Budget]
  let store: any BudgetStore
  let clock: any WallClock
  let log: Log
  let tell: @Sendable (BudgetAlert, Spender) async -> Void

  /// What a request may cost at most, and where it is reserved.
  struct Reservation: Sendable {
    var spender: Spender
    var amount: Money
    var lines: [BudgetLine]
    /// The provider of each line that belongs to one.
    var providers: [BudgetAccount: String]
  }

  /// Why a request must not be sent.
  enum Refusal: Error, Equatable {
    /// `bound` is what the request may cost; `until` is when its window ends, nil for a total.
    case spent(budget: String, bound: Money, until: Instant?)
    case unknownPrice(model: String)
    /// A key stands twice in what the model is to read.
    case ambiguous
    /// This member may have the request answered at a price that nobody knows here.
    case open(member: String)
    case unavailable
  }

  /// Reserves what a request may cost; nil when no budget concerns it.
  func reserve(
    _ bound: () -> Gateway.Bound, for spender: Spender
  ) async throws(Refusal) -> Reservation? {
    let concerned = budgets.filter { $0.counts(spender.plan?.feature) }
    guard !concerned.isEmpty else { return nil }
    let amount: Money
    switch bound() {
    case .amount(let bound): amount = bound
    case .unknownPrice(let model):
      // Free of charge is a price of 0; an unknown one is no price.
      if concerned.contains(where: \.isHard) { throw .unknownPrice(model: model) }
      amount = .zero
    case .open(let bound, let member):
      if concerned.contains(where: \.isHard) { throw .open(member: member) }
      amount = bound
    case .ambiguous: throw .ambiguous
    }
    var providers: [BudgetAccount: String] = [:]
    let now = clock.now
    let lines = concerned.flatMap { budget -> [BudgetLine] in
      budget.accounts(of: spender.payer, at: now).map { account in
        if budget.division == .provider { providers[account] = account.scope }
        return budget.line(account)
      }
    }
    let full: BudgetAccount?
    do { full = try await store.reserve(spender.request, amount, lines, at: now) } catch {
      // Money that cannot be counted is not spent. The store itself has said why.
      throw .unavailable
    }
    if let full {
      let budget = concerned.first { $0.name == full.budget }
      throw .spent(budget: full.budget, bound: amount, until: budget?.window(at: now).end)
    }
    return Reservation(spender: spender, amount: amount, lines: lines, providers: providers)
  }

  /// Pays `cost` to `provider`; nil is a request whose cost nobody knows, which is paid in full.
  func settle(_ reservation: Reservation?, cost: Money?, provider: String?) async {
    guard let reservation else { return }
    let paid = cost ?? reservation.amount
    var amounts: [BudgetAccount: Money] = [:]
    for line in reservation.lines {
      let isTheirs =
        reservation.providers[line.account].map { $0 == provider || provider == nil } ?? true
      amounts[line.account] = isTheirs ? paid : .zero
    }
    do {
      for alert in try await store.settle(reservation.spender.request, amounts, reservation.lines) {
        await tell(alert, reservation.spender)
      }
    } catch {
      // The reservation stays, and counts in full: too careful is better than too dear.
      log.error("a budget could not be settled", ["error": "\(error)"])
    }
  }
}
