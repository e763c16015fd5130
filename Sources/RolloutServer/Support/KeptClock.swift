import PlatformKit
import RolloutCore
import Synchronization

/// The server's clock: the wall clock as it is, a steady one that goes on over restarts, and the
/// machine's monotonic one.
final class KeptClock: ServerClock {
  private struct State {
    /// What the wall clock was ahead of the steady one at the last look, and when that was.
    var offset: Int64
    var lookedAt: Int64
    /// What it is shown as ahead.
    var shown: Int64
    var lastStep: ClockStep?
    /// Steps that nobody has been told of.
    var untold: [ClockStep] = []
  }

  private let system: any MachineTime
  /// What the steady clock is ahead of `uptime`.
  private let base: Int64
  private let state: Mutex<State>

  /// Goes on from where an earlier process was; nil is the first start.
  init(_ system: any MachineTime, resuming checkpoint: ClockCheckpoint?) {
    self.system = system
    let reading = ClockReading(wall: system.now, uptime: system.uptime, boot: system.boot)
    let start = ClockCheckpoint.resume(checkpoint, at: reading)
    base = start.steady.milliseconds &- reading.uptime
    let offset = reading.wall.milliseconds &- start.steady.milliseconds
    var state = State(
      offset: offset, lookedAt: reading.uptime, shown: offset, lastStep: start.lastStep)
    if let step = start.lastStep, step != checkpoint?.lastStep { state.untold = [step] }
    self.state = Mutex(state)
  }

  var now: Instant { system.now }
  var monotonic: MonotonicInstant { system.monotonic }

  func sleep(milliseconds: Int) async throws { try await system.sleep(milliseconds: milliseconds) }

  var steady: Instant { Instant(milliseconds: base &+ system.uptime) }

  var wallAhead: Int64 {
    state.withLock { state in
      look(&state)
      return state.shown
    }
  }

  var checkpoint: ClockCheckpoint {
    let reading = ClockReading(wall: system.now, uptime: system.uptime, boot: system.boot)
    let steady = Instant(milliseconds: base &+ reading.uptime)
    return ClockCheckpoint(
      steady: steady, reading: reading, lastStep: state.withLock { $0.lastStep }, latest: steady)
  }

  /// Two readings of unchanged clocks may differ by so many milliseconds.
  private static let jitter: Int64 = 20

  /// Compares the clocks; both are read under the lock, so that no look is older than the last.
  private func look(_ state: inout State) {
    let uptime = system.uptime
    let offset = system.now.milliseconds &- (base &+ uptime)
    // A thread that was put aside between the two readings has read nothing.
    let isExact = system.uptime &- uptime < Self.jitter
    if isExact, (offset &- state.shown).magnitude > Self.jitter { state.shown = offset }
    let ahead = offset &- state.offset
    let tolerance = ClockCheckpoint.tolerance(over: uptime &- state.lookedAt)
    state.lookedAt = uptime
    state.offset = offset
    guard ahead.magnitude > tolerance.magnitude else { return }
    let step = ClockStep(at: Instant(milliseconds: base &+ uptime), milliseconds: ahead)
    state.lastStep = step
    state.untold.append(step)
  }

  func hasStepped(since moment: Instant) -> Bool {
    state.withLock { state in
      look(&state)
      return state.lastStep.map { $0.at >= moment } ?? false
    }
  }

  var wallReadings: [Instant] {
    let step = state.withLock { state in
      look(&state)
      return state.lastStep
    }
    let now = now
    guard let step else { return [now] }
    return [now, Instant(milliseconds: now.milliseconds &- step.milliseconds)]
  }

  /// Steps noticed since the last call.
  func takeSteps() -> [ClockStep] {
    state.withLock { state in
      look(&state)
      defer { state.untold = [] }
      return state.untold
    }
  }
}
