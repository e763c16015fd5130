import RolloutCore
import RolloutGateway

/// What has been spent of every budget, and which are shut.
struct BudgetAccounts: Sendable {
  let settings: Current<ServerConfiguration>
  let store: any BudgetStore
  /// Where spending that was lost is known.
  let losses: any BudgetLossStore
  let clock: any WallClock

  var budgets: [Budget] { settings.value.gateway.budgets }

  private func isShut(_ budget: Budget) -> Bool {
    guard budget.isHard else { return false }
    guard !losses.isWaiting else { return true }
    guard let loss = losses.loss else { return false }
    return !loss.accepted.contains(budget.name)
  }

  /// The accounts of the present windows.
  func balances() async throws -> [BudgetBalance] {
    let now = clock.now
    guard let oldest = budgets.map({ $0.window(at: now).start }).min() else { return [] }
    return try await store.balances(since: oldest)
  }

  /// Every budget with each of its accounts in the present window.
  func standings() async throws -> [BudgetStanding] {
    let now = clock.now
    let balances = try await self.balances()
    return budgets.flatMap { budget -> [BudgetStanding] in
      let window = budget.window(at: now)
      var own = balances.filter {
        $0.account.budget == budget.name && $0.account.windowStart == window.start
      }
      if own.isEmpty, budget.division == nil {
        let account = BudgetAccount(budget: budget.name, scope: "", windowStart: window.start)
        own = [BudgetBalance(account: account, spent: .zero, reserved: .zero)]
      }
      return own.map { BudgetStanding(budget, $0, isShut: isShut(budget)) }
    }
  }
}
