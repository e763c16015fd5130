/// Evidence that a stage is healthy now: a bet against "the mean is at the limit or above".
///
/// Each observation moves G_k ← G_k·(1 + h_k·(1 − r)); the value is the mean of the four G. A
/// feature whose mean is at its limit or worse reaches G ≥ g with probability 1/g at most (Ville).
/// Each G_k is capped at ten times what is asked for, so that long good days cannot outweigh a bad
/// hour: after the cap three errors close the gate again.
package struct HealthScore: Sendable, Equatable {
  /// What an advance asks for, and what the last stage asks for.
  package static let enough = 20.0
  package static let enoughForEveryone = 100.0
  private static let headroom = 10.0

  private var growth = SIMD4<Double>(repeating: 1)
  private let stakes: SIMD4<Double>
  /// The value at which there is enough.
  package let needed: Double
  package private(set) var count = 0

  /// `ratioMax` is the largest ratio an observation can have; it keeps every factor from 0 up.
  package init(ratioMax: Double, needed: Double = Self.enough) {
    stakes = SIMD4(0.4, 0.6, 0.8, 0.95) / max(ratioMax - 1, 0.01)
    self.needed = needed
  }

  package var value: Double { (growth[0] + growth[1] + growth[2] + growth[3]) / 4 }
  package var isEnough: Bool { value >= needed }

  package mutating func observe(ratio: Double) {
    count += 1
    let factors = 1 + stakes * (1 - ratio)
    let next = growth * factors.replacing(with: 0, where: factors .< 0)
    growth = next.replacing(with: Self.headroom * needed, where: next .> Self.headroom * needed)
  }

  package mutating func reset() {
    growth = SIMD4(repeating: 1)
    count = 0
  }

  /// How many more observations like `ratio` it takes until it is `enough`, by default the needed;
  /// nil when they never would be.
  package func remaining(at ratio: Double = 0, until enough: Double? = nil) -> Int? {
    let enough = enough ?? needed
    guard value < enough else { return 0 }
    guard ratio < 1 else { return nil }
    var ahead = self
    for step in 1...20_000 {
      ahead.observe(ratio: ratio)
      if ahead.value >= enough { return step }
    }
    return nil
  }
}

extension HealthScore {
  func write(to writer: inout StateWriter) {
    writer.int(count)
    for index in growth.indices { writer.double(growth[index]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    count = try reader.natural()
    for index in growth.indices { growth[index] = min(try reader.amount(), Self.headroom * needed) }
  }
}
