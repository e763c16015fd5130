import RolloutEvaluation

/// All plans at one moment, found by feature key. Immutable; swapped whole on every change.
package final class Snapshot: Sendable {
  /// Sorted by feature key.
  package let plans: [CompiledPlan]
  /// Changes whenever any plan or cohort changes; never repeats within a process.
  package let revision: Int
  /// What deciding on all of them for one user may cost, in the unit of `Rule.cost`.
  package let cost: Int
  private let places: FeatureIndex

  package init(plans: [CompiledPlan], revision: Int) {
    self.plans = plans.sorted {
      $0.plan.feature.utf8.lexicographicallyPrecedes($1.plan.feature.utf8)
    }
    cost = plans.reduce(0) { $0 + $1.evaluator.cost }
    self.revision = revision
    places = FeatureIndex(self.plans.map(\.plan.feature))
  }

  package static let empty = Snapshot(plans: [], revision: 0)

  /// Where in `plans` a feature key given as UTF-8 stands; nil when there is none. O(1), no
  /// allocation.
  package func index(_ key: Span<UInt8>) -> Int? { places.place(of: key) }

  package func plan(_ feature: String) -> CompiledPlan? {
    let key = Array(feature.utf8)
    return index(key.span).map { plans[$0] }
  }
}
