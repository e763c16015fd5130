import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// What has been spent of every budget, and which are shut.
struct BudgetAccounts: Sendable {
  let settings: Current<ServerConfiguration>
  let store: any BudgetStore
  /// Where spending that was lost is known.
  let losses: BudgetDatabase
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
  func views() async throws -> [BudgetView] {
    let now = clock.now
    let balances = try await self.balances()
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
