/// A person's word that a budget may be spent from although what was spent before is not known.
package struct BudgetAcceptance: Sendable, Equatable {
  /// nil is all of them.
  package var budget: String?
  package var at: Instant
  package var actor: Actor
  package var reason: String

  package init(budget: String?, at: Instant, actor: Actor, reason: String) {
    self.budget = budget
    self.at = at
    self.actor = actor
    self.reason = reason
  }
}

/// Keeps that spending was lost, and which budgets a person opened all the same.
///
/// Promises: what was accepted is so on return, over a power loss too, and says who accepted it and
/// why; accepting again is no error. Reading `loss` costs no disk; no call is ended by cancelling
/// who waits for it. Throws `StoreError`: then nothing was accepted.
package protocol BudgetLossStore: Sendable {
  /// Whether what was spent is not known yet, for want of a disk: then hard budgets are shut.
  var isWaiting: Bool { get }
  /// Why hard budgets are shut, and which are open all the same; nil when nothing was lost.
  var loss: (why: String, accepted: Set<String>)? { get }
  /// Lets a budget be spent from again, or all of them, counting from what is known now.
  func accept(_ budget: String?, actor: Actor, reason: String, at now: Instant) async throws
  /// Who has opened what, newest first.
  func acceptances() async throws -> [BudgetAcceptance]
}
