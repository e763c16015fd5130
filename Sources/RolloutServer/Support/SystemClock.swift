import Glibc
import PlatformKit
import RolloutCore

/// The clocks of the machine.
struct SystemClock: MachineTime {
  private let machine = MachineClock()

  /// Changes with every start of the machine, and with nothing else.
  let boot = machineBoot ?? ""

  var now: Instant { Instant(milliseconds: Self.milliseconds(CLOCK_REALTIME)) }

  /// Goes on while the machine sleeps: a night's sleep is a night's soak.
  var uptime: Int64 { Self.milliseconds(CLOCK_BOOTTIME) }

  var monotonic: MonotonicInstant { machine.monotonic }

  func sleep(milliseconds: Int) async throws { try await machine.sleep(milliseconds: milliseconds) }

  private static func milliseconds(_ clock: clockid_t) -> Int64 {
    var time = timespec()
    clock_gettime(clock, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }
}
