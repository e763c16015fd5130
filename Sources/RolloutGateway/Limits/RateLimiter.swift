package import PlatformKit
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

extension Int {
  /// Stops where twice as much could still be added.
  fileprivate func multipliedCapped(by other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    let bound = Int.max / 4
    return overflow ? (self < 0 ? -bound : bound) : Swift.max(-bound, Swift.min(bound, product))
  }
}

/// Limits the requests of each user of each app, or of each app. In memory; a restart forgets it.
///
/// No request walks through those of others, and no app takes more than its room.
package final class RateLimiter: Sendable {
  /// What a key may still do.
  package struct Allowance: Sendable, Equatable {
    package var isAllowed: Bool
    package var remaining: Int
    /// Milliseconds until the whole count is there again.
    package var reset: Int
    /// Milliseconds until the next request is allowed; 0 when it is now.
    package var retryAfter: Int
  }

  package let limit: RateLimit
  private let apps = Mutex<[String: RestingUsers]>([:])

  package init(_ limit: RateLimit) { self.limit = limit }

  /// Counts a request of a user of `app` if it is allowed. An empty user is the
  /// app itself. O(1).
  package func admit(_ user: String, of app: String = "", now: MonotonicInstant) -> Allowance {
    // Seeded anew by every process: nobody can look for a name that shares another's place.
    var hasher = Hasher()
    hasher.combine(user)
    let key = hasher.finalize()
    return apps.withLock { apps in
      apps[app, default: RestingUsers(since: now)].forgetRested(period: limit.period, now: now)
      var rate = apps[app]?[key] ?? CellRate()
      let wait = rate.wait(1, limit, now: now)
      if wait == 0 {
        rate.take(1, limit, now: now)
        apps[app]?[key] = rate
      }
      let (remaining, reset) = rate.state(limit, now: now)
      return Allowance(
        isAllowed: wait == 0, remaining: remaining, reset: reset, retryAfter: wait)
    }
  }
}
