/// Shiryaev–Roberts e-detector, mixed over four stakes.
///
/// Each observation's badness ratio r = x / limit moves R ← (1 + R)·(1 − f + f·r); the score is the
/// mean of the four R. As long as the conditional mean of x is at most the limit, the chance that
/// the score reaches A within n observations is at most n/A (Shin, Ramdas, Rinaldo: E-detectors).
package struct AlarmScore: Sendable, Equatable {
  /// Far above any threshold: the product of a long outage must stay finite.
  private static let scoreMax = 1e24

  package private(set) var scores = SIMD4<Double>(repeating: 0)
  private let stakes: SIMD4<Double>

  /// For 0/1 observations; `share` is the limit, a fraction in (0, 1).
  package init(share: Double) {
    let stakes = SIMD4(0.6, 1.4, 4, 12) * share
    self.stakes = stakes.replacing(with: 0.9, where: stakes .> 0.9)
  }

  /// For means of capped amounts, whose limit may be any positive number.
  package static let ofAmounts = AlarmScore(stakes: SIMD4(0.10, 0.25, 0.50, 0.90))

  private init(stakes: SIMD4<Double>) { self.stakes = stakes }

  package var value: Double { (scores[0] + scores[1] + scores[2] + scores[3]) / 4 }

  /// `ratio` is the observation over its limit: 0 when nothing was wrong, above 1 when it is worse
  /// than allowed.
  package mutating func observe(ratio: Double) {
    let factors = 1 - stakes + stakes * ratio
    let next = (1 + scores) * factors
    scores = next.replacing(with: Self.scoreMax, where: next .> Self.scoreMax)
  }

  package mutating func reset() { scores = SIMD4(repeating: 0) }
}

extension AlarmScore {
  func write(to writer: inout StateWriter) {
    for index in scores.indices { writer.double(scores[index]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for index in scores.indices {
      // A damaged file must not raise an alarm that no traffic earned.
      scores[index] = min(try reader.amount(), Self.scoreMax)
    }
  }
}
