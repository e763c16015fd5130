import DocumentKit
import RolloutCore

/// `GET /v1/budgets`: what each budget has spent in its window, and what is left.
package struct BudgetList: Codable, Sendable {
  package var budgets: [BudgetView]
  /// Why what was spent before is not known; absent when it is.
  package var lost: String?
  /// Who has accepted that, newest first.
  package var accepted: [Acceptance]?

  package struct Acceptance: Codable, Sendable {
    /// Absent for all budgets.
    package var name: String?
    package var at: String
    package var actor: String
    package var reason: String

    package init(name: String?, at: String, actor: String, reason: String) {
      self.name = name
      self.at = at
      self.actor = actor
      self.reason = reason
    }
  }

  package init(budgets: [BudgetView]) { self.budgets = budgets }
}
