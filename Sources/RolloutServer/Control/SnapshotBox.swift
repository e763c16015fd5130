import RolloutCore
import Synchronization

/// A snapshot with the answers of its plans prepared.
final class ServedSnapshot: Sendable {
  let snapshot: Snapshot
  /// In the order of `snapshot.plans`.
  let rendered: [RenderedPlan]

  /// Takes over from `previous` what has not changed.
  init(_ snapshot: Snapshot, after previous: ServedSnapshot?) {
    self.snapshot = snapshot
    var known: [ObjectIdentifier: RenderedPlan] = [:]
    for rendered in previous?.rendered ?? [] { known[ObjectIdentifier(rendered.plan)] = rendered }
    rendered = snapshot.plans.map { known[ObjectIdentifier($0)] ?? RenderedPlan($0) }
  }
}

/// The current snapshot, shared by all loops. Readers look at `revision` (one atomic load) and take
/// the snapshot itself only when it has changed.
final class SnapshotBox: Sendable {
  private let current: Mutex<ServedSnapshot>
  private let published: Atomic<Int>

  init(_ snapshot: Snapshot = .empty) {
    current = Mutex(ServedSnapshot(snapshot, after: nil))
    published = Atomic(snapshot.revision)
  }

  var revision: Int { published.load(ordering: .acquiring) }
  var served: ServedSnapshot { current.withLock { $0 } }
  var snapshot: Snapshot { served.snapshot }

  func publish(_ snapshot: Snapshot) {
    current.withLock { $0 = ServedSnapshot(snapshot, after: $0) }
    published.store(snapshot.revision, ordering: .releasing)
  }
}
