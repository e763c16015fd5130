import RolloutCore
import Synchronization

/// Tells those who listen what happens to plans, and what the monitor noticed.
///
/// Every stream gets its messages in the order in which they were committed, each once: ids never
/// go backwards, and nothing is left out silently. Who has missed what is no longer in memory is
/// served by an `EventReplay` first.
final class EventHub: PlanObserver {
  /// What somebody listens for.
  enum Interest: Sendable {
    /// Every message in full: dashboards and tools.
    case messages
    /// That decisions may be others now: clients that keep them.
    case changes
  }

  /// Somebody who listens, or wants to.
  struct Listener: Sendable {
    let sink: any EventSink
    let interest: Interest
    let principal: Principal

    /// Whether the listener is told of this feature.
    func hears(_ feature: String) -> Bool { principal.may(use: feature) }
  }

  private struct Subscriber: Sendable {
    var listener: Listener
    /// Messages up to here were sent when it came.
    var since: MessagePlace
  }

  /// A message that is on disk, and may be told once what it tells of can be seen.
  private struct Committed {
    var message: Message
    var isVisible: Bool
    /// The tick at which it came.
    var tick: Int
  }

  /// A message on its way out, as either kind of listener is told of it.
  private struct Outgoing {
    private let frame: EventFrame
    private let message: [EventNews]
    /// nil for a notice, which changes no decision.
    private let change: [EventNews]?

    init(_ frame: EventFrame, _ state: State) {
      self.frame = frame
      message = [.frame(frame)]
      change = frame.changedAt.map { [EventHub.changed(at: frame.place.event, $0, state)] }
    }

    /// What this one is told; nil for nothing.
    func of(_ subscriber: Subscriber) -> [EventNews]? {
      guard frame.place > subscriber.since, subscriber.listener.hears(frame.feature) else {
        return nil
      }
      return subscriber.listener.interest == .messages ? message : change
    }
  }

  /// Bytes that may wait for a listener before it is cut off.
  private static let backlogMax = 256 * 1024
  /// Bytes that a client that comes back is sent at once, on the loop.
  static let openingMax = 16 * 1024
  /// Messages in memory that are looked at for one part of what somebody missed.
  private static let scanMax = 512
  /// Ticks are seconds; a comment goes out after so many.
  private static let heartbeatTicks = 30
  /// Ticks after which a message is told although nobody said that it can be seen.
  private static let patienceTicks = 2

  private struct State {
    var subscribers: [Int: Subscriber] = [:]
    var nextID = 0
    /// In the order of their commits; the first is not visible yet.
    var committed: [Committed] = []
    var recent = RecentEvents(startingAt: .beginning)
    /// The newest of all, told or not.
    var newest = MessagePlace.beginning
    var newestNotice = 0
    /// Of all that decides besides the plans; see `decideAnew`.
    var mark = 0
    /// What is to be sent, and whether somebody is sending.
    var outgoing: [Outgoing] = []
    var isSending = false
    var tick = 0
    /// Whether the streams are over.
    var isClosed = false
    var tokens: TokenDirectory?
    /// Their generation, when it was last looked whose stream is to end.
    var tokensSeen = 0
    /// When the next token of a listener expires.
    var nextExpiry: Instant?
  }

  /// Clients that are being sent what they missed.
  let replays = FairRoom(capacity: EventReplay.countMax)
  private let state = Mutex(State())

  /// Called once, before anybody listens: `newest` is the place of the newest message on disk.
  /// Streams of tokens that are not in force any more end; nil with `auth: off`.
  func start(at newest: MessagePlace, tokens: TokenDirectory?) {
    state.withLock { state in
      state.recent = RecentEvents(startingAt: newest)
      state.newest = newest
      state.newestNotice = newest.notice
      state.tokens = tokens
    }
  }

  var count: Int { state.withLock { $0.subscribers.count } }

  // MARK: Coming

  enum Arrival: Equatable {
    /// The stream has begun, or the server is shutting down and has said so.
    case done
    /// What was missed is more than is sent at once: an `EventReplay` is needed.
    case behind
  }

  /// Begins the stream, or goes on with one that `hasBegun`, after `last` (nil for whatever comes
  /// next), if all that was missed is at hand and small enough.
  func add(
    _ listener: Listener, after last: MessagePlace?, openingMax: Int = EventHub.openingMax,
    hasBegun: Bool = false
  ) -> Arrival {
    let id: Int? = state.withLock { state in
      guard !state.isClosed, listener.principal.isInForce else { return 0 }
      guard let opening = Self.opening(listener, last, openingMax, state) else { return nil }
      if !hasBegun { listener.sink.begin() }
      // Under the lock, so that no newer message can overtake these.
      if !opening.isEmpty { try? listener.sink.offer(opening, backlogMax: .max) }
      state.nextID += 1
      state.subscribers[state.nextID] = Subscriber(
        listener: listener, since: Self.start(last, state))
      if let expiry = listener.principal.expiresAt {
        state.nextExpiry = min(expiry, state.nextExpiry ?? expiry)
      }
      return state.nextID
    }
    guard let id else { return .behind }
    guard id > 0 else {
      if hasBegun { listener.sink.finish() } else { listener.sink.refuse() }
      return .done
    }
    listener.sink.onGone { [self] in remove(id) }
    return .done
  }

  /// Where the messages begin that are still to be sent to somebody who has seen `last`.
  private static func start(_ last: MessagePlace?, _ state: State) -> MessagePlace {
    guard let last, last <= state.newest else { return state.recent.newest }
    return max(last, state.recent.newest)
  }

  /// What a listener has to be sent before it may wait for more; nil when it is too much.
  private static func opening(
    _ listener: Listener, _ last: MessagePlace?, _ sizeMax: Int, _ state: State
  ) -> [EventNews]? {
    guard let last else { return [] }
    let recent = state.recent
    switch listener.interest {
    case .changes:
      // One word to fetch again covers all that was missed, and a place that never was, too.
      guard last.event != recent.newest.event || last.notice != state.mark else { return [] }
      return [changed(at: recent.newest.event, recent.lastModified, state)]
    case .messages:
      // From a future that is no more: an older backup was put back.
      guard last <= state.newest else { return [.reset(to: recent.newest)] }
      // How much was missed is known at once: whoever asks for it all again and again takes no time
      // from the loops and from those who commit, who wait for this lock.
      return recent.all(after: last, of: listener.principal.features, sizeMax: sizeMax)?
        .map(EventNews.frame)
    }
  }

  /// The place of those who listen for changes has the mark in it, and no notice.
  private static func changed(
    at event: Int, _ lastModified: Instant?, _ state: State
  ) -> EventNews {
    .changed(place: MessagePlace(event: event, notice: state.mark), lastModified: lastModified)
  }

  /// A part of what follows `place` in memory for this listener, and where it ends; nil when it is
  /// no longer there. Never empty-handed: `end` moves on.
  func part(
    for listener: Listener, after place: MessagePlace, sizeMax: Int
  ) -> (news: [EventNews], end: MessagePlace)? {
    state.withLock { state in
      let run = state.recent.run(after: place, countMax: Self.scanMax)
      guard let run else { return nil }
      var part: (news: [EventNews], end: MessagePlace) = ([], place)
      var size = 0
      for frame in run.lazy.map(\.frame) {
        part.end = frame.place
        guard listener.hears(frame.feature) else { continue }
        part.news.append(.frame(frame))
        size += frame.size
        if size >= sizeMax { break }
      }
      return part
    }
  }

  private func remove(_ id: Int) { state.withLock { _ = $0.subscribers.removeValue(forKey: id) } }

  // MARK: Telling

  /// Takes note of a message in the order of commits, before anybody else knows of it. Called on
  /// the database's thread: no more than an entry in a list.
  func committed(_ message: Message) {
    let cut = state.withLock { state -> [Subscriber] in
      guard message.place > state.newest else { return [] }
      let hasGap = Self.leavesGap(message, state)
      Self.note(message, isVisible: false, in: &state)
      guard hasGap else { return [] }
      // A commit that was thought to have failed had not: those who listen come back and read what
      // they missed from disk.
      state.committed.removeAll { $0.message.place < message.place }
      state.outgoing = []
      state.recent = RecentEvents(startingAt: message.place.predecessor)
      defer { state.subscribers = [:] }
      return Array(state.subscribers.values)
    }
    for subscriber in cut { subscriber.listener.sink.finish() }
  }

  private static func leavesGap(_ message: Message, _ state: State) -> Bool {
    switch message {
    case .event(let event): event.id != state.newest.event + 1
    case .notice(let notice):
      notice.afterEvent != state.newest.event
        || state.newestNotice > 0 && notice.id != state.newestNotice + 1
    }
  }

  private static func note(_ message: Message, isVisible: Bool, in state: inout State) {
    state.newest = message.place
    if case .notice(let notice) = message { state.newestNotice = notice.id }
    state.committed.append(
      Committed(message: message, isVisible: isVisible, tick: state.tick))
  }

  /// Tells what can be seen now, in its turn.
  func publish(_ message: Message) {
    state.withLock { state in
      if let index = state.committed.firstIndex(where: { $0.message.place == message.place }) {
        state.committed[index].isVisible = true
      } else if message.place > state.newest {
        // From a store that says nothing of its commits.
        Self.note(message, isVisible: true, in: &state)
      }
      Self.moveVisible(in: &state)
    }
    sendOutgoing()
  }

  private static func moveVisible(in state: inout State) {
    let count = state.committed.prefix { $0.isVisible }.count
    for entry in state.committed.prefix(count) {
      let frame = EventFrame(entry.message)
      state.recent.append(frame)
      state.outgoing.append(Outgoing(frame, state))
    }
    state.committed.removeFirst(count)
  }

  /// Tells whom it may concern that these features may decide otherwise, although no plan changed:
  /// members came or went, or a plan's time was up. `mark` is another whenever what decides besides
  /// the plans is another, before a restart and after; it stands in the ids, so that who was away
  /// fetches again when it comes back.
  func decideAnew(_ features: Set<String>, mark: Int, at now: Instant) {
    let (news, all) = state.withLock { state in
      state.mark = mark
      return ([Self.changed(at: state.recent.newest.event, now, state)], state.subscribers)
    }
    guard !features.isEmpty else { return }
    send(to: all) { subscriber in
      let listener = subscriber.listener
      return listener.interest == .changes && features.contains(where: listener.hears)
        ? news : nil
    }
  }

  /// One thread sends at a time, so that no message overtakes another; those who come meanwhile
  /// leave theirs to it.
  private func sendOutgoing() {
    endStale()
    var isMine = false
    while true {
      let next = state.withLock { state -> (news: Outgoing, to: [Int: Subscriber])? in
        guard isMine || !state.isSending else { return nil }
        state.isSending = !state.outgoing.isEmpty
        return state.isSending ? (state.outgoing.removeFirst(), state.subscribers) : nil
      }
      guard let next else { return }
      isMine = true
      send(to: next.to) { subscriber in
        next.news.of(subscriber)
      }
    }
  }

  private func send(to subscribers: [Int: Subscriber], _ news: (Subscriber) -> [EventNews]?) {
    for (id, subscriber) in subscribers {
      guard let news = news(subscriber) else { continue }
      do { try subscriber.listener.sink.offer(news, backlogMax: Self.backlogMax) } catch {
        // It does not read: cut it off, it will come back and ask for what it missed.
        subscriber.listener.sink.abort()
        remove(id)
      }
    }
  }

  // MARK: Time passes

  static let tickTime = TimeSpan.seconds(1)

  /// Ends streams whose tokens have ended, and keeps idle connections alive through proxies.
  func tick() {
    let isBeat = state.withLock { state in
      state.tick += 1
      for index in state.committed.indices
      where state.tick - state.committed[index].tick >= Self.patienceTicks {
        state.committed[index].isVisible = true
      }
      Self.moveVisible(in: &state)
      return state.tick % Self.heartbeatTicks == 0
    }
    sendOutgoing()
    guard isBeat else { return }
    let pulse = [EventNews.pulse]
    send(to: state.withLock { $0.subscribers }) { _ in pulse }
  }

  private func endStale() {
    let ended = state.withLock { state -> [Subscriber] in
      guard let tokens = state.tokens else { return [] }
      let generation = tokens.generation
      let hasExpired = state.nextExpiry.map { $0 <= tokens.now } ?? false
      guard generation != state.tokensSeen || hasExpired else { return [] }
      state.tokensSeen = generation
      let ended = state.subscribers.filter { !$0.value.listener.principal.isInForce }
      for id in ended.keys { state.subscribers[id] = nil }
      state.nextExpiry = state.subscribers.values.compactMap {
        $0.listener.principal.expiresAt
      }.min()
      return Array(ended.values)
    }
    for subscriber in ended { subscriber.listener.sink.finish() }
  }

  /// Ends every stream properly; nobody is taken in any more.
  func close() {
    let all = state.withLock { state in
      state.isClosed = true
      defer { state.subscribers = [:] }
      return Array(state.subscribers.values)
    }
    for subscriber in all { subscriber.listener.sink.finish() }
  }
}
