internal import CCurl
internal import CPlatform
import Glibc
import Synchronization

/// libcurl on one thread, driven by epoll; commands come through a queue.
///
/// It is an executor too: a task that runs here is handed its answers without a change of threads.
///
/// `@unchecked Sendable`: the fields below `// loop` are touched by the engine's thread only;
/// `queue` is a mutex and the descriptors are immutable.
final class CurlEngine: TaskExecutor, @unchecked Sendable {
  enum Command {
    case start(Transfer)
    case cancel(Transfer)
    case resume(Transfer)
    case stop
  }

  /// Jobs done before libcurl may send what they asked for: the first calls of a burst are not to
  /// wait for the last to be made ready.
  private static let jobsMax = 64
  /// Times the queue is looked at before sockets are looked at again.
  private static let roundsMax = 8
  /// Milliseconds between looks at first-byte and idle deadlines.
  private static let sweepInterval = 50
  /// Calls are spread over so many multi handles, if each may have `connectionsMin`.
  private static let multisMax = 16
  private static let connectionsMin = 128
  /// Connections kept that no call uses; fewer than calls in flight would close one at each end of
  /// a call.
  private static let idleMax = 4096

  private static let initialized: Bool = cc_global_init() == CURLE_OK
  private static let unusable = HTTPFailure.unreachable("libcurl could not be initialised")

  private struct Queue {
    var commands: [Command] = []
    var jobs: [UnownedJob] = []
    /// The thread is awake and will look again before it sleeps.
    var isAwake = true
    /// The thread is gone: nobody will take a command any more.
    var hasEnded = false

    var isEmpty: Bool { commands.isEmpty && jobs.isEmpty }

    /// Whether the thread has to be woken for what was appended just now.
    mutating func rouse() -> Bool {
      defer { isAwake = true }
      return !isAwake
    }
  }

  private let queue = Mutex(Queue())
  private let wakeup: Int32
  private let epoll: Int32

  // loop
  private let multis: [MultiHandle]
  private let timers: MultiHandle.Timers
  private let handles: CurlHandles
  private let sockets: WatchedSockets
  private let descriptors: DescriptorShare
  private var live: [UnsafeMutableRawPointer: Transfer] = [:]
  /// Calls that have not begun, over all pools.
  private var waitingCount = 0
  /// Pools in which a place has become free for a call that waits.
  private var freed: [HandlePool] = []
  /// Connections that each multi handle may have.
  private var connectionsMax = 0
  private var nextSweep = 0
  private var running = true
  /// Milliseconds of the monotonic clock, as of this turn.
  private(set) var now = monotonicMilliseconds()

  init(caFile: String, descriptors: DescriptorShare) throws {
    guard Self.initialized else { throw Self.unusable }
    self.descriptors = descriptors
    epoll = cp_epoll_create()
    let sockets = WatchedSockets(epoll, descriptors)
    self.sockets = sockets
    let count = max(1, min(Self.multisMax, descriptors.outboundMax / Self.connectionsMin))
    let timers = MultiHandle.Timers(count: count)
    self.timers = timers
    multis = (0..<count).compactMap {
      MultiHandle(index: $0, sockets: sockets, timers: timers, idleMax: Self.idleMax / count)
    }
    guard multis.count == count else { throw Self.unusable }
    handles = CurlHandles(caFile: caFile, sockets: sockets)
    wakeup = cp_eventfd_create()
    guard epoll >= 0, wakeup >= 0 else { throw SystemError("epoll_create1") }
    var event = epoll_event()
    // Edge-triggered: every wake-up is an event, and nobody has to read the counter.
    event.events = cp_epoll_in | cp_epoll_et
    event.data.fd = wakeup
    epoll_ctl(epoll, EPOLL_CTL_ADD, wakeup, &event)
    // The thread keeps the engine alive until `stop`.
    let engine = Unmanaged.passRetained(self)
    startThread(named: "curl") { engine.takeRetainedValue().run() }
  }

  func stop() { post(.stop) }

  func post(_ command: Command) {
    let (wakes, tooLate) = queue.withLock { queue in
      if queue.hasEnded { return (false, true) }
      queue.commands.append(command)
      return (queue.rouse(), false)
    }
    if tooLate, case .start(let transfer) = command { transfer.loopFinish(.cancelled) }
    if wakes { wake() }
  }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let (wakes, tooLate) = queue.withLock { queue in
      if queue.hasEnded { return (false, true) }
      queue.jobs.append(job)
      return (queue.rouse(), false)
    }
    // Every task has to end, also one that hears of it after the engine has.
    if tooLate {
      startThread(named: "late") { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
    if wakes { wake() }
  }

  private func wake() {
    var one: UInt64 = 1
    _ = write(wakeup, &one, 8)
  }

  // Not closed by the thread: a late command must not write to a number that is someone else's.
  deinit {
    close(epoll)
    close(wakeup)
  }

  // MARK: The loop

  private func run() {
    var events = [epoll_event](repeating: epoll_event(), count: 256)
    while running {
      var rounds = 0
      while rounds < Self.roundsMax, drainQueue() {
        rounds += 1
        advance()
      }
      guard running else { break }
      // Whoever asks without end must not keep those waiting whose answers have come.
      let patience = rounds < Self.roundsMax ? timeout() : 0
      let count = epoll_wait(epoll, &events, Int32(events.count), patience)
      queue.withLock { $0.isAwake = true }
      now = monotonicMilliseconds()
      for index in 0..<max(0, Int(count)) { act(on: events[index]) }
      advance()
      sweep()
    }
    for (handle, transfer) in live { remove(transfer, handle, .cancelled) }
    for transfer in takeWaiting(where: { _ in true }) { transfer.loopFinish(.cancelled) }
    let unheard = queue.withLock { queue in
      queue.hasEnded = true
      return queue
    }
    for case .start(let transfer) in unheard.commands { transfer.loopFinish(.cancelled) }
    for job in unheard.jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
    for multi in multis { multi.close() }
    handles.close()
  }

  private func timeout() -> Int32 {
    var next = timers.earliest
    if !live.isEmpty || waitingCount > 0 { next = min(next, nextSweep) }
    guard next < Int.max else { return -1 }
    return Int32(clamping: max(0, next - monotonicMilliseconds()))
  }

  private func act(on event: epoll_event) {
    let descriptor = event.data.fd
    guard descriptor != wakeup, let owner = sockets.owner(of: descriptor) else { return }
    var mask: Int32 = 0
    if event.events & cp_epoll_in != 0 { mask |= CURL_CSELECT_IN }
    if event.events & cp_epoll_out != 0 { mask |= CURL_CSELECT_OUT }
    if event.events & (cp_epoll_err | cp_epoll_hup) != 0 { mask |= CURL_CSELECT_ERR }
    multis[owner].act(on: descriptor, mask)
    reap(multis[owner])
  }

  /// Lets libcurl do what is due, and takes note of what it has done.
  private func advance() {
    now = monotonicMilliseconds()
    for index in timers.takeDue(now) {
      multis[index].act(on: CURL_SOCKET_TIMEOUT, 0)
      reap(multis[index])
    }
    startFreed()
  }

  /// Does what was asked; false when there was nothing, and the thread may sleep.
  private func drainQueue() -> Bool {
    let (commands, jobs) = queue.withLock { queue in
      queue.isAwake = !queue.isEmpty
      defer {
        queue.commands = []
        queue.jobs.removeFirst(min(Self.jobsMax, queue.jobs.count))
      }
      return (queue.commands, queue.jobs.prefix(Self.jobsMax))
    }
    for command in commands { obey(command) }
    for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
    return running && !(commands.isEmpty && jobs.isEmpty)
  }

  private func obey(_ command: Command) {
    switch command {
    case .start(let transfer): start(transfer)
    case .cancel(let transfer):
      if let handle = transfer.loopHandle {
        remove(transfer, handle, .cancelled)
      } else if !transfer.loopIsDone {
        transfer.loopFinish(.cancelled)
      }
    case .resume(let transfer):
      guard let handle = transfer.loopHandle, transfer.loopPaused else { break }
      transfer.loopPaused = false
      transfer.loopDeadline =
        monotonicMilliseconds() + Int(transfer.call.timeouts.idle * 1000)
      curl_easy_pause(handle, CURLPAUSE_CONT)
    case .stop: running = false
    }
  }

  /// Calls whose first byte or next piece is overdue; paused ones wait for their reader.
  private func sweep() {
    guard now >= nextSweep else { return }
    nextSweep = now + Self.sweepInterval
    for (handle, transfer) in live {
      guard let clock = transfer.loopOverdue(now) else { continue }
      remove(transfer, handle, .timeout(clock))
    }
    if waitingCount > 0 {
      for transfer in takeWaiting(where: { $0.loopOverdue(now) != nil || $0.loopIsDone }) {
        transfer.loopFinish(.timeout(.connect))
      }
    }
  }

  private func reap(_ multi: MultiHandle) {
    while let (handle, code) = multi.nextEnded() {
      guard let transfer = live[handle] else { continue }
      remove(transfer, handle, failure(transfer, handle, code))
    }
  }

  private func failure(
    _ transfer: Transfer, _ handle: UnsafeMutableRawPointer, _ code: CURLcode
  ) -> HTTPFailure? {
    if transfer.loopOverflow { return .tooLarge }
    let text = String(cString: curl_easy_strerror(code))
    switch code {
    case CURLE_OK: return nil
    case CURLE_OPERATION_TIMEDOUT:
      var connected: curl_off_t = 0
      _ = cc_get_offset(handle, CURLINFO_PRETRANSFER_TIME_T, &connected)
      return .timeout(connected == 0 ? .connect : .total)
    case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_SSL_CONNECT_ERROR,
      CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE:
      return .unreachable(text)
    case CURLE_URL_MALFORMAT: return .invalidRequest(text)
    default: return .broken(text)
    }
  }

  private func remove(
    _ transfer: Transfer, _ handle: UnsafeMutableRawPointer, _ failure: HTTPFailure?
  ) {
    let multi = transfer.loopMulti
    multi?.remove(handle)
    live[handle] = nil
    transfer.loopHandle = nil
    transfer.loopMulti = nil
    transfer.loopSettle()
    if let pool = transfer.loopPool, let multi {
      handles.put(handle, of: multi, into: pool, after: transfer.call)
    }
    transfer.loopFinish(failure)
  }

  // MARK: Beginning

  private func start(_ transfer: Transfer) {
    // Cancelled before it began.
    guard !transfer.loopIsDone else { return }
    let pool = handles.pool(for: transfer.call)
    transfer.loopPool = pool
    transfer.loopPostedAt = monotonicMilliseconds()
    transfer.loopIsSettled = false
    guard pool.hasRoom, !pool.hasWaiting else {
      pool.append(transfer)
      waitingCount += 1
      return
    }
    begin(transfer, pool)
  }

  private func begin(_ transfer: Transfer, _ pool: HandlePool) {
    allowConnections()
    guard let (handle, last) = handles.take(from: pool, for: transfer) else {
      transfer.loopFinish(.unreachable("libcurl ran out of memory"))
      return
    }
    let multi = multi(preferring: last)
    transfer.loopHandle = handle
    transfer.loopMulti = multi
    transfer.loopDeadline = transfer.loopPostedAt + Int(transfer.call.timeouts.firstByte * 1000)
    pool.unsettled += 1
    // `live` holds the transfer for as long as libcurl may call back with its address.
    live[handle] = transfer
    if !multi.add(handle) {
      remove(transfer, handle, .unreachable("libcurl refused the call"))
    }
  }

  /// Tells libcurl how many connections it may have; at the bound it closes idle ones first.
  private func allowConnections() {
    let each = max(1, descriptors.outboundMax / multis.count)
    guard each != connectionsMax else { return }
    connectionsMax = each
    for multi in multis { multi.allow(connections: each) }
  }

  /// The one whose connection may be used again, or the one with the fewest calls.
  private func multi(preferring last: MultiHandle?) -> MultiHandle {
    if let last, last.hasRoom { return last }
    return multis.min { $0.liveCount < $1.liveCount } ?? multis[0]
  }

  /// libcurl may be on the stack: what waits begins later in the same round.
  func loopSettled(in pool: HandlePool) {
    pool.unsettled -= 1
    if pool.hasWaiting { freed.append(pool) }
  }

  func loopOpenSocket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    sockets.open(family, type, number)
  }

  private func startFreed() {
    while let pool = freed.popLast() {
      while pool.hasRoom, let transfer = pool.popWaiting() {
        waitingCount -= 1
        if !transfer.loopIsDone { begin(transfer, pool) }
      }
    }
  }

  private func takeWaiting(where condition: (Transfer) -> Bool) -> [Transfer] {
    let taken = handles.all.flatMap { $0.removeWaiting(where: condition) }
    waitingCount -= taken.count
    return taken
  }
}
