import Glibc
import Synchronization

/// Threads of low priority for long work without waiting. Where they share a core with an event
/// loop, the loop comes first.
package final class QuietThreads: Sendable {
  /// The process's own, started with the first work.
  package static let process = QuietThreads()

  /// Added to the threads' nice value.
  private static let niceness: Int32 = 10

  /// Works that have been taken are forgotten together, once there are so many.
  private static let takenMax = 64

  private struct Queue {
    var works: [@Sendable () -> Void] = []
    /// Works before this one have been taken.
    var next = 0
  }

  private let queue = Mutex(Queue())
  /// Counts works that nobody has taken.
  private let semaphore = Semaphore()

  /// Starts threads that last as long as the process: half as many as there are processors.
  package convenience init() { self.init(count: max(1, processorCount() / 2)) }

  init(count: Int) {
    for index in 0..<count {
      startThread(named: "quiet-\(index)") { [self] in
        // On Linux a nice value is the calling thread's, not the process's.
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        while true { runNext() }
      }
    }
  }

  /// Queues `work`; the caller bounds how much of it there is.
  package func run(_ work: @escaping @Sendable () -> Void) {
    queue.withLock { $0.works.append(work) }
    semaphore.put()
  }

  private func runNext() {
    guard semaphore.take() else { return }
    let work = queue.withLock { queue -> (@Sendable () -> Void)? in
      guard queue.next < queue.works.count else { return nil }
      let work = queue.works[queue.next]
      queue.next += 1
      if queue.next == queue.works.count || queue.next == Self.takenMax {
        queue.works.removeFirst(queue.next)
        queue.next = 0
      }
      return work
    }
    work?()
  }
}
