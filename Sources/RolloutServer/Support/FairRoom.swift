import Synchronization

/// A bounded room that several accounts share: one alone may have half of it.
final class FairRoom: Sendable {
  private struct State {
    var taken = 0
    var byAccount: [Int: Int] = [:]
  }

  private let capacity: Int
  private let state = Mutex(State())

  init(capacity: Int) { self.capacity = capacity }

  /// False when the account or all together would have too much.
  func take(_ count: Int, _ account: Int) -> Bool {
    state.withLock { state in
      let own = state.byAccount[account, default: 0]
      guard count <= capacity / 2 - own, count <= capacity - state.taken else { return false }
      state.taken += count
      state.byAccount[account] = own + count
      return true
    }
  }

  func give(_ count: Int, _ account: Int) {
    state.withLock { state in
      state.taken -= count
      let left = state.byAccount[account, default: 0] - count
      state.byAccount[account] = left > 0 ? left : nil
    }
  }
}
