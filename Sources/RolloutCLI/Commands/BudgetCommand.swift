import DocumentKit
import RolloutAPI

/// `rollout budget`
enum BudgetCommand {
  static let command = Command("budget", [], "what AI requests have cost, and what is left") {
    session in
    let answer = try await session.send("GET", "/v1/budgets")
    let list = try session.decode(BudgetList.self, answer)
    try session.show(answer) {
      guard !list.budgets.isEmpty else {
        return "There are no budgets; the server's configuration names them."
      }
      return session.terminal.table(
        ["BUDGET", "OF", "LIMIT", "SPENT", "HELD", "LEFT", "UNTIL"], list.budgets.map(row))
    }
  }

  private static func row(_ budget: BudgetView) -> [String] {
    let left = max(0, budget.limitUsd - budget.spentUsd - budget.reservedUsd)
    return [
      budget.name, budget.scope ?? "all", dollars(budget.limitUsd), dollars(budget.spentUsd),
      dollars(budget.reservedUsd), dollars(left),
      budget.windowEnd.value.map { String($0.prefix(10)) } ?? "",
    ]
  }

  private static func dollars(_ amount: Double) -> String {
    let cents = Int(saturating: (amount * 10_000).rounded())
    let fraction = String(cents % 10_000)
    return "$\(cents / 10_000)." + String(repeating: "0", count: 4 - fraction.count) + fraction
  }
}
