import DocumentKit

/// What one feature's users with it have used, minute by minute over the last hour.
package struct UsageMeter: Sendable, Equatable {
  private static let minutes = 60

  private struct Minute: Sendable, Equatable {
    var number: Int64 = -1
    var requests = 0
    var tokens = 0
    var cost = Money.zero
    /// Whether a request said what it cost.
    var isPriced = false
  }

  private var ring = [Minute](repeating: Minute(), count: minutes)
  private var first: Int64?

  package init() {}

  package mutating func record(_ outcome: Outcome) {
    let number = floorDivide(outcome.at.milliseconds, 60_000)
    let index = Int(number % Int64(Self.minutes))
    guard ring.indices.contains(index), ring[index].number <= number else { return }
    if ring[index].number < number { ring[index] = Minute(number: number) }
    first = min(first ?? number, number)
    ring[index].requests += 1
    ring[index].tokens = ring[index].tokens.adding(outcome.tokens ?? 0)
    if let cost = outcome.cost {
      ring[index].cost = ring[index].cost.adding(cost)
      ring[index].isPriced = true
    }
  }

  /// Rates over the whole minutes of the last hour since `since`; nil while there is none.
  package func rate(since: Instant, now: Instant) -> UsageRate? {
    guard let first else { return nil }
    let current = floorDivide(now.milliseconds, 60_000)
    let entered = floorDivide(since.milliseconds &+ 59_999, 60_000)
    let start = max(first, entered, current - Int64(Self.minutes) + 1)
    guard start < current else { return nil }
    let seen = ring.filter { $0.number >= start && $0.number < current }
    let span = Double(current - start)
    var rate = UsageRate()
    rate.requestsPerMinute = seen.reduce(0) { $0 + Double($1.requests) } / span
    rate.tokensPerMinute = seen.reduce(0) { $0 + Double($1.tokens) } / span
    rate.peakRequests = Double(seen.map(\.requests).max() ?? 0)
    rate.peakTokens = Double(seen.map(\.tokens).max() ?? 0)
    rate.dollarsPerHour = seen.reduce(0) { $0 + $1.cost.dollars } / span * 60
    rate.minutes = Int(current - start)
    rate.isUnpriced = !seen.contains(where: \.isPriced)
    // Of one minute nobody knows how the next will differ: as much as it is itself.
    rate.dollarsPerHourError =
      span < 2 ? rate.dollarsPerHour : deviation(seen, rate.dollarsPerHour / 60, span) * 60
    return rate
  }

  /// The standard error of a mean minute's cost; minutes without requests cost nothing.
  private func deviation(_ seen: [Minute], _ mean: Double, _ span: Double) -> Double {
    let silent = (span - Double(seen.count)) * mean * mean
    let squares = seen.reduce(silent) { sum, minute in
      let off = minute.cost.dollars - mean
      return sum + off * off
    }
    return (squares / (span - 1) / span).squareRoot()
  }
}
