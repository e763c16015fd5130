/// Whether errors fall on the treatment arm more often than its share of the traffic explains.
///
/// Conditions on each error and asks which arm it fell in, so that the common error level may do
/// what it likes (Lindon, Malek). When the treatment is at most twice as bad as control, an error
/// is the treatment's with probability at most th = 2π / (2π + 1 − π), where π is its share of
/// requests.
package struct ErrorSplit: Sendable, Equatable {
  /// The score from which the rollout itself is to blame.
  package static let decisive = 100.0
  /// How many times worse than control still counts as the same trouble.
  private static let tolerance = 2.0
  private static let scoreMax = 1e24

  private var scores = SIMD4<Double>(repeating: 0)

  package init() {}

  /// The fourth lane stays 0: three stakes.
  package var value: Double { (scores[0] + scores[1] + scores[2]) / 3 }

  /// `share` is the treatment's share of requests, in (0, 1).
  package mutating func observe(treatment: Bool, share: Double) {
    let bad = Self.tolerance * share
    let null = min(max(bad / (bad + 1 - share), 1e-6), 1 - 1e-6)
    let quota = null + (1 - null) * SIMD4(0.35, 0.65, 0.92, 0)
    let factors = treatment ? quota / null : (1 - quota) / (1 - null)
    var next = (1 + scores) * factors
    next[3] = 0
    scores = next.replacing(with: Self.scoreMax, where: next .> Self.scoreMax)
  }

  package mutating func reset() { scores = SIMD4(repeating: 0) }
}

extension ErrorSplit {
  func write(to writer: inout StateWriter) {
    for index in 0..<3 { writer.double(scores[index]) }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for index in 0..<3 { scores[index] = min(try reader.amount(), Self.scoreMax) }
  }
}

/// The measured share of the treatment in the last few thousand requests: heavy users make the
/// nominal percentage misleading.
package struct ArmShares: Sendable, Equatable {
  /// Requests after which both counts are halved.
  private static let memory = 4000

  private var treatment = 0
  private var control = 0

  package init() {}

  package mutating func record(_ arm: Outcome.Arm) {
    switch arm {
    case .treatment: treatment += 1
    case .control: control += 1
    }
    if treatment + control >= Self.memory {
      treatment /= 2
      control /= 2
    }
  }

  /// nil without control traffic: then there is nothing to compare with.
  package var treatmentShare: Double? {
    guard control > 0 else { return nil }
    return Double(treatment) / Double(treatment + control)
  }

  func write(to writer: inout StateWriter) {
    writer.int(treatment)
    writer.int(control)
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    treatment = min(max(0, try reader.int()), Self.memory)
    control = min(max(0, try reader.int()), Self.memory)
  }
}
