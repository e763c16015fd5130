import RolloutCore
import Synchronization

/// What was spent and is held, on a disk that outlives its process.
final class SimulatedMoney: Sendable {
  private struct Held {
    var amount: Money
    var lines: [BudgetLine]
  }

  private struct State {
    var spent: [BudgetAccount: Money] = [:]
    var held: [String: Held] = [:]
    /// What was used of each account at most, spent and held together.
    var most: [BudgetAccount: Money] = [:]
  }

  private let state = Mutex(State())

  var spent: [BudgetAccount: Money] { state.withLock { $0.spent } }
  var most: [BudgetAccount: Money] { state.withLock { $0.most } }
  var heldCount: Int { state.withLock { $0.held.count } }

  func reserve(_ request: String, _ amount: Money, _ lines: [BudgetLine]) -> BudgetAccount? {
    state.withLock { state in
      for line in lines {
        let used = Self.used(line.account, state).adding(amount)
        if let ceiling = line.ceiling, used > ceiling { return line.account }
      }
      state.held[request] = Held(amount: amount, lines: lines)
      for line in lines {
        state.most[line.account] = max(
          state.most[line.account] ?? .zero, Self.used(line.account, state))
      }
      return nil
    }
  }

  private static func used(_ account: BudgetAccount, _ state: State) -> Money {
    state.held.values.filter { $0.lines.contains { $0.account == account } }
      .reduce(state.spent[account] ?? .zero) { $0.adding($1.amount) }
  }

  func settle(_ request: String, _ amounts: [BudgetAccount: Money]) {
    state.withLock { state in
      guard let held = state.held.removeValue(forKey: request) else { return }
      for line in held.lines {
        let paid = amounts[line.account] ?? .zero
        state.spent[line.account] = (state.spent[line.account] ?? .zero).adding(paid)
      }
    }
  }

  /// After a crash nobody knows what a held request cost: it counts in full.
  func crash() {
    state.withLock { state in
      for held in state.held.values {
        for line in held.lines {
          state.spent[line.account] = (state.spent[line.account] ?? .zero).adding(held.amount)
        }
      }
      state.held = [:]
    }
  }
}

/// One process's way to the money and the jobs. Dead after a crash: what its tasks still try fails
/// and changes nothing.
final class SimulatedAccounts: BudgetStore, Sendable {
  private let money: SimulatedMoney
  private let isDead = Mutex(false)

  init(_ money: SimulatedMoney) { self.money = money }

  func die() { isDead.withLock { $0 = true } }

  private func enter() async throws {
    await Task.yield()
    if isDead.withLock({ $0 }) { throw StoreError.unavailable("simulated crash") }
  }

  func reserve(
    _ request: String, _ amount: Money, _ lines: [BudgetLine], at now: Instant
  ) async throws -> BudgetAccount? {
    try await enter()
    return money.reserve(request, amount, lines)
  }

  func settle(
    _ request: String, _ amounts: [BudgetAccount: Money], _ lines: [BudgetLine]
  ) async throws -> [BudgetAlert] {
    try await enter()
    money.settle(request, amounts)
    return []
  }

  func balances(since: Instant) async throws -> [BudgetBalance] { [] }
}
