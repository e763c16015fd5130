package import PlatformKit
package import RolloutCore
import Synchronization

/// A clock that stands still until it is turned. Its wall and its steady part move together, until
/// somebody sets the wall clock. Its monotonic part is the machine's: what goes through real
/// sockets takes the time it takes.
package final class ManualClock: SteadyClock, SystemTime, MonotonicClock {
  private struct State {
    var wall: Instant
    var steady: Instant
    /// Steady times at which the wall clock was set, and what it would have said without.
    var stepped: (at: Instant, offsetBefore: Int64)?
    var bootedAt: Int64
    var boots = 1

    var offset: Int64 { wall.milliseconds - steady.milliseconds }
  }

  private let state: Mutex<State>

  package init(_ now: Instant = Instant(milliseconds: 1_800_000_000_000)) {
    state = Mutex(State(wall: now, steady: now, bootedAt: now.milliseconds - 60_000))
  }

  package var now: Instant { state.withLock { $0.wall } }
  package var steady: Instant { state.withLock { $0.steady } }
  package var wallAhead: Int64 { state.withLock { $0.offset } }
  package var uptime: Int64 { state.withLock { $0.steady.milliseconds - $0.bootedAt } }
  package var monotonic: MonotonicInstant { MachineClock.now }
  package var boot: String { state.withLock { "boot-\($0.boots)" } }

  package func sleep(milliseconds: Int) async throws {
    try await MachineClock().sleep(milliseconds: milliseconds)
  }

  /// As when somebody sets the clock, back too.
  package func set(_ now: Instant) {
    state.withLock { state in
      state.stepped = (state.steady, state.offset)
      state.wall = now
    }
  }

  /// As when somebody sets the clock ahead (or back) by so much.
  package func step(milliseconds: Int64) {
    set(Instant(milliseconds: now.milliseconds + milliseconds))
  }

  package func advance(_ span: TimeSpan) {
    state.withLock { state in
      state.wall = state.wall + span
      state.steady = state.steady + span
    }
  }

  /// As when the machine starts again after having been off for so long.
  package func reboot(off: TimeSpan) {
    state.withLock { state in
      state.boots += 1
      state.wall = state.wall + off
      state.bootedAt = state.steady.milliseconds
    }
  }

  package func hasStepped(since moment: Instant) -> Bool {
    state.withLock { $0.stepped.map { $0.at >= moment } ?? false }
  }

  package var wallReadings: [Instant] {
    state.withLock { state in
      guard let stepped = state.stepped else { return [state.wall] }
      return [
        state.wall, Instant(milliseconds: state.steady.milliseconds + stepped.offsetBefore),
      ]
    }
  }
}
