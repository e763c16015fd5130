package import PlatformKit
package import RolloutCore
import Synchronization

/// A clock of which every part stands still until it is turned, the monotonic one too: who sleeps
/// by it is woken by turning it. The wall clock may be set; nothing else can tell.
package final class SimulatedClock: SteadyClock, SystemTime, MonotonicClock {
  private struct Sleeper {
    var until: MonotonicInstant
    var continuation: CheckedContinuation<Void, any Error>
  }

  private struct State {
    var sleepers: [Int: Sleeper] = [:]
    var next = 0
  }

  private let hands: ManualClock
  private let state = Mutex(State())

  package init(_ now: Instant = Instant(milliseconds: 1_800_000_000_000)) {
    hands = ManualClock(now)
  }

  package var now: Instant { hands.now }
  package var steady: Instant { hands.steady }
  package var wallAhead: Int64 { hands.wallAhead }
  package var wallReadings: [Instant] { hands.wallReadings }
  package var uptime: Int64 { hands.uptime }
  package var boot: String { hands.boot }
  package func hasStepped(since moment: Instant) -> Bool { hands.hasStepped(since: moment) }
  package var monotonic: MonotonicInstant { MonotonicInstant(milliseconds: Int(hands.uptime)) }

  package func sleep(milliseconds: Int) async throws {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation {
        (continuation: CheckedContinuation<Void, any Error>) in
        let isOver = state.withLock { state -> Result<Void, any Error>? in
          if Task.isCancelled { return .failure(CancellationError()) }
          let until = monotonic.after(milliseconds: milliseconds)
          guard until > monotonic else { return .success(()) }
          state.sleepers[id] = Sleeper(until: until, continuation: continuation)
          return nil
        }
        if let isOver { continuation.resume(with: isOver) }
      }
    } onCancel: {
      let sleeper = state.withLock { $0.sleepers.removeValue(forKey: id) }
      sleeper?.continuation.resume(throwing: CancellationError())
    }
  }

  /// How long until the next sleeper wakes; nil when nobody sleeps.
  package var untilNextWaking: TimeSpan? {
    state.withLock { $0.sleepers.values.map(\.until).min() }.map {
      TimeSpan(milliseconds: Int64(max(0, $0.milliseconds(since: monotonic))))
    }
  }

  /// Time goes by; whoever has slept long enough is woken, the longest overdue first.
  package func advance(_ span: TimeSpan) {
    hands.advance(span)
    let now = monotonic
    let woken = state.withLock { state in
      let due = state.sleepers.filter { $0.value.until <= now }
        .sorted { ($0.value.until, $0.key) < ($1.value.until, $1.key) }
      for (id, _) in due { state.sleepers[id] = nil }
      return due.map(\.value.continuation)
    }
    for continuation in woken { continuation.resume() }
  }

  /// As when somebody sets the wall clock ahead, or back, by so much.
  package func step(milliseconds: Int64) { hands.step(milliseconds: milliseconds) }
}
