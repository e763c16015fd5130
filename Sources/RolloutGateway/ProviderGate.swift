import HTTPKit
import RolloutCore
import Synchronization

/// Who asks, for turns and limits.
package struct Caller: Sendable {
  /// Whose turn it is in a queue: the user, or the app where there is none.
  package var user: String
  /// Work that nobody waits for in person goes after all that somebody does.
  package var isBatch = false

  package init(user: String, isBatch: Bool = false) {
    self.user = user
    self.isBatch = isBatch
  }
}

/// Lets calls to one provider begin: so many at once, as many as it allows, the others in a bounded
/// queue in which users take turns.
///
/// Whoever entered leaves exactly once, which a `Slot` sees to.
package final class ProviderGate: Sendable {
  /// A call under way; leaves when it is told to, or when nobody holds it any more.
  package final class Slot: Sendable {
    private let gate: ProviderGate
    private let tokens: Int
    private let left = Mutex(false)

    fileprivate init(_ gate: ProviderGate, tokens: Int) {
      self.gate = gate
      self.tokens = tokens
    }

    deinit { leave(usedTokens: nil) }

    /// The call is over; `usedTokens` corrects what was guessed for it.
    package func leave(usedTokens: Int?) {
      let isFirst = left.withLock { left in
        defer { left = true }
        return !left
      }
      if isFirst { gate.leave(guessed: tokens, used: usedTokens) }
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
  }

  fileprivate struct Waiter {
    var caller: Caller
    var tokens: Int
    var deadline: Int
    var continuation: CheckedContinuation<Slot, any Error>
  }

  fileprivate struct State {
    var quota: ProviderQuota
    var inFlight = 0
    var waiters: [Int: Waiter] = [:]
    var nextWaiter = 0
    var interactive = FairQueue<Int>()
    var batch = FairQueue<Int>()
    var rejected: [ProviderLimit: Int] = [:]
    var isTicking = false

    var queued: Int { interactive.count + batch.count }
  }

  /// Milliseconds between two looks at those who wait; a call that leaves is followed at once.
  private static let tick = 20

  private let inFlightMax: Int
  private let queueMax: Int
  private let waitMax: Int
  private let state: Mutex<State>

  /// The time of day, in milliseconds since 1970.
  private let wall: @Sendable () -> Int64

  init(
    _ settings: GatewayConfiguration.ProviderSettings, _ queue: GatewayConfiguration.Queue,
    wall: @escaping @Sendable () -> Int64
  ) {
    self.wall = wall
    inFlightMax = settings.maxInFlight
    queueMax = queue.length
    waitMax = Int(queue.wait.milliseconds)
    state = Mutex(
      State(
        quota: ProviderQuota(requests: settings.requestLimit, tokens: settings.tokenLimit)))
  }

  package var status: Status {
    state.withLock { state in
      let perMinute = state.quota.perMinute
      return Status(
        inFlight: state.inFlight, queued: state.queued, rejected: state.rejected,
        requestsPerMinute: perMinute.requests, tokensPerMinute: perMinute.tokens)
    }
  }

  // MARK: Entering

  /// Enters if nothing is in the way, and nobody waits who came before.
  func enterAtOnce(_ caller: Caller, tokens: Int) throws(ProviderFailure) -> Slot {
    let now = monotonicMilliseconds()
    let shut = state.withLock { state -> ProviderFailure? in
      let isOvertaking = caller.isBatch ? state.queued > 0 : !state.interactive.isEmpty
      if isOvertaking || state.inFlight >= inFlightMax { return .limited(.queue, retryAfter: 1) }
      if let shut = state.quota.shut(tokens, now: now) {
        return .limited(shut.limit, retryAfter: Double(shut.wait) / 1000)
      }
      state.admit(tokens, now)
      return nil
    }
    if let shut { throw shut }
    return Slot(self, tokens: tokens)
  }

  /// Waits for a turn, until `deadline` at most. Throws `ProviderFailure.limited` or `.cancelled`.
  func enter(_ caller: Caller, tokens: Int, deadline: Int) async throws -> Slot {
    let now = monotonicMilliseconds()
    let number = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let waiter = Waiter(
          caller: caller, tokens: tokens, deadline: min(deadline, now + waitMax),
          continuation: continuation)
        let refusal = state.withLock { $0.line(up: waiter, number, queueMax, now) }
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

  private func leave(guessed: Int, used: Int?) {
    state.withLock { state in
      state.inFlight -= 1
      if let used {
        state.quota.correct(guessed, to: used, now: monotonicMilliseconds())
      }
    }
    serveQueue()
  }

  /// Takes note of what an answer says about the provider's limits.
  func learn(_ head: HTTPAnswerHead) {
    guard
      head.headers.hasName(beginning: "x-ratelimit-")
        || head.headers.hasName(beginning: "anthropic-ratelimit-")
    else { return }
    let now = monotonicMilliseconds()
    let wall = wall()
    state.withLock { $0.quota.learn(head, now: now, wall: wall) }
  }

  /// The provider refused for having had too many; nobody else need hear it.
  func throttle(seconds: Double) {
    let milliseconds = Int(min(max(0, seconds), 3600) * 1000)
    state.withLock {
      $0.quota.throttle(milliseconds: milliseconds, now: monotonicMilliseconds())
    }
  }

  // MARK: The queue

  /// Lets in everybody whose turn has come and for whom there is room.
  private func serveQueue() {
    let now = monotonicMilliseconds()
    let entered = state.withLock { $0.queued == 0 ? [] : $0.turns(inFlightMax, now) }
    for waiter in entered {
      waiter.continuation.resume(returning: Slot(self, tokens: waiter.tokens))
    }
  }

  /// Sends away who has waited too long.
  private func dismissOverdue() {
    let overdue = state.withLock { $0.overdue(monotonicMilliseconds()) }
    for (waiter, failure) in overdue { waiter.continuation.resume(throwing: failure) }
  }

  /// Looks again every so often for as long as somebody waits: limits open without anybody leaving.
  private func keepTicking() {
    let starts = state.withLock { state in
      defer { state.isTicking = true }
      return !state.isTicking
    }
    guard starts else { return }
    Task { [weak self] in
      while let self {
        let goesOn = state.withLock { state in
          state.isTicking = state.queued > 0
          return state.isTicking
        }
        guard goesOn else { return }
        try? await Task.sleep(for: .milliseconds(Self.tick))
        dismissOverdue()
        serveQueue()
      }
    }
  }
}

extension ProviderGate.State {
  fileprivate mutating func admit(_ tokens: Int, _ now: Int) {
    inFlight += 1
    quota.take(tokens, now: now)
  }

  /// Why a call may not even wait; nil once it does.
  fileprivate mutating func line(
    up waiter: ProviderGate.Waiter, _ number: Int, _ queueMax: Int, _ now: Int
  ) -> ProviderFailure? {
    if Task.isCancelled { return .cancelled }
    if let shut = quota.shut(waiter.tokens, now: now), now + shut.wait > waiter.deadline {
      rejected[shut.limit, default: 0] += 1
      return .limited(shut.limit, retryAfter: Double(shut.wait) / 1000)
    }
    guard queued < queueMax, now < waiter.deadline else {
      rejected[.queue, default: 0] += 1
      return .limited(.queue, retryAfter: 1)
    }
    waiters[number] = waiter
    if waiter.caller.isBatch {
      batch.append(number, user: waiter.caller.user)
    } else {
      interactive.append(number, user: waiter.caller.user)
    }
    return nil
  }

  fileprivate mutating func withdraw(_ number: Int) -> ProviderGate.Waiter? {
    guard let waiter = waiters.removeValue(forKey: number) else { return nil }
    if waiter.caller.isBatch {
      batch.remove(number, user: waiter.caller.user)
    } else {
      interactive.remove(number, user: waiter.caller.user)
    }
    return waiter
  }

  fileprivate mutating func turns(_ inFlightMax: Int, _ now: Int) -> [ProviderGate.Waiter] {
    var entered: [ProviderGate.Waiter] = []
    while inFlight < inFlightMax, let number = interactive.first ?? batch.first,
      let waiter = waiters[number], quota.shut(waiter.tokens, now: now) == nil
    {
      _ = interactive.isEmpty ? batch.popFirst() : interactive.popFirst()
      waiters[number] = nil
      admit(waiter.tokens, now)
      entered.append(waiter)
    }
    return entered
  }

  fileprivate mutating func overdue(
    _ now: Int
  ) -> [(waiter: ProviderGate.Waiter, failure: ProviderFailure)] {
    let late = waiters.filter { $0.value.deadline <= now }.keys
    return late.compactMap { number in
      guard let waiter = withdraw(number) else { return nil }
      let shut = quota.shut(waiter.tokens, now: now)
      let limit = shut?.limit ?? .queue
      rejected[limit, default: 0] += 1
      return (waiter, .limited(limit, retryAfter: max(1, Double(shut?.wait ?? 0) / 1000)))
    }
  }
}
