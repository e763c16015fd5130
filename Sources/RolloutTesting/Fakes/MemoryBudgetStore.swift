package import RolloutCore
import Synchronization

/// A budget store in memory: the book, without a disk under it.
package final class MemoryBudgetStore: BudgetStore, BudgetLossStore {
  private struct State {
    var book = BudgetBook()
    var lost: String?
    var acceptances: [BudgetAcceptance] = []
  }

  private let state = Mutex(State())

  /// `lost` says why what was spent before is not known.
  package init(lost: String? = nil) { state.withLock { $0.lost = lost } }

  package func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) -> BudgetAccount? {
    state.withLock { state in
      for line in lines { state.book.open(line.account, BudgetBook.Entry()) }
      return state.book.reserve(request, amount, lines)
    }
  }

  package func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) -> [BudgetAlert] {
    state.withLock { state in
      guard state.book.release(request) != nil else { return [] }
      return lines.compactMap { state.book.spend(amounts[$0.account] ?? .zero, $0) }
    }
  }

  package func balances(since: Instant) -> [BudgetBalance] {
    state.withLock { state in
      state.book.entries.filter { $0.key.windowStart >= since }.map {
        BudgetBalance(account: $0.key, spent: $0.value.spent, reserved: $0.value.reserved)
      }
    }
  }

  package var isWaiting: Bool { false }

  package var loss: (why: String, accepted: Set<String>)? {
    state.withLock { state in
      state.lost.map { ($0, Set(state.acceptances.compactMap(\.budget))) }
    }
  }

  package func accept(_ budget: String?, actor: Actor, reason: String, at now: Instant) {
    state.withLock { state in
      state.acceptances.insert(
        BudgetAcceptance(budget: budget, at: now, actor: actor, reason: reason), at: 0)
      if budget == nil { state.lost = nil }
    }
  }

  package func acceptances() -> [BudgetAcceptance] { state.withLock { $0.acceptances } }
}
