import PlatformKit

/// libcurl on a thread of its own: what other threads hold of it. Everything they have to say goes
/// through the mailbox; the loop behind it belongs to its thread alone.
///
/// It is an executor too: a task that runs there is handed its answers without a change of threads.
final class CurlEngine: TaskExecutor, Sendable {
  private let mailbox: CurlMailbox

  /// Starts the thread, which lasts until `stop`. Throws `HTTPFailure`, or `SystemError`.
  init(caFile: String, descriptors: DescriptorShare) throws {
    mailbox = try CurlMailbox()
    let loop = try CurlLoop(caFile: caFile, descriptors: descriptors, mailbox: mailbox)
    startThread(named: "curl") { [self] in loop.run(on: self) }
  }

  func stop() { mailbox.post(.stop) }

  /// Begins a call, whose outcome its transfer hears of.
  func start(_ call: HTTPCall, buffersWhole: Bool) -> Transfer {
    let transfer = Transfer(call, mailbox: mailbox, buffersWhole: buffersWhole)
    if !mailbox.post(.start(transfer)) { transfer.finish(.cancelled) }
    return transfer
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    // Every task has to end, also one that hears of it after the loop has.
    guard !mailbox.post(job) else { return }
    startThread(named: "late") { [self] in job.runSynchronously(on: asUnownedTaskExecutor()) }
  }
}
