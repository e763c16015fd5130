/// Evidence that a stage is healthy, gathered since it began and never restarted: a bet against
/// "the mean is at the limit or above".
///
/// Each observation moves G_k ← G_k·(1 + h_k·(1 − r)); the value is the mean of the four G. A
/// feature whose mean is at its limit or worse reaches G ≥ g with probability 1/g at most (Ville).
package struct HealthyEvidence: Sendable, Equatable {
  /// What an advance asks for, and what the last stage asks for.
  package static let enough = 20.0
  package static let enoughForEveryone = 100.0
  private static let valueMax = 1e12

  private var growth = SIMD4<Double>(repeating: 1)
  private let stakes: SIMD4<Double>
  package private(set) var count = 0

  /// `ratioMax` is the largest ratio an observation can have; it keeps every factor from 0 up.
  package init(ratioMax: Double) {
    stakes = SIMD4(0.4, 0.6, 0.8, 0.95) / max(ratioMax - 1, 0.01)
  }

  package var value: Double { (growth[0] + growth[1] + growth[2] + growth[3]) / 4 }

  package mutating func observe(ratio: Double) {
    count += 1
    let factors = 1 + stakes * (1 - ratio)
    let next = growth * factors.replacing(with: 0, where: factors .< 0)
    growth = next.replacing(with: Self.valueMax, where: next .> Self.valueMax)
  }

  /// How many more observations like `ratio` it takes until the value reaches `target`; nil when
  /// they never would.
  package func remaining(to target: Double, at ratio: Double = 0) -> Int? {
    guard value < target else { return 0 }
    guard ratio < 1 else { return nil }
    var ahead = self
    for step in 1...20_000 {
      ahead.observe(ratio: ratio)
      if ahead.value >= target { return step }
    }
    return nil
  }
}

extension HealthyEvidence {
  func write(to writer: inout StateWriter) {
    writer.int(count)
    for index in growth.indices { writer.double(growth[index]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    count = max(0, try reader.int())
    for index in growth.indices { growth[index] = min(try reader.amount(), Self.valueMax) }
  }
}
