import RolloutCore
import RolloutEvaluation
import Synchronization

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
