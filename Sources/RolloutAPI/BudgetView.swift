package import DocumentKit
package import RolloutCore

/// One account of a budget in its present window.
package struct BudgetView: Codable, Sendable {
  package var name: String
  /// Of a budget per app, feature, user or provider: whose account it is.
  package var scope: String?
  package var limitUsd: Double
  package var spentUsd: Double
  package var reservedUsd: Double
  package var windowStart: String
  package var windowEnd: Nullable<String>
  /// True while spending of before is not known and nobody has accepted that; absent otherwise.
  package var shut: Bool?
}

extension BudgetView {
  package init(_ standing: BudgetStanding) {
    let account = standing.balance.account
    name = standing.budget.name
    scope = account.scope.isEmpty ? nil : account.scope
    limitUsd = standing.budget.limit.dollars
    spentUsd = standing.balance.spent.dollars
    reservedUsd = standing.balance.reserved.dollars
    windowStart = account.windowStart.rfc3339
    windowEnd = Nullable(standing.windowEnd?.rfc3339)
    shut = standing.isShut ? true : nil
  }
}
