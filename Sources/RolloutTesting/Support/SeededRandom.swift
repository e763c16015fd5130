/// A generator whose numbers follow from its seed: SplitMix64 (Steele, Lea, Flood).
package struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// In 0..<1.
  package mutating func unit() -> Double { Double(next() >> 11) / Double(1 << 53) }

  package mutating func chance(_ probability: Double) -> Bool { unit() < probability }

  /// In 0..<bound; `bound` must be positive.
  package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
}
