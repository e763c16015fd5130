import PlatformKit
import Synchronization

/// What other threads have to say to libcurl's loop: what becomes of transfers, and jobs of tasks
/// that run there. It is woken only where it sleeps.
final class CurlMailbox: Sendable {
  enum Command {
    case start(Transfer)
    case cancel(Transfer)
    case resume(Transfer)
    case stop
  }

  /// Jobs handed out at once: the first calls of a burst are not to wait for the last to be made
  /// ready before libcurl may send what they ask for.
  private static let jobsMax = 64

  private struct Queue {
    var commands: [Command] = []
    var jobs: [UnownedJob] = []
    /// The loop is awake and will look again before it sleeps.
    var isAwake = true
    /// The loop is gone: nobody will take anything any more.
    var hasEnded = false

    var isEmpty: Bool { commands.isEmpty && jobs.isEmpty }
  }

  private let queue = Mutex(Queue())
  let wakeup: Wakeup

  /// Throws `SystemError`.
  init() throws { wakeup = try Wakeup() }

  /// False when nobody will obey any more.
  @discardableResult
  func post(_ command: Command) -> Bool { append { $0.commands.append(command) } }

  /// False when nobody will run it any more.
  func post(_ job: UnownedJob) -> Bool { append { $0.jobs.append(job) } }

  private func append(_ put: (inout Queue) -> Void) -> Bool {
    let (isTaken, wakes) = queue.withLock { queue in
      guard !queue.hasEnded else { return (false, false) }
      put(&queue)
      defer { queue.isAwake = true }
      return (true, !queue.isAwake)
    }
    if wakes { wakeup.ring() }
    return isTaken
  }

  // MARK: The loop

  /// What has come, jobs up to a bound. When there is nothing, the loop may sleep, and is woken.
  func take() -> (commands: [Command], jobs: ArraySlice<UnownedJob>) {
    queue.withLock { queue in
      queue.isAwake = !queue.isEmpty
      defer {
        queue.commands = []
        queue.jobs.removeFirst(min(Self.jobsMax, queue.jobs.count))
      }
      return (queue.commands, queue.jobs.prefix(Self.jobsMax))
    }
  }

  /// The loop has woken by itself.
  func awake() { queue.withLock { $0.isAwake = true } }

  /// The loop has ended; what nobody has taken.
  func end() -> (commands: [Command], jobs: [UnownedJob]) {
    queue.withLock { queue in
      queue.hasEnded = true
      defer {
        queue.commands = []
        queue.jobs = []
      }
      return (queue.commands, queue.jobs)
    }
  }
}
