import RolloutCore
import Synchronization

/// One loop's view of the plans, with their answers prepared as they are asked for.
///
/// A loop has its own, because the two halves of a shared object's reference count would travel
/// between the cores with every request.
final class ServedSnapshot {
  let snapshot: Snapshot
  private var prepared: [RenderedPlan?]
  private let counters: EvaluationCounters

  /// Takes over from `previous` what has not changed. O(plans).
  init(_ snapshot: Snapshot, after previous: ServedSnapshot?, counting counters: EvaluationCounters)
  {
    self.snapshot = snapshot
    self.counters = counters
    prepared = Array(repeating: nil, count: snapshot.plans.count)
    guard let previous else { return }
    var known: [ObjectIdentifier: RenderedPlan] = [:]
    for case let rendered? in previous.prepared {
      known[ObjectIdentifier(rendered.plan)] = rendered
    }
    guard !known.isEmpty else { return }
    for (index, plan) in snapshot.plans.enumerated() {
      prepared[index] = known[ObjectIdentifier(plan)]
    }
  }

  /// The plan at `index` of `snapshot.plans` with its answers.
  func rendered(_ index: Int) -> RenderedPlan {
    if let rendered = prepared[index] { return rendered }
    let plan = snapshot.plans[index]
    let rendered = RenderedPlan(plan, counting: counters.counter(plan.plan.feature))
    prepared[index] = rendered
    return rendered
  }
}

/// The current snapshot, shared by all loops. Readers look at `revision` (one atomic load) and take
/// the snapshot itself only when it has changed.
final class SnapshotBox: Sendable {
  private let current: Mutex<Snapshot>
  private let published: Atomic<Int>

  init(_ snapshot: Snapshot = .empty) {
    current = Mutex(snapshot)
    published = Atomic(snapshot.revision)
  }

  var revision: Int { published.load(ordering: .acquiring) }
  var snapshot: Snapshot { current.withLock { $0 } }

  func publish(_ snapshot: Snapshot) {
    current.withLock { $0 = snapshot }
    published.store(snapshot.revision, ordering: .releasing)
  }
}
