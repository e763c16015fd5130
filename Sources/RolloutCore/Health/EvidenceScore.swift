/// Shiryaev–Roberts e-detector over a 0/1 series, mixed over four stakes.
///
/// Each observation x ∈ {0, 1} moves R ← (1 + R)·(1 − f + f·x/limit); the score is the mean of the
/// four R. As long as the conditional mean of x is at most `limit`, the chance that the score
/// reaches A within n observations is at most n/A (Shin, Ramdas, Rinaldo: E-detectors).
package struct EvidenceScore: Sendable, Equatable {
  package private(set) var scores: [Double] = [0, 0, 0, 0]
  private let onBad: [Double]
  private let onGood: [Double]

  /// `limit` is a fraction in (0, 1).
  package init(limit: Double) {
    let stakes = [0.6, 1.4, 4, 12].map { min(0.9, $0 * limit) }
    onBad = stakes.map { 1 - $0 + $0 / limit }
    onGood = stakes.map { 1 - $0 }
  }

  package var value: Double { (scores[0] + scores[1] + scores[2] + scores[3]) / 4 }

  package mutating func observe(bad: Bool) {
    let factors = bad ? onBad : onGood
    // Clamped far above any threshold: the product of a long outage must stay finite.
    for index in scores.indices { scores[index] = min((1 + scores[index]) * factors[index], 1e24) }
  }

  package mutating func reset() { scores = [0, 0, 0, 0] }
}

extension EvidenceScore {
  func write(to writer: inout StateWriter) {
    for score in scores { writer.word(score.bitPattern) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for index in scores.indices {
      let value = Double(bitPattern: try reader.word())
      // A damaged file must not raise an alarm that no traffic earned.
      scores[index] = value.isFinite && value >= 0 ? min(value, 1e24) : 0
    }
  }
}
