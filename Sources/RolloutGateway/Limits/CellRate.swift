import PlatformKit
import Synchronization

/// The generic cell rate algorithm (ITU-T I.371) for one key: a burst of the whole count, then
/// evenly.
package struct CellRate: Sendable, Equatable {
  /// When the whole count is there again, in nanoseconds of the caller's clock.
  private(set) var wholeAt = 0

  private static let resolution = 1_000_000

  private static func step(_ limit: RateLimit) -> Int {
    max(1, limit.period * resolution / limit.count)
  }

  /// Milliseconds until `cost` is allowed; 0 when it is now. What is dearer than the whole count is
  /// allowed when all of it is there.
  func wait(_ cost: Int, _ limit: RateLimit, now: MonotonicInstant) -> Int {
    let period = limit.period * Self.resolution
    let now = now.milliseconds * Self.resolution
    let price = min(period, max(0, cost).multipliedCapped(by: Self.step(limit)))
    let over = max(wholeAt, now) + price - now - period
    return over <= 0 ? 0 : (over + Self.resolution - 1) / Self.resolution
  }

  /// Counts `cost`; a negative one gives back.
  mutating func take(_ cost: Int, _ limit: RateLimit, now: MonotonicInstant) {
    let price = cost.multipliedCapped(by: Self.step(limit))
    let from = cost < 0 ? wholeAt : max(wholeAt, now.milliseconds * Self.resolution)
    wholeAt = max(0, from &+ price)
  }

  /// How much is left, and the milliseconds until all of it is.
  func state(_ limit: RateLimit, now: MonotonicInstant) -> (remaining: Int, reset: Int) {
    let period = limit.period * Self.resolution
    let used = max(0, wholeAt - now.milliseconds * Self.resolution)
    return (max(0, (period - used) / Self.step(limit)), used / Self.resolution)
  }
}
