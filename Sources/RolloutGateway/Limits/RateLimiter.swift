package import PlatformKit
import Synchronization

extension Int {
  /// Stops where twice as much could still be added.
  func multipliedCapped(by other: Int) -> Int {
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
