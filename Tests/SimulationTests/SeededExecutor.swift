import RolloutTesting
import Synchronization

/// Runs jobs one at a time on the calling thread, in an order that follows from a seed: every
/// interleaving of a run can be had again.
///
/// `@unchecked Sendable` needs no proof beyond the mutex: `TaskExecutor` asks for Sendable, and all
/// state is behind it.
final class SeededExecutor: TaskExecutor, Sendable {
  private let ready = Mutex<[UnownedJob]>([])

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    ready.withLock { $0.append(job) }
  }

  /// Runs up to `count` jobs; false once nothing is ready.
  func run(_ count: Int, _ random: inout SeededRandom) -> Bool {
    for _ in 0..<count {
      let choice = random.next()
      let job = ready.withLock { ready -> UnownedJob? in
        guard !ready.isEmpty else { return nil }
        return ready.remove(at: Int(choice % UInt64(ready.count)))
      }
      guard let job else { return false }
      job.runSynchronously(on: asUnownedTaskExecutor())
    }
    return true
  }

  func runUntilIdle(_ random: inout SeededRandom) {
    while run(64, &random) {}
  }

  /// Starts a task whose every step this executor runs.
  func start(_ body: @escaping @Sendable () async -> Void) {
    Task(executorPreference: self) { await body() }
  }
}
