package import RolloutCore
import Synchronization

/// A wall clock that stands still until it is turned.
package final class ManualClock: WallClock {
  private let current: Mutex<Instant>

  package init(_ now: Instant = Instant(milliseconds: 1_800_000_000_000)) { current = Mutex(now) }

  package var now: Instant { current.withLock { $0 } }

  /// As when somebody sets a clock, back too.
  package func set(_ now: Instant) { current.withLock { $0 = now } }

  package func advance(_ span: TimeSpan) { current.withLock { $0 = $0 + span } }
}
