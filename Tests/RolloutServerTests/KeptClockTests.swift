import PlatformKit
import RolloutCore
import Synchronization
import Testing

@testable import RolloutServer

/// A machine whose two clocks tick at different moments of the same millisecond.
private final class TickingClock: MachineTime {
  private let state = Mutex((micros: Int64(1_800_000_000_000_000), set: Int64(0), reads: 0))

  func advance(micros: Int64) { state.withLock { $0.micros += micros } }
  func set(milliseconds: Int64) { state.withLock { $0.set += milliseconds } }

  /// Every reading takes some time itself.
  private func read(_ phase: Int64) -> Int64 {
    state.withLock { state in
      state.reads += 1
      state.micros += Int64(state.reads % 7) * 90
      return (state.micros + phase) / 1000
    }
  }

  var now: Instant { Instant(milliseconds: read(400) + state.withLock { $0.set }) }
  var uptime: Int64 { read(0) }
  var boot: String { "a" }
  var monotonic: MonotonicInstant { MonotonicInstant(milliseconds: Int(read(0))) }
  func sleep(milliseconds: Int) async throws {}
}

@Suite struct KeptClockTests {
  @Test func `what is shown twice is shown with the same time, until the clock is set`() {
    let system = TickingClock()
    let clock = KeptClock(system, resuming: nil)
    let place = clock.steady
    let first = clock.wall(of: place)
    for _ in 0..<2000 {
      system.advance(micros: 777)
      #expect(clock.wall(of: place) == first)
      #expect(clock.steady(of: first) == place)
    }
    // A clock that is put right by a tenth of a second is shown right.
    for step in [100, -3_600_000, 7000] as [Int64] {
      let before = clock.wall(of: place)
      system.set(milliseconds: step)
      let after = clock.wall(of: place)
      #expect(abs(after.milliseconds - before.milliseconds - step) <= 1)
      for _ in 0..<200 {
        system.advance(micros: 777)
        #expect(clock.wall(of: place) == after)
      }
    }
  }
}
