import RolloutCore
import Synchronization

/// Decisions on one feature and who asked for them, counted by one thread and read by any.
final class EvaluationCounter: Sendable {
  /// Accounts counted by themselves; the rest are `others`.
  private static let accountsMax = 16
  /// Stands for askers without a token.
  static let anonymous = 1
  static let others = 2

  private let on = Atomic<Int>(0)
  private let off = Atomic<Int>(0)
  /// 0 where a place is free.
  private let accounts = InlineArray<16, Atomic<Int>> { _ in Atomic(0) }
  private let asks = InlineArray<16, Atomic<Int>> { _ in Atomic(0) }
  private let otherAsks = Atomic<Int>(0)

  /// By the owning thread only: loads and stores, no locked instruction. `account` is whose token.
  func count(enabled: Bool, for account: Int) {
    let answers = enabled ? on.load(ordering: .relaxed) : off.load(ordering: .relaxed)
    if enabled {
      on.store(answers &+ 1, ordering: .relaxed)
    } else {
      off.store(answers &+ 1, ordering: .relaxed)
    }
    if let place = place(of: account) {
      asks[place].store(asks[place].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    } else {
      otherAsks.store(otherAsks.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }
  }

  /// By any thread.
  func countShared(enabled: Bool, for account: Int) {
    add(enabled: enabled ? 1 : 0, disabled: enabled ? 0 : 1)
    addAsks(1, account)
  }

  /// By any thread.
  func add(_ other: EvaluationCounter) {
    add(enabled: other.enabled, disabled: other.disabled)
    for (account, count) in other.asksByAccount { addAsks(count, account) }
  }

  private func add(enabled: Int, disabled: Int) {
    on.wrappingAdd(enabled, ordering: .relaxed)
    off.wrappingAdd(disabled, ordering: .relaxed)
  }

  private func addAsks(_ count: Int, _ account: Int) {
    if account != Self.others, let place = place(of: account) {
      asks[place].wrappingAdd(count, ordering: .relaxed)
    } else {
      otherAsks.wrappingAdd(count, ordering: .relaxed)
    }
  }

  /// Where an account is counted, which it claims when it is new; nil when all places are taken.
  private func place(of account: Int) -> Int? {
    let account = account == 0 ? Self.anonymous : account
    for place in 0..<Self.accountsMax {
      let known = accounts[place].load(ordering: .relaxed)
      if known == account { return place }
      guard known == 0 else { continue }
      let claim = accounts[place].compareExchange(
        expected: 0, desired: account, ordering: .relaxed)
      if claim.exchanged || claim.original == account { return place }
    }
    return nil
  }

  var enabled: Int { on.load(ordering: .relaxed) }
  var disabled: Int { off.load(ordering: .relaxed) }

  /// How often each account has asked.
  var asksByAccount: [Int: Int] {
    var counts: [Int: Int] = [:]
    for place in 0..<Self.accountsMax {
      let account = accounts[place].load(ordering: .relaxed)
      let count = asks[place].load(ordering: .relaxed)
      if account != 0, count > 0 { counts[account, default: 0] += count }
    }
    let rest = otherAsks.load(ordering: .relaxed)
    if rest > 0 { counts[Self.others, default: 0] += rest }
    return counts
  }
}
