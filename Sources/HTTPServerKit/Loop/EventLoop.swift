import Glibc
import PlatformKit

/// One thread's share of the server: a listener of its own (SO_REUSEPORT), its connections, and
/// the service that answers them. Only `mailbox` is touched from elsewhere.
final class EventLoop {
  private static let listenerTag: UInt64 = .max
  private static let mailboxTag: UInt64 = .max - 1

  let limits: HTTPLimits
  let service: any HTTPService
  let mailbox: Mailbox
  private let descriptors: DescriptorShare
  private var listener: Int32
  private let epoll: Epoll
  var connections: [HTTPConnection?] = []
  private var freeSlots: [Int] = []
  private var nextGeneration: UInt32 = 1
  var liveCount = 0
  /// What unfinished requests hold.
  private var room = UploadRoom()
  /// Bytes of answers that wait for their readers.
  var unread = 0
  /// Connections whose sockets hold more than they were read for.
  var unfinished: [(slot: Int, generation: UInt32, hangup: Bool)] = []
  /// A descriptor to give up when there is no other, so that the next client can be told.
  private var spare: Int32
  /// Clients that were told there is no room, and may still be reading it; oldest first.
  private var refused: [(descriptor: Int32, until: MonotonicInstant)] = []
  /// As of this turn.
  var now = MachineClock.coarseNow
  private var dateSeconds: time_t = 0
  /// No deadline lies before this; a cheap bound, not the exact minimum.
  private var nextSweep = MonotonicInstant.never
  private var acceptAgainAt = MonotonicInstant.never
  private(set) var draining = false
  /// When the listener closes, and when connections do that bring nothing more.
  private var listenerEnds = MonotonicInstant.never
  private var idleEnds = MonotonicInstant.never
  private var stopped = false
  /// Whether several connections were ready at once the last time.
  private var isBusy = false
  private var graceEnds = MonotonicInstant.never
  var scratch: [UInt8]
  let reply: Reply

  init(
    listener: Int32, limits: HTTPLimits, descriptors: DescriptorShare, mailbox: Mailbox,
    service: any HTTPService
  ) throws {
    self.listener = listener
    self.descriptors = descriptors
    self.limits = limits
    self.mailbox = mailbox
    self.service = service
    reply = Reply(mailbox: mailbox)
    epoll = try Epoll()
    spare = epoll.spareDescriptor()
    scratch = Array(repeating: 0, count: 64 * 1024)
    try watch(listener, Self.listenerTag)
    // Edge-triggered: every wake-up is an event, and nobody has to read the counter.
    try watch(mailbox.wakeup.descriptor, Self.mailboxTag, [.read, .edge])
  }

  deinit {
    if spare >= 0 { close(spare) }
    for client in refused { close(client.descriptor) }
    if listener >= 0 { close(listener) }
  }

  private func watch(
    _ descriptor: Int32, _ tag: UInt64, _ interest: Epoll.Interest = .read
  ) throws {
    guard epoll.add(descriptor, interest, tag: tag) else { throw SystemError("epoll_ctl") }
  }

  /// Runs until stopped. The calling thread becomes the loop's.
  func run() {
    while !stopped {
      let count = wait()
      refreshClock()
      for index in 0..<count { dispatch(epoll[index]) }
      if !unfinished.isEmpty { readOn() }
      if now >= acceptAgainAt { resumeAccepting() }
      if now >= nextSweep { sweep() }
      if !refused.isEmpty { closeRefused() }
      if draining { goOnDraining() }
    }
    for connection in connections { connection.map(drop) }
  }

  /// Reads on where a socket holds more than a connection's turn allowed.
  private func readOn() {
    let rest = unfinished
    unfinished = []
    for (slot, generation, hangup) in rest {
      if let connection = connection(slot, generation) { read(connection, hangup: hangup) }
    }
  }

  /// Waits for events. A busy loop first lets others run: where clients share its core they send
  /// more meanwhile, and falling asleep only to be woken would cost both sides more than looking
  /// again.
  private func wait() -> Int {
    if isBusy {
      let count = epoll.wait(milliseconds: 0)
      guard count == 0 else { return count }
      sched_yield()
    }
    let count = epoll.wait(milliseconds: timeout())
    isBusy = count > 1
    return count
  }

  private func timeout() -> Int32 {
    guard unfinished.isEmpty else { return 0 }
    let next = min(
      nextSweep, acceptAgainAt, graceEnds, listenerEnds, idleEnds, refused.first?.until ?? .never)
    guard next < .never else { return -1 }
    // The coarse clock lags by up to a tick: without the addend a deadline would be met spinning.
    return Int32(clamping: max(0, next.milliseconds(since: now)) + 4)
  }

  private func refreshClock() {
    now = MachineClock.coarseNow
    let seconds = time(nil)
    if seconds != dateSeconds {
      dateSeconds = seconds
      reply.setDate(httpDate(seconds))
    }
  }

  private func dispatch(_ event: Epoll.Event) {
    switch event.tag {
    case Self.listenerTag: acceptAll()
    case Self.mailboxTag: readMail()
    case let tag:
      let slot = Int(tag & 0xFFFF_FFFF)
      guard let connection = connection(slot, UInt32(tag >> 32)) else { return }
      if event.what.contains(.write) { resumeWriting(connection) }
      let hangup = !event.what.isDisjoint(with: [.peerEnd, .hangup, .failure])
      if hangup || event.what.contains(.read), connections[slot] === connection {
        read(connection, hangup: hangup)
      }
    }
  }

  private func connection(_ slot: Int, _ generation: UInt32) -> HTTPConnection? {
    guard slot < connections.count, let connection = connections[slot],
      connection.generation == generation
    else { return nil }
    return connection
  }

  // MARK: Accepting

  private func acceptAll() {
    while listener >= 0 {
      var peer = sockaddr_storage()
      let descriptor = accept(&peer)
      guard descriptor >= 0 else {
        if errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM {
          refuseWithSpare()
          pauseAccepting()
        }
        if errno == EINTR || errno == ECONNABORTED { continue }
        return
      }
      guard descriptors.takeInbound() else {
        refuse(descriptor)
        continue
      }
      adopt(descriptor, PeerAddress(peer))
    }
  }

  /// The next client; -1 when there is none, and `errno` says why.
  private func accept(_ peer: inout sockaddr_storage) -> Int32 {
    withUnsafeMutableBytes(of: &peer) { Sockets.accept(from: listener, peer: $0) }
  }

  private func adopt(_ descriptor: Int32, _ peer: PeerAddress) {
    var one: Int32 = 1
    setsockopt(
      descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
    let slot = freeSlots.popLast() ?? connections.count
    if slot == connections.count { connections.append(nil) }
    let connection = HTTPConnection(
      descriptor: descriptor, peer: peer, slot: slot, generation: nextGeneration,
      deadline: now.after(milliseconds: limits.headTimeout))
    nextGeneration = nextGeneration == .max - 1 ? 1 : nextGeneration + 1
    connections[slot] = connection
    liveCount += 1
    noteDeadline(connection.deadline)
    connection.interest = [.read, .peerEnd, .edge]
    if !epoll.add(descriptor, connection.interest, tag: tag(connection)) { drop(connection) }
  }

  /// Clients that were refused and are waited for; more are closed at once.
  private static let refusedMax = 16
  /// Milliseconds that a refused client has to take the answer.
  private static let refusedTime = 1000

  private static let refusal = Array(
    """
    HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\
    Connection: close\r\n\r\n
    """.utf8)

  /// Over the cap: a word and a close, without a slot. Closing with unread bytes would reset the
  /// connection and take the word with it, so what has come is read, and what may come is waited
  /// for.
  private func refuse(_ descriptor: Int32, waits: Bool = true) {
    _ = send(descriptor, Self.refusal, Self.refusal.count, Int32(MSG_NOSIGNAL))
    shutdown(descriptor, Int32(SHUT_WR))
    discard(descriptor)
    guard waits, refused.count < Self.refusedMax else {
      close(descriptor)
      return
    }
    refused.append((descriptor, now.after(milliseconds: Self.refusedTime)))
  }

  /// Reads what has come and throws it away; bounded, whoever sends.
  private func discard(_ descriptor: Int32) {
    for _ in 0..<4 {
      let count = scratch.withUnsafeMutableBytes {
        recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
      }
      guard count == scratch.count else { return }
    }
  }

  private func closeRefused() {
    while let first = refused.first, first.until <= now {
      discard(first.descriptor)
      close(first.descriptor)
      refused.removeFirst()
    }
  }

  /// The process has no descriptor left: the spare one is given up for the next client, who is
  /// told, and taken again.
  private func refuseWithSpare() {
    guard spare >= 0 else { return }
    close(spare)
    var peer = sockaddr_storage()
    let client = accept(&peer)
    if client >= 0 { refuse(client, waits: false) }
    spare = epoll.spareDescriptor()
  }

  /// Milliseconds without accepting when there are no descriptors.
  private static let acceptPause = 100

  /// Out of descriptors: the listener stays readable, so it is left alone for a moment.
  private func pauseAccepting() {
    if spare < 0 { spare = epoll.spareDescriptor() }
    epoll.remove(listener)
    acceptAgainAt = now.after(milliseconds: Self.acceptPause)
  }

  private func resumeAccepting() {
    acceptAgainAt = .never
    guard listener >= 0 else { return }
    do { try watch(listener, Self.listenerTag) } catch {
      acceptAgainAt = now.after(milliseconds: Self.acceptPause)
    }
  }

  // MARK: Interest, deadlines, closing

  /// Watches for what the connection can use now.
  func updateInterest(_ connection: HTTPConnection) {
    // Changing the interest asks the kernel anew, so nothing that waits is missed. Most clients
    // send nothing while they wait: only for the others is it changed.
    var wanted: Epoll.Interest = [.peerEnd, .edge]
    let blocked = connection.outputPending > 0
    if !connection.hasUnread, !blocked { wanted.insert(.read) }
    if blocked { wanted.insert(.write) }
    guard wanted != connection.interest else { return }
    connection.interest = wanted
    epoll.change(connection.descriptor, wanted, tag: tag(connection))
  }

  /// How epoll names a connection: its place, and which of those that had it.
  private func tag(_ connection: HTTPConnection) -> UInt64 {
    UInt64(connection.slot) | UInt64(connection.generation) << 32
  }

  func setDeadline(_ connection: HTTPConnection, in milliseconds: Int) {
    connection.deadline = now.after(milliseconds: milliseconds)
    noteDeadline(connection.deadline)
  }

  func noteDeadline(_ deadline: MonotonicInstant) { nextSweep = min(nextSweep, deadline) }

  private func sweep() {
    nextSweep = .never
    for connection in connections {
      guard let connection else { continue }
      if min(connection.deadline, connection.writeDeadline) <= now {
        expire(connection)
      } else {
        noteDeadline(min(connection.deadline, connection.writeDeadline))
      }
    }
    // At most twenty sweeps a second, however the deadlines fall.
    if nextSweep < .never { nextSweep = max(nextSweep, now.after(milliseconds: 50)) }
  }

  private func expire(_ connection: HTTPConnection) {
    let isArriving =
      connection.phase == .body || connection.phase == .head && !connection.input.isEmpty
    if isArriving, connection.outputPending == 0 {
      fail(
        connection, status: connection.pending?.isSentAgain == true ? 503 : 408,
        detail: "The request did not arrive in time; send it at once.")
    } else {
      drop(connection)
    }
  }

  func drop(_ connection: HTTPConnection) {
    guard connections[connection.slot] === connection else { return }
    close(connection.descriptor)
    descriptors.giveInbound()
    connections[connection.slot] = nil
    freeSlots.append(connection.slot)
    liveCount -= 1
    forget(connection)
    unread -= connection.outputHeld
    connection.outputHeld = 0
    connection.pending = nil
    connection.exchange?.disconnect()
  }

  func forget(_ connection: HTTPConnection) {
    connection.input = []
    room.add(-connection.held, to: connection.account)
    connection.held = 0
  }

  /// Counts what an unfinished request holds.
  func account(_ connection: HTTPConnection) {
    var held = connection.input.count
    if let pending = connection.pending { held += pending.held }
    guard held != connection.held else { return }
    room.add(-connection.held, to: connection.account)
    connection.account = connection.pending?.account ?? 0
    connection.held = held
    room.add(held, to: connection.account)
    if room.taken > limits.bufferedMax { makeRoom() }
  }

  /// Refuses the newest uploads of whoever holds most, until there is some room again: so nobody
  /// can keep others out, and whoever is alone may use it all.
  private func makeRoom() {
    let goal = limits.bufferedMax - limits.bufferedMax / 16
    while room.taken > goal, let account = room.heaviest {
      let uploads = connections.compactMap(\.self)
        .filter { $0.held > 0 && $0.account == account }
        .sorted { $0.deadline > $1.deadline }
      for upload in uploads where room.taken > goal {
        fail(
          upload, status: 503, detail: "Too many requests are arriving; try again in a second.")
      }
    }
  }

  // MARK: Mail

  private func readMail() {
    for message in mailbox.take() {
      switch message.kind {
      case .drain: drain()
      case .stop: stopped = true
      default:
        if let connection = connection(message.slot, message.generation) {
          deliver(message.kind, to: connection)
        }
      }
    }
  }

  // MARK: Ending

  /// What is connecting is taken, what has been received is answered, and only then is the door
  /// shut.
  private func drain() {
    guard !draining else { return }
    draining = true
    graceEnds = now.after(milliseconds: limits.graceTimeout)
    idleEnds = now.after(milliseconds: limits.lastRequestTime)
    guard listener >= 0 else { return }
    // Handshakes under way are finished, new ones are not begun: closing a listener resets whatever
    // waits in its queues.
    Sockets.ignoreNew(listener)
    acceptAll()
    listenerEnds = now.after(milliseconds: limits.lastAcceptTime)
  }

  private func goOnDraining() {
    if listener >= 0, now >= listenerEnds {
      acceptAll()
      close(listener)
      listener = -1
      listenerEnds = .never
      acceptAgainAt = .never
    }
    if now >= idleEnds {
      for connection in connections {
        if let connection, connection.isIdle { dismiss(connection) }
      }
      let goesOn = listener >= 0 || liveCount > 0
      idleEnds = goesOn ? now.after(milliseconds: limits.lastRequestTime) : .never
    }
    if liveCount == 0 && listener < 0 || now >= graceEnds { stopped = true }
  }

  /// A last look whether an idle connection has brought a request; without one it ends.
  private func dismiss(_ connection: HTTPConnection) {
    read(connection, hangup: false)
    if connections[connection.slot] === connection, connection.isIdle { drop(connection) }
  }
}
