import RolloutCore
import RolloutEvaluation
import Synchronization

/// One loop's view of the plans, with their answers prepared as they are asked for.
///
/// A loop has its own, because the two halves of a shared object's reference count would travel
/// between the cores with every request.
final class ServedSnapshot {
  let snapshot: Snapshot
  private var prepared: [RenderedPlan?]
  private let counters: EvaluationCounters
  /// Plans whose answers are not prepared.
  private var unpreparedCount: Int
  /// What preparing the answers of a plan costs, in the unit of `Rule.cost`.
  private static let preparationCost = 20_000
  /// Plans prepared in passing for a question about all of them.
  private static let preparedAtOnce = 50

  /// Takes over from `previous` what has not changed. O(plans).
  init(_ snapshot: Snapshot, after previous: ServedSnapshot?, counting counters: EvaluationCounters)
  {
    self.snapshot = snapshot
    self.counters = counters
    prepared = Array(repeating: nil, count: snapshot.plans.count)
    unpreparedCount = snapshot.plans.count
    guard let previous else { return }
    var known: [ObjectIdentifier: RenderedPlan] = [:]
    for case let rendered? in previous.prepared {
      known[ObjectIdentifier(rendered.compiled)] = rendered
    }
    guard !known.isEmpty else { return }
    for (index, plan) in snapshot.plans.enumerated() {
      prepared[index] = known[ObjectIdentifier(plan)]
      if prepared[index] != nil { unpreparedCount -= 1 }
    }
  }

  /// The plan at `index` of `snapshot.plans` with its answers.
  func rendered(_ index: Int) -> RenderedPlan {
    if let rendered = prepared[index] { return rendered }
    let compiled = snapshot.plans[index]
    let rendered = RenderedPlan(compiled, counting: counters.counter(compiled.plan.feature))
    prepared[index] = rendered
    unpreparedCount -= 1
    return rendered
  }

  /// What asking the plan at `index` for one user costs, in the unit of `Rule.cost`.
  func cost(_ index: Int) -> Int {
    snapshot.plans[index].evaluator.cost + (prepared[index] == nil ? Self.preparationCost : 0)
  }

  /// What asking all plans for one user costs. Prepares some of them each time it is asked.
  func costOfAll() -> Int {
    let cost = snapshot.cost + unpreparedCount * Self.preparationCost
    if unpreparedCount > 0 {
      var left = Self.preparedAtOnce
      for index in prepared.indices where prepared[index] == nil && left > 0 {
        _ = rendered(index)
        left -= 1
      }
    }
    return cost
  }
}
