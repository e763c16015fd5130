import Glibc

/// Where deadlines and durations of one process come from; injected, so that tests and simulations
/// can turn it.
package protocol MonotonicClock: Sendable {
  var monotonic: MonotonicInstant { get }

  /// Returns once so much time has gone by on this clock. Throws `CancellationError` at once when
  /// the task is cancelled.
  func sleep(milliseconds: Int) async throws
}

/// The clock of the machine. Cheap: the kernel keeps it where it can be read without a call.
package struct MachineClock: MonotonicClock {
  package init() {}

  package static var now: MonotonicInstant { MonotonicInstant(CLOCK_MONOTONIC) }

  /// As of the last tick (4 ms or better): a read of memory.
  package static var coarseNow: MonotonicInstant { MonotonicInstant(CLOCK_MONOTONIC_COARSE) }

  package var monotonic: MonotonicInstant { Self.now }

  package func sleep(milliseconds: Int) async throws {
    try await Task.sleep(for: .milliseconds(milliseconds))
  }
}

extension MonotonicInstant {
  fileprivate init(_ clock: clockid_t) {
    var time = timespec()
    clock_gettime(clock, &time)
    self.init(milliseconds: time.tv_sec * 1000 + time.tv_nsec / 1_000_000)
  }
}
