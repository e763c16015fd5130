/// Keeps the steady timeline over restarts.
///
/// Promises: what was kept last is there after a crash or a power loss; `latest` never goes back,
/// whoever writes it. One row, so every call costs the same; keeping is not ended by cancelling who
/// waits for it. Throws `StoreError`.
package protocol ClockStore: Sendable {
  /// nil before the first start, and for what no clock can have written.
  func loadClock() async throws -> ClockCheckpoint?
  func keep(_ checkpoint: ClockCheckpoint) async throws
}

/// What the machine said about time at one moment.
package struct ClockReading: Sendable, Equatable {
  package var wall: Instant
  package var uptime: Int64
  package var boot: String

  package init(wall: Instant, uptime: Int64, boot: String) {
    self.wall = wall
    self.uptime = uptime
    self.boot = boot
  }

  package init(_ system: some SystemTime) {
    self.init(wall: system.now, uptime: system.uptime, boot: system.boot)
  }
}

/// A step of the wall clock: somebody, or a time service, has set it.
package struct ClockStep: Sendable, Equatable {
  /// When it was noticed, on the steady timeline.
  package var at: Instant
  /// Milliseconds by which it was set ahead; negative is back.
  package var milliseconds: Int64

  package init(at: Instant, milliseconds: Int64) {
    self.at = at
    self.milliseconds = milliseconds
  }
}
