import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import Synchronization

/// Questions about the past and about large plans: they read much, compute long, and can wait.
///
/// A bounded number is let in, of one token half; of these a few are answered at a time, of one
/// token one. What they compute runs on threads of low priority (`QuietThreads.reads`), never on
/// the pool that commands and alerts are carried out on.
final class LongReads: Sendable {
  /// Questions that are let in at once.
  static let roomMax = 32
  /// Questions that are answered at a time: so many backtests may be in memory.
  static let runningMax = 2

  private struct State {
    /// By account; one of each.
    var running: Set<Int> = []
    /// In the order they came.
    var waiting: [(account: Int, turn: CheckedContinuation<Void, Never>)] = []
  }

  private let room = FairRoom(capacity: roomMax)
  private let state = Mutex(State())

  /// False when there is no room: the question is answered 503.
  func admit(_ account: Int) -> Bool { room.take(1, account) }

  /// Makes room for another: the admitted question is not asked after all.
  func dismiss(_ account: Int) { room.give(1, account) }

  /// Answers an admitted question when it is its turn, and makes room for another.
  func answer(_ account: Int, _ work: () async -> Void) async {
    await turn(account)
    await work()
    end(account)
    dismiss(account)
  }

  private func turn(_ account: Int) async {
    await withCheckedContinuation { continuation in
      let isNow = state.withLock { state in
        let isFree = state.running.count < Self.runningMax && !state.running.contains(account)
        if isFree {
          state.running.insert(account)
        } else {
          state.waiting.append((account, continuation))
        }
        return isFree
      }
      if isNow { continuation.resume() }
    }
  }

  /// Whose token has nothing running comes before those who came earlier and have.
  private func end(_ account: Int) {
    let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
      state.running.remove(account)
      guard
        let index = state.waiting.firstIndex(where: { !state.running.contains($0.account) })
      else { return nil }
      let next = state.waiting.remove(at: index)
      state.running.insert(next.account)
      return next.turn
    }
    next?.resume()
  }

  /// What is answered when there is no room.
  static func refusal(_ request: RequestView) -> HTTPResponse {
    Dialect(path: request.path).error(
      Problem(.unavailable, "Too many long questions are being answered; try again in a second."),
      headers: [("Retry-After", "1")])
  }
}

extension QuietThreads {
  /// Threads of the long reads: evaluations have others, which must not wait for these.
  static let reads = QuietThreads()

  /// What `work` gives, computed on one of the threads. Waits for what was queued before.
  func result<Value: Sendable>(
    _ work: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      run { continuation.resume(with: Result(catching: work)) }
    }
  }
}
