/// All plans at one moment, found by feature key. Immutable; swapped whole on every change.
package final class Snapshot: Sendable {
  /// Sorted by feature key.
  package let plans: [CompiledPlan]
  /// Changes whenever any plan or cohort changes; never repeats within a process.
  package let revision: Int
  /// What deciding on all of them for one user may cost, in the unit of `Rule.cost`.
  package let cost: Int
  /// Plan index + 1 by hash, 0 when free; at most half full.
  private let table: [Int32]

  package init(plans: [CompiledPlan], revision: Int) {
    let sorted = plans.sorted {
      $0.plan.feature.utf8.lexicographicallyPrecedes($1.plan.feature.utf8)
    }
    var capacity = 8
    while capacity < sorted.count * 2 { capacity *= 2 }
    var table = [Int32](repeating: 0, count: capacity)
    for (index, plan) in sorted.enumerated() {
      let key = plan.key
      var slot = Int(Murmur3.hash(key.span)) & (capacity - 1)
      while table[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
      table[slot] = Int32(index + 1)
    }
    self.plans = sorted
    cost = sorted.reduce(0) { $0 + $1.cost }
    self.revision = revision
    self.table = table
  }

  package static let empty = Snapshot(plans: [], revision: 0)

  package func plan(_ key: Span<UInt8>) -> CompiledPlan? { index(key).map { plans[$0] } }

  /// Where in `plans` a feature key given as UTF-8 stands; nil when there is none. O(1), no
  /// allocation.
  package func index(_ key: Span<UInt8>) -> Int? {
    var slot = Int(Murmur3.hash(key)) & (table.count - 1)
    while table[slot] != 0 {
      let index = Int(table[slot]) - 1
      if equals(plans[index].key, key) { return index }
      slot = (slot + 1) & (table.count - 1)
    }
    return nil
  }

  package func plan(_ feature: String) -> CompiledPlan? {
    let key = Array(feature.utf8)
    return plan(key.span)
  }

  private func equals(_ a: [UInt8], _ b: Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    for index in b.indices where a[index] != b[index] { return false }
    return true
  }
}
