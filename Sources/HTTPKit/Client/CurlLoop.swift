internal import CCurl
import PlatformKit

/// libcurl's thread, driven by epoll: all calls, their connections and handles. Only `mailbox` is
/// touched from elsewhere.
final class CurlLoop {
  /// Times the mailbox is emptied before sockets are looked at again.
  private static let roundsMax = 8
  /// Milliseconds between looks at first-byte and idle deadlines.
  private static let sweepInterval = 50
  /// Calls are spread over so many multi handles, if each may have `connectionsMin`.
  private static let multisMax = 16
  private static let connectionsMin = 128
  /// Connections kept that no call uses; fewer than calls in flight would close one at each end of
  /// a call.
  private static let idleMax = 4096
  private static let mailboxTag = UInt64.max

  private static let initialized: Bool = cc_global_init() == CURLE_OK
  private static let unusable = HTTPFailure.unreachable("libcurl could not be initialised")

  private let mailbox: CurlMailbox
  private let epoll: Epoll
  private let multis: [MultiHandle]
  private let timers: MultiHandle.Timers
  private let handles: CurlHandles
  private let sockets: WatchedSockets
  private let descriptors: DescriptorShare
  /// Those that have not ended: each is held while libcurl may call back with its address.
  private var transfers: [ObjectIdentifier: LoopTransfer] = [:]
  /// Calls that have not begun, over all pools.
  private var waitingCount = 0
  /// Pools in which a place has become free for a call that waits.
  private var freed: [HandlePool] = []
  /// Connections that each multi handle may have.
  private var connectionsMax = 0
  private var nextSweep: MonotonicInstant
  private var isRunning = true
  /// As of this turn.
  private(set) var now = MachineClock.now

  /// Throws `HTTPFailure`, or `SystemError`.
  init(caFile: String, descriptors: DescriptorShare, mailbox: CurlMailbox) throws {
    guard Self.initialized else { throw Self.unusable }
    self.descriptors = descriptors
    self.mailbox = mailbox
    nextSweep = now
    epoll = try Epoll()
    sockets = WatchedSockets(epoll, descriptors)
    let count = max(1, min(Self.multisMax, descriptors.outboundMax / Self.connectionsMin))
    timers = MultiHandle.Timers(count: count)
    multis = (0..<count).compactMap { [sockets, timers] in
      MultiHandle(index: $0, sockets: sockets, timers: timers, idleMax: Self.idleMax / count)
    }
    handles = CurlHandles(caFile: caFile, sockets: sockets)
    guard multis.count == count else { throw Self.unusable }
    // Edge-triggered: every wake-up is an event, and nobody has to read the counter.
    guard epoll.add(mailbox.wakeup.descriptor, [.read, .edge], tag: Self.mailboxTag) else {
      throw SystemError("epoll_ctl")
    }
  }

  /// Runs until stopped. The calling thread becomes the loop's, and runs the engine's jobs.
  func run(on engine: CurlEngine) {
    let executor = engine.asUnownedTaskExecutor()
    while isRunning {
      var rounds = 0
      while rounds < Self.roundsMax, readMail(executor) {
        rounds += 1
        advance()
      }
      guard isRunning else { break }
      // Whoever asks without end must not keep those waiting whose answers have come.
      let count = epoll.wait(milliseconds: rounds < Self.roundsMax ? timeout() : 0)
      mailbox.awake()
      now = MachineClock.now
      for index in 0..<count { act(on: epoll[index]) }
      advance()
      sweep()
    }
    end(executor)
  }

  private func end(_ executor: UnownedTaskExecutor) {
    for transfer in Array(transfers.values) { finish(transfer, .cancelled) }
    let (commands, jobs) = mailbox.end()
    for case .start(let transfer) in commands { transfer.finish(.cancelled) }
    for job in jobs { job.runSynchronously(on: executor) }
    for multi in multis { multi.close() }
    handles.close()
  }

  private func timeout() -> Int32 {
    var next = timers.earliest
    if !transfers.isEmpty { next = min(next, nextSweep) }
    guard next < .never else { return -1 }
    return Int32(clamping: max(0, next.milliseconds(since: MachineClock.now)))
  }

  private func act(on event: Epoll.Event) {
    guard event.tag != Self.mailboxTag else { return }
    let descriptor = Int32(truncatingIfNeeded: event.tag)
    guard let owner = sockets.owner(of: descriptor) else { return }
    var mask: Int32 = 0
    if event.what.contains(.read) { mask |= CURL_CSELECT_IN }
    if event.what.contains(.write) { mask |= CURL_CSELECT_OUT }
    if !event.what.isDisjoint(with: [.failure, .hangup]) { mask |= CURL_CSELECT_ERR }
    multis[owner].act(on: descriptor, mask)
    reap(multis[owner])
  }

  /// Lets libcurl do what is due, and takes note of what it has done.
  private func advance() {
    now = MachineClock.now
    for index in timers.takeDue(now) {
      multis[index].act(on: CURL_SOCKET_TIMEOUT, 0)
      reap(multis[index])
    }
    startFreed()
  }

  /// Does what was asked; false when there was nothing, and the thread may sleep.
  private func readMail(_ executor: UnownedTaskExecutor) -> Bool {
    let (commands, jobs) = mailbox.take()
    for command in commands { obey(command) }
    for job in jobs { job.runSynchronously(on: executor) }
    return isRunning && !(commands.isEmpty && jobs.isEmpty)
  }

  private func obey(_ command: CurlMailbox.Command) {
    switch command {
    case .start(let transfer): start(transfer)
    case .cancel(let transfer):
      if let known = transfers[ObjectIdentifier(transfer)] { finish(known, .cancelled) }
    case .resume(let transfer):
      guard let known = transfers[ObjectIdentifier(transfer)] else { break }
      known.resume(MachineClock.now)
    case .stop: isRunning = false
    }
  }

  /// Calls whose first byte or next piece is overdue; paused ones wait for their reader.
  private func sweep() {
    guard now >= nextSweep else { return }
    nextSweep = now.after(milliseconds: Self.sweepInterval)
    for transfer in Array(transfers.values) {
      if let clock = transfer.overdue(now) { finish(transfer, .timeout(clock)) }
    }
    guard waitingCount > 0 else { return }
    waitingCount -= handles.all.reduce(0) { $0 + $1.removeEnded() }
  }

  private func reap(_ multi: MultiHandle) {
    while let (handle, code) = multi.nextEnded() {
      guard let transfer = LoopTransfer.of(handle) else { continue }
      finish(transfer, transfer.failure(code))
    }
  }

  /// Ends a transfer wherever it is; its handle is kept for the next call of its kind.
  private func finish(_ transfer: LoopTransfer, _ failure: HTTPFailure?) {
    transfers[ObjectIdentifier(transfer.shared)] = nil
    if let place = transfer.place {
      place.multi.remove(place.handle)
      transfer.place = nil
      transfer.settle()
      handles.put(place.handle, of: place.multi, into: transfer.pool, after: transfer.call)
    }
    transfer.finish(failure)
  }

  // MARK: Beginning

  private func start(_ shared: Transfer) {
    let pool = handles.pool(for: shared.call)
    let transfer = LoopTransfer(shared, pool: pool, at: MachineClock.now, loop: self)
    transfers[ObjectIdentifier(shared)] = transfer
    guard pool.hasRoom, !pool.hasWaiting else {
      pool.append(transfer)
      waitingCount += 1
      return
    }
    begin(transfer)
  }

  private func begin(_ transfer: LoopTransfer) {
    allowConnections()
    guard let (handle, last) = handles.take(for: transfer) else {
      finish(transfer, .unreachable("libcurl ran out of memory"))
      return
    }
    let multi = multi(preferring: last)
    transfer.begin(handle, multi)
    if !multi.add(handle) { finish(transfer, .unreachable("libcurl refused the call")) }
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

  /// A transfer has its connection. libcurl may be on the stack: what waits begins later in the
  /// same round.
  func settled(in pool: HandlePool) {
    pool.unsettled -= 1
    if pool.hasWaiting { freed.append(pool) }
  }

  /// A socket for libcurl; -1 when there is none to be had.
  func openSocket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    sockets.open(family, type, number)
  }

  private func startFreed() {
    while let pool = freed.popLast() {
      while pool.hasRoom, let transfer = pool.popWaiting() {
        waitingCount -= 1
        if !transfer.hasEnded { begin(transfer) }
      }
    }
  }
}
