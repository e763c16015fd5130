/// What nobody knows exactly: the best guess, and the bounds within which it lies in 95 of 100
/// cases.
package struct Estimate: Sendable, Equatable {
  package let value: Double
  package let low: Double
  package let high: Double

  /// Standard errors on each side.
  private static let z = 1.96
  /// From this standard deviation on the normal curve says the same.
  private static let exactMax = 500.0

  init(value: Double, low: Double, high: Double) {
    self.value = value
    self.low = low
    self.high = high
  }

  /// A guess with its relative standard error; it never falls below nothing.
  init(_ value: Double, relativeError: Double) {
    let factor = 1 + Self.z * relativeError
    self.init(value: value, low: value / factor, high: value * factor)
  }

  /// How many of so many draws succeed, each by itself with the same chance: the quantiles of the
  /// binomial distribution.
  package static func binomial(_ count: Int, chance: Double) -> Estimate {
    let mean = Double(count) * chance
    guard count > 0, chance > 0, chance < 1 else {
      return Estimate(value: mean, low: mean, high: mean)
    }
    let deviation = (mean * (1 - chance)).squareRoot()
    guard deviation < exactMax else {
      return Estimate(
        value: mean, low: max(0, (mean - z * deviation).rounded()),
        high: min(Double(count), (mean + z * deviation).rounded()))
    }
    // Weights from the likeliest number on, as multiples of its own.
    let mode = min(count, Int(Double(count + 1) * chance))
    let odds = chance / (1 - chance)
    var below: [Double] = []
    var above: [Double] = []
    var weight = 1.0
    for number in stride(from: mode, to: 0, by: -1) {
      weight *= Double(number) / (Double(count - number + 1) * odds)
      guard weight > 1e-15 else { break }
      below.append(weight)
    }
    weight = 1
    for number in mode..<count {
      weight *= Double(count - number) / Double(number + 1) * odds
      guard weight > 1e-15 else { break }
      above.append(weight)
    }
    let weights: [Double] = Array(below.reversed()) + [1.0] + above
    let tail = weights.reduce(0, +) * 0.025
    let low = mode - below.count + skipped(weights, upTo: tail)
    let high = mode + above.count - skipped(Array(weights.reversed()), upTo: tail)
    return Estimate(value: mean, low: Double(low), high: Double(high))
  }

  /// How many of the first weights are no more than `tail` together.
  private static func skipped(_ weights: [Double], upTo tail: Double) -> Int {
    var sum = 0.0
    return weights.prefix { weight in
      sum += weight
      return sum <= tail
    }.count
  }

  /// The share behind so many of a sample (Wilson 1927).
  package static func share(_ hits: Int, of count: Int) -> Estimate {
    guard count > 0 else { return Estimate(value: 0, low: 0, high: 1) }
    let n = Double(count)
    let p = Double(hits) / n
    let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
    return Estimate(value: p, low: max(0, centre - half), high: min(1, centre + half))
  }

  package static func * (a: Estimate, factor: Double) -> Estimate {
    Estimate(value: a.value * factor, low: a.low * factor, high: a.high * factor)
  }
}
