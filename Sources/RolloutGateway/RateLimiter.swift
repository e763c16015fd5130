import Synchronization

/// So many requests in a span of time, written `20/min`.
package struct RateLimit: Sendable, Equatable {
  package var count: Int
  /// Milliseconds.
  package var period: Int

  /// Reads `20/s`, `20/min`, `3000/h`, `100/d`; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: "/")
    let periods = ["s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
    guard parts.count == 2, let count = Int(parts[0]), (1...10_000_000).contains(count),
      let period = periods[String(parts[1])]
    else { return nil }
    self.count = count
    self.period = period
  }

  package var text: String {
    let names = [1000: "s", 60_000: "min", 3_600_000: "h", 86_400_000: "d"]
    return "\(count)/\(names[period] ?? "")"
  }
}

/// Limits the requests of each key by the generic cell rate algorithm (ITU-T I.371): a burst of the
/// whole count, then evenly. In memory; a restart forgets it.
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

  /// Keys after which those that have recovered are forgotten.
  private static let keysMax = 100_000

  package let limit: RateLimit
  /// When each key's count would be whole again, in nanoseconds of the caller's clock.
  private let arrivals = Mutex<[String: Int]>([:])

  package init(_ limit: RateLimit) { self.limit = limit }

  /// Counts a request of `key` at `now`, milliseconds of any monotonic clock, if it is allowed.
  package func admit(_ key: String, now: Int) -> Allowance {
    // Nanoseconds: a thousandth of a millisecond apart at three million a second.
    let now = now &* 1_000_000
    let period = limit.period * 1_000_000
    let step = period / limit.count
    return arrivals.withLock { arrivals in
      let next = max(arrivals[key] ?? now, now) + step
      let isAllowed = next - now <= period
      if isAllowed {
        if arrivals.count >= Self.keysMax { arrivals = arrivals.filter { $0.value > now } }
        arrivals[key] = next
      }
      let whole = isAllowed ? next : next - step
      return Allowance(
        isAllowed: isAllowed, remaining: max(0, (period - (whole - now)) / step),
        reset: max(0, whole - now) / 1_000_000,
        retryAfter: isAllowed ? 0 : (next - now - period + 999_999) / 1_000_000)
    }
  }
}
