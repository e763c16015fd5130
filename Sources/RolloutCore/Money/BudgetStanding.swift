/// How one account of a budget stands in its present window.
package struct BudgetStanding: Sendable, Equatable {
  package var budget: Budget
  package var balance: BudgetBalance
  /// While spending of before is not known and nobody has accepted that.
  package var isShut: Bool

  package init(_ budget: Budget, _ balance: BudgetBalance, isShut: Bool) {
    self.budget = budget
    self.balance = balance
    self.isShut = isShut
  }

  /// When its window ends; nil for never.
  package var windowEnd: Instant? { budget.window(at: balance.account.windowStart).end }
}
