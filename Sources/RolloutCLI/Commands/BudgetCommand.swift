import DocumentKit
import RolloutAPI

/// `rollout budget …`
enum BudgetCommand {
  static let all = [command, accept]

  private static let accept = Subcommand(
    "budget accept", ["name"],
    "spend on although what was spent before was lost; without a name from all budgets",
    options: [
      .init("--reason", "TEXT", "why that is safe; it is recorded", required: true),
      .init("--yes", nil, "do not ask"),
    ],
    examples: ["rollout budget accept monthly --reason 'a new month began'"]
  ) { session in
    let reason = session.arguments.value("--reason") ?? ""
    let name = session.arguments.operands.first
    let answer = try await session.send(
      "POST", "/v1/budgets/accept",
      body: try WireEncoder.json(BudgetAcceptMessage(name: name, reason: reason)))
    try session.show(answer) {
      "\(name.map { "Budget \($0) is" } ?? "All budgets are") open again; what was spent before "
        + "is not counted."
    }
  }

  private static let command = Subcommand(
    "budget", [], "what AI requests have cost, and what is left",
    examples: ["rollout budget", "rollout budget -o json"]
  ) { session in
    let answer = try await session.send("GET", "/v1/budgets")
    let list = try session.decode(BudgetList.self, answer)
    try session.show(answer) {
      guard !list.budgets.isEmpty else {
        return "There are no budgets; the server's configuration names them."
      }
      if let lost = list.lost {
        session.terminal.note(
          "\(lost): what was spent is not known, and hard budgets are shut until rollout budget accept."
        )
      }
      return session.terminal.table(
        ["BUDGET", "OF", "LIMIT", "SPENT", "RESERVED", "LEFT", "UNTIL"], list.budgets.map(row))
    }
  }

  private static func row(_ budget: BudgetView) -> [String] {
    let left = max(0, budget.limitUsd - budget.spentUsd - budget.reservedUsd)
    return [
      budget.name + (budget.shut == true ? " (shut)" : ""), budget.scope ?? "all",
      dollars(budget.limitUsd), dollars(budget.spentUsd),
      dollars(budget.reservedUsd), dollars(left),
      budget.windowEnd.value.map { String($0.prefix(10)) } ?? "",
    ]
  }

  private static func dollars(_ amount: Double) -> String {
    guard amount.magnitude < 1e12 else { return "$" + shortestText(of: amount) }
    let units = Int((amount.magnitude * 10_000).rounded())
    // Whole cents are written as everybody does.
    let (places, part) = units % 100 == 0 ? (2, units % 10_000 / 100) : (4, units % 10_000)
    let fraction = String(part)
    return "\(amount < 0 ? "-" : "")$\(units / 10_000)."
      + String(repeating: "0", count: places - fraction.count) + fraction
  }
}
