/// How many people stand behind some counts: N = (Σe)² / Σe² over the counts e of each.
/// 44 people with one error each are 44; one with forty and four with one are 1.2.
package struct EffectiveUsers: Sendable, Equatable {
  private var sum = 0.0
  private var squares = 0.0

  package init() {}

  /// Someone with so many.
  package mutating func add(_ count: Int) {
    sum += Double(count)
    squares += Double(count) * Double(count)
  }

  /// So many people with one each.
  package mutating func add(singles: Int) {
    sum += Double(singles)
    squares += Double(singles)
  }

  /// One more of somebody who had `before`.
  mutating func grow(from before: Int) {
    sum += 1
    squares += 2 * Double(before) + 1
  }

  package var value: Double { squares > 0 ? sum * sum / squares : 0 }
}
