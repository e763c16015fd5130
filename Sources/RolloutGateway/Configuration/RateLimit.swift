/// So many requests in a span of time, written `20/min`.
package struct RateLimit: Sendable, Equatable {
  package var count: Int
  /// Milliseconds.
  package var period: Int

  /// At least 100 ns from one to the next: finer than that the rate would not be exact.
  private static let perMillisecondMax = 10_000

  /// Reads `20/s`, `20/min`, `3000/h`, `100/d`; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(separator: "/")
    let periods = ["s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000]
    guard parts.count == 2, let count = Int(parts[0]), count > 0,
      let period = periods[String(parts[1])], count <= period * Self.perMillisecondMax
    else { return nil }
    self.count = count
    self.period = period
  }

  /// `count` in so many minutes; both above zero.
  package init(count: Int, perMinutes minutes: Int) {
    self.count = count
    period = minutes * 60_000
  }

  package var text: String {
    let names = [1000: "s", 60_000: "min", 3_600_000: "h", 86_400_000: "d"]
    return "\(count)/\(names[period] ?? "")"
  }

  /// How many a minute allows in the long run.
  package var perMinute: Double { Double(count) * 60_000 / Double(period) }
}
