/// Score D: whether users with the feature fare worse than those without by more than `tolerance`,
/// whatever happens to both over time.
///
/// Outcomes of both arms are gathered into blocks; a block closes when it has at least one of each.
/// With Z = mean of the treatment − mean of control − δ, each of four scores moves
/// R ← (1 + R)(1 + λZ). As blocks close by the order of arms alone, E[Z | past] ≤ 0 while the
/// treatment is at most δ worse, so the chance of reaching A within n blocks is at most n/A.
package struct ArmComparison: Sendable, Equatable {
  /// The score from which the feature itself is to blame.
  package static let decisive = 1e6
  /// One point of a share: what counts as the same trouble.
  package static let tolerance = 0.01
  private static let scoreMax = 1e24

  private struct Block: Sendable, Equatable {
    var count = 0
    var sum = 0.0
    var mean: Double { sum / Double(count) }
  }

  private var treatment = Block()
  private var control = Block()
  private var scores = SIMD4<Double>(repeating: 0)
  private let tolerance: Double
  private let stakes: SIMD4<Double>

  /// `tolerance` is δ, in [0, 1).
  package init(tolerance: Double = Self.tolerance) {
    self.tolerance = tolerance
    stakes = SIMD4(0.10, 0.25, 0.50, 0.90) / (1 + tolerance)
  }

  package var value: Double { (scores[0] + scores[1] + scores[2] + scores[3]) / 4 }

  /// `badness` is in [0, 1]: 1 for an error; for amounts the part of the cap that it reaches.
  package mutating func observe(_ badness: Double, _ arm: Outcome.Arm) {
    switch arm {
    case .treatment:
      treatment.count += 1
      treatment.sum += badness
    case .control:
      control.count += 1
      control.sum += badness
    case .unknown: return
    }
    guard treatment.count > 0, control.count > 0 else { return }
    let difference = treatment.mean - control.mean - tolerance
    let next = (1 + scores) * (1 + stakes * difference)
    scores = next.replacing(with: Self.scoreMax, where: next .> Self.scoreMax)
    treatment = Block()
    control = Block()
  }
}

extension ArmComparison {
  func write(to writer: inout StateWriter) {
    for block in [treatment, control] {
      writer.int(block.count)
      writer.double(block.sum)
    }
    for index in scores.indices { writer.double(scores[index]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    treatment = try Self.block(&reader)
    control = try Self.block(&reader)
    // Both would have closed the block.
    if treatment.count > 0, control.count > 0 { (treatment, control) = (Block(), Block()) }
    for index in scores.indices { scores[index] = min(try reader.amount(), Self.scoreMax) }
  }

  private static func block(_ reader: inout StateReader) throws(StateReader.Truncated) -> Block {
    let count = min(try reader.natural(), 1 << 40)
    return Block(count: count, sum: min(try reader.amount(), Double(count)))
  }
}
