import HTTPKit
import PlatformKit
import RolloutCore
import Synchronization

/// Who asks, for turns and limits.
package struct Caller: Sendable {
  /// Which token asks: apps take turns.
  package var app: String
  /// Whose turn it is among the app's; empty for nobody in particular.
  package var user: String
  /// Work that nobody waits for in person goes after all that somebody does.
  package var isBatch = false
  /// Whether it would be let in still: whoever waited may have lost its token meanwhile.
  package var isInForce: @Sendable () -> Bool

  package init(
    app: String = "", user: String, isBatch: Bool = false,
    isInForce: @escaping @Sendable () -> Bool = { true }
  ) {
    self.isInForce = isInForce
    self.app = app
    self.user = user
    self.isBatch = isBatch
  }
}

/// Lets calls to one provider begin: so many at once, as many as it allows, the others in a bounded
/// queue in which users take turns.
///
/// Whoever entered leaves exactly once, which a `Permit` sees to.
package final class ProviderGate: Sendable {
  /// A call under way; leaves when it is told to, or when nobody holds it any more.
  package final class Permit: Sendable {
    /// Which of the provider's keys it goes out with.
    let key: Int
    fileprivate let tokens: Int
    /// Whether it shows that a refused key is taken again.
    fileprivate let isProbe: Bool
    private let gate: ProviderGate
    private let left = Mutex(false)

    fileprivate init(_ gate: ProviderGate, _ entry: Entry) {
      self.gate = gate
      key = entry.key
      tokens = entry.tokens
      isProbe = entry.isProbe
    }

    deinit { leave(usedTokens: nil) }

    /// Takes note of what an answer says about the key's limits.
    func learn(_ head: HTTPAnswerHead) { gate.learn(key, head) }

    /// Takes note of how it went; nil is an answer, or the first content of one.
    func note(_ failure: ProviderFailure?) { gate.note(self, failure) }

    /// The same place with another key, for a call that this one was refused; nil when no other is
    /// free. Afterwards this permit has left.
    func exchangeKey() -> Permit? {
      left.withLock { left in
        guard !left, let entry = gate.exchangeKey(of: self) else { return nil }
        left = true
        return Permit(gate, entry)
      }
    }

    /// The call is over; `usedTokens` corrects what was guessed for it.
    package func leave(usedTokens: Int?) {
      let isFirst = left.withLock { left in
        defer { left = true }
        return !left
      }
      if isFirst { gate.leave(self, used: usedTokens) }
    }
  }

  /// How it stands, for people.
  package struct Status: Sendable, Equatable {
    package var inFlight: Int
    package var queued: Int
    /// Calls turned away by each limit so far.
    package var rejected: [ProviderLimit: Int]
    /// What a minute allows, as far as it is known.
    package var requestsPerMinute: Double?
    package var tokensPerMinute: Double?
    package var keys: [KeyStatus]
  }

  /// What a call was let in with.
  fileprivate struct Entry {
    var key: Int
    var tokens: Int
    var isProbe: Bool
  }

  fileprivate struct Waiter {
    var caller: Caller
    var tokens: Int
    var deadline: MonotonicInstant
    var continuation: CheckedContinuation<Permit, any Error>
  }

  fileprivate struct State {
    var keys: KeyRing
    let address: String
    /// The gate before the provider's entry was changed, while calls that it let in are under way:
    /// they take room here too.
    weak var predecessor: ProviderGate?
    var inFlight = 0
    var waiters: [Int: Waiter] = [:]
    var nextWaiter = 0
    var interactive = FairQueue<Int>()
    var batch = FairQueue<Int>()
    var rejected: [ProviderLimit: Int] = [:]
    var isTicking = false

    var queued: Int { interactive.count + batch.count }
    /// With those of the gates before.
    var allInFlight: Int { inFlight + (predecessor?.allInFlight ?? 0) }
  }

  /// Milliseconds between two looks at those who wait; a call that leaves is followed at once.
  private static let tick = 20

  private let inFlightMax: Int
  /// Shared with other providers; nil for one that is not called over the network.
  private let room: CallRoom?
  private let queueMax: Int
  private let waitMax: Int
  private let state: Mutex<State>

  private let clock: any GatewayClock
  private let starter: TaskStarter

  init(
    _ settings: GatewayConfiguration.ProviderSettings, _ queue: GatewayConfiguration.Queue,
    clock: any GatewayClock, starter: TaskStarter = .system, room: CallRoom? = nil,
    after predecessor: ProviderGate? = nil
  ) {
    self.clock = clock
    self.starter = starter
    self.room = room
    inFlightMax = settings.maxInFlight
    queueMax = queue.length
    waitMax = Int(queue.wait.milliseconds)
    let known = predecessor?.state.withLock { (keys: $0.keys, address: $0.address) }
    // A key that another server did not take may be taken by this one.
    let keys = known?.address == settings.baseURL ? known?.keys : nil
    state = Mutex(
      State(
        keys: KeyRing(
          settings.keys,
          quota: ProviderQuota(requests: settings.requestLimit, tokens: settings.tokenLimit),
          after: keys),
        address: settings.baseURL, predecessor: predecessor))
  }

  package var status: Status {
    state.withLock { state in
      let perMinute = state.keys.perMinute
      return Status(
        inFlight: state.allInFlight, queued: state.queued, rejected: state.rejected,
        requestsPerMinute: perMinute.requests, tokensPerMinute: perMinute.tokens,
        keys: state.keys.statuses(now: clock.monotonic))
    }
  }

  private var allInFlight: Int { state.withLock { $0.allInFlight } }

  // MARK: Entering

  /// Enters if nothing is in the way, and nobody waits who came before. Throws
  /// `ProviderFailure.limited`, or why no key is taken.
  func enterAtOnce(_ caller: Caller, tokens: Int) throws(ProviderFailure) -> Permit {
    let now = clock.monotonic
    let result = state.withLock { state -> Result<Entry, ProviderFailure> in
      let isOvertaking = caller.isBatch ? state.queued > 0 : !state.interactive.isEmpty
      if isOvertaking || state.allInFlight >= inFlightMax {
        return .failure(.limited(.queue, retryAfter: 1))
      }
      switch state.keys.choose(tokens, now: now) {
      case .key(let key):
        guard room?.enter() ?? true else { return .failure(.limited(.queue, retryAfter: 1)) }
        return .success(state.admit(key, tokens, now))
      case .shut(let shut):
        return .failure(.limited(shut.limit, retryAfter: Double(shut.wait) / 1000))
      case .refused(let failure): return .failure(failure)
      }
    }
    return Permit(self, try result.get())
  }

  private func exchangeKey(of permit: Permit) -> Entry? {
    let now = clock.monotonic
    return state.withLock { state in
      let choice = state.keys.choose(permit.tokens, now: now, avoiding: permit.key)
      guard case .key(let key) = choice else { return nil }
      state.keys.leave(
        permit.key, guessed: permit.tokens, used: 0, isProbe: permit.isProbe, now: now)
      let isProbe = state.keys.take(key, permit.tokens, now: now)
      return Entry(key: key, tokens: permit.tokens, isProbe: isProbe)
    }
  }

  /// Waits for a turn, until `deadline` at most. Throws `ProviderFailure.limited`, `.cancelled`, or
  /// why no key is taken.
  func enter(_ caller: Caller, tokens: Int, deadline: MonotonicInstant) async throws -> Permit {
    let now = clock.monotonic
    let number = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let waiter = Waiter(
          caller: caller, tokens: tokens, deadline: min(deadline, now.after(milliseconds: waitMax)),
          continuation: continuation)
        let (refusal, ousted) = state.withLock { $0.line(up: waiter, number, queueMax, now) }
        ousted?.continuation.resume(throwing: ProviderFailure.limited(.queue, retryAfter: 1))
        if let refusal { return continuation.resume(throwing: refusal) }
        serveQueue()
        keepTicking()
      }
    } onCancel: {
      let waiter = state.withLock { $0.withdraw(number) }
      waiter?.continuation.resume(throwing: ProviderFailure.cancelled)
    }
  }

  // MARK: Leaving

  private func leave(_ permit: borrowing Permit, used: Int?) {
    let now = clock.monotonic
    state.withLock {
      $0.inFlight -= 1
      $0.keys.leave(
        permit.key, guessed: permit.tokens, used: used, isProbe: permit.isProbe, now: now)
    }
    room?.leave()
    serveQueue()
  }

  private func learn(_ key: Int, _ head: HTTPAnswerHead) {
    guard
      head.headers.hasName(beginning: "x-ratelimit-")
        || head.headers.hasName(beginning: "anthropic-ratelimit-")
    else { return }
    let now = clock.monotonic
    let wall = clock.now.milliseconds
    state.withLock { $0.keys.learn(key, head, now: now, wall: wall) }
  }

  private func note(_ permit: Permit, _ failure: ProviderFailure?) {
    let now = clock.monotonic
    state.withLock { state in
      if case .throttled(let seconds) = failure {
        // Nobody else need hear it.
        let milliseconds = Int(min(max(0, seconds ?? 1), 3600) * 1000)
        state.keys.throttle(permit.key, milliseconds: milliseconds, now: now)
      }
      state.keys.note(permit.key, failure, isProbe: permit.isProbe, now: now)
    }
  }

  // MARK: The queue

  /// Lets in everybody whose turn has come and for whom there is room.
  private func serveQueue() {
    let now = clock.monotonic
    let entered = state.withLock { $0.queued == 0 ? [] : $0.turns(inFlightMax, room, now) }
    for (waiter, entry) in entered {
      waiter.continuation.resume(returning: Permit(self, entry))
    }
  }

  /// Sends away who has waited too long.
  private func dismissOverdue() {
    let overdue = state.withLock { $0.overdue(clock.monotonic) }
    for (waiter, failure) in overdue { waiter.continuation.resume(throwing: failure) }
  }

  /// Looks again every so often for as long as somebody waits: limits open without anybody leaving.
  private func keepTicking() {
    let starts = state.withLock { state in
      defer { state.isTicking = true }
      return !state.isTicking
    }
    guard starts else { return }
    starter.start { [weak self] in
      while let self {
        let goesOn = state.withLock { state in
          state.isTicking = state.queued > 0
          return state.isTicking
        }
        guard goesOn else { return }
        try? await clock.sleep(milliseconds: Self.tick)
        dismissOverdue()
        serveQueue()
      }
    }
  }
}

extension ProviderGate.State {
  fileprivate mutating func admit(_ key: Int, _ tokens: Int, _ now: MonotonicInstant)
    -> ProviderGate.Entry
  {
    inFlight += 1
    let isProbe = keys.take(key, tokens, now: now)
    return ProviderGate.Entry(key: key, tokens: tokens, isProbe: isProbe)
  }

  /// Why a call may not even wait, nil once it does; and who has to go to make room for it.
  fileprivate mutating func line(
    up waiter: ProviderGate.Waiter, _ number: Int, _ queueMax: Int, _ now: MonotonicInstant
  ) -> (refusal: ProviderFailure?, ousted: ProviderGate.Waiter?) {
    if Task.isCancelled { return (.cancelled, nil) }
    switch keys.choose(waiter.tokens, now: now) {
    case .key: break
    case .refused(let failure): return (failure, nil)
    case .shut(let shut):
      guard now.after(milliseconds: shut.wait) > waiter.deadline else { break }
      rejected[shut.limit, default: 0] += 1
      return (.limited(shut.limit, retryAfter: Double(shut.wait) / 1000), nil)
    }
    let ousted = now < waiter.deadline ? makeRoom(for: waiter, queueMax) : nil
    guard queued < queueMax, now < waiter.deadline else {
      rejected[.queue, default: 0] += 1
      return (.limited(.queue, retryAfter: 1), nil)
    }
    waiters[number] = waiter
    if waiter.caller.isBatch {
      batch.append(number, app: waiter.caller.app, user: waiter.caller.user)
    } else {
      interactive.append(number, app: waiter.caller.app, user: waiter.caller.user)
    }
    return (nil, ousted)
  }

  /// A full queue is shared: who has less waiting than another app takes the place of its last, and
  /// who waits in person that of work that nobody waits for. Returns whoever has to go.
  fileprivate mutating func makeRoom(
    for waiter: ProviderGate.Waiter, _ queueMax: Int
  ) -> ProviderGate.Waiter? {
    guard queued >= queueMax, queueMax > 0 else { return nil }
    let caller = waiter.caller
    let victim: Int
    if !caller.isBatch, let last = batch.lastOfLargest {
      victim = last.element
    } else {
      let queue = caller.isBatch ? batch : interactive
      guard let last = queue.lastOfLargest,
        queue.count(of: last.app) > queue.count(of: caller.app) + 1
      else { return nil }
      victim = last.element
    }
    rejected[.queue, default: 0] += 1
    return withdraw(victim)
  }

  fileprivate mutating func withdraw(_ number: Int) -> ProviderGate.Waiter? {
    guard let waiter = waiters.removeValue(forKey: number) else { return nil }
    if waiter.caller.isBatch {
      batch.remove(number, app: waiter.caller.app, user: waiter.caller.user)
    } else {
      interactive.remove(number, app: waiter.caller.app, user: waiter.caller.user)
    }
    return waiter
  }

  fileprivate mutating func turns(
    _ inFlightMax: Int, _ room: CallRoom?, _ now: MonotonicInstant
  ) -> [(waiter: ProviderGate.Waiter, entry: ProviderGate.Entry)] {
    var entered: [(waiter: ProviderGate.Waiter, entry: ProviderGate.Entry)] = []
    let before = allInFlight - inFlight
    while inFlight + before < inFlightMax, let number = interactive.first ?? batch.first,
      let waiter = waiters[number], case .key(let key) = keys.choose(waiter.tokens, now: now),
      room?.enter() ?? true
    {
      _ = interactive.isEmpty ? batch.popFirst() : interactive.popFirst()
      waiters[number] = nil
      entered.append((waiter, admit(key, waiter.tokens, now)))
    }
    return entered
  }

  /// Who has waited too long, or waits for keys that are not taken any more; who came first is told
  /// first.
  fileprivate mutating func overdue(
    _ now: MonotonicInstant
  ) -> [(waiter: ProviderGate.Waiter, failure: ProviderFailure)] {
    let late: [Int]
    if case .refused = keys.choose(0, now: now) {
      late = waiters.keys.sorted()
    } else {
      late = waiters.filter { $0.value.deadline <= now }.keys.sorted()
    }
    return late.compactMap { number in
      guard let waiter = withdraw(number) else { return nil }
      let choice = keys.choose(waiter.tokens, now: now)
      if case .refused(let failure) = choice { return (waiter, failure) }
      var limit = ProviderLimit.queue
      var wait = 0
      if case .shut(let shut) = choice { (limit, wait) = (shut.limit, shut.wait) }
      rejected[limit, default: 0] += 1
      return (waiter, .limited(limit, retryAfter: max(1, Double(wait) / 1000)))
    }
  }
}
