import DocumentKit
import PlatformKit
import RolloutCore
import Synchronization

/// Takes messages to where they are to be told.
protocol Messenger: Sendable {
  /// Tells the receiver once. Throws `DeliveryFailure`; never retries.
  func send(_ message: Message, to receiver: String, at now: Instant) async throws
}

/// Why a delivery failed.
struct DeliveryFailure: Error, Equatable {
  var reason: String
  /// Nobody will ever take it: a receiver that is gone.
  var isFinal = false
}

/// Empties the outbox: due → send → mark, at least once each.
///
/// Every receiver has two lanes of its own, one for what lowers exposure and one for the rest: a
/// slow or dead receiver delays nobody else, and ordinary news no emergency.
final class Courier: Sendable {
  /// Deliveries of one lane under way at once.
  private static let parallel = 4
  /// Between two looks at the bell.
  private static let interval = TimeSpan(milliseconds: 250)
  /// Looks after which the outbox is read even when nobody rang: retries fall due.
  private static let restMax = 4
  /// Looks after which what is too much is given up.
  private static let trimEvery = 240
  /// Messages that may wait for one receiver.
  static let waitingMax = 10_000

  private struct State {
    /// Lanes somebody works on.
    var busy: Set<DeliveryLane> = []
    var breakers: [String: ReceiverBreaker] = [:]
  }

  private let store: any OutboxStore
  private let messenger: any Messenger
  private let clock: any ServerClock
  private let log: Log
  private let jitter: @Sendable () -> Double
  /// Told how a receiver does: why it takes nothing, and nil when it does again.
  private let report: @Sendable (_ receiver: String, _ trouble: String?) -> Void
  /// Set at the start: what an earlier process left is due.
  private let isRung = Atomic<Bool>(true)
  private let state = Mutex(State())

  init(
    store: any OutboxStore, messenger: any Messenger, clock: any ServerClock, log: Log,
    jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) },
    report: @escaping @Sendable (String, String?) -> Void = { _, _ in }
  ) {
    self.store = store
    self.messenger = messenger
    self.clock = clock
    self.log = log
    self.jitter = jitter
    self.report = report
  }

  /// There may be something to deliver.
  func wake() { isRung.store(true, ordering: .releasing) }

  /// Runs until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      var rested = 0
      var looks = 0
      while !Task.isCancelled {
        let isRung = isRung.exchange(false, ordering: .acquiring)
        if isRung || rested >= Self.restMax {
          rested = 0
          for lane in await takeLanes() {
            group.addTask { [self] in _ = await work(lane) }
          }
        }
        if looks % Self.trimEvery == 0 { await trim() }
        looks += 1
        try? await clock.sleep(Self.interval)
        rested += 1
      }
    }
  }

  /// Until nothing in the lane is due any more, or its receiver takes nothing; how many deliveries
  /// are settled, one way or the other.
  func work(_ lane: DeliveryLane) async -> Int {
    var settled = 0
    while case let count = await round(lane), count > 0 {
      settled += count
      if Task.isCancelled { break }
    }
    leave(lane)
    return settled
  }

  // MARK: Lanes

  /// Lanes in which something is due and on which nobody works yet; emergencies first.
  func takeLanes() async -> [DeliveryLane] {
    do {
      let lanes = try await store.lanes(now: clock.steady)
      return state.withLock { state in lanes.filter { state.busy.insert($0).inserted } }
    } catch {
      log.error("the outbox could not be read", ["error": "\(error)"])
      return []
    }
  }

  private func leave(_ lane: DeliveryLane) { state.withLock { _ = $0.busy.remove(lane) } }

  /// What its receiver may be told now; how many deliveries are settled.
  private func round(_ lane: DeliveryLane) async -> Int {
    let now = clock.steady
    let most = state.withLock {
      $0.breakers[lane.receiver, default: ReceiverBreaker()].admit(Self.parallel, now: now)
    }
    guard most > 0 else { return 0 }
    let due: [Delivery]
    do { due = try await store.due(lane, now: now, limit: most) } catch {
      log.error("the outbox could not be read", ["error": "\(error)"])
      due = []
    }
    guard !due.isEmpty else {
      state.withLock { $0.breakers[lane.receiver]?.withdraw() }
      return 0
    }
    return await withTaskGroup(of: Bool.self) { group in
      for delivery in due { group.addTask { [self] in await deliver(delivery) } }
      return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
    }
  }

  private func trim() async {
    do {
      let count = try await store.trim(waitingMax: Self.waitingMax, at: clock.steady)
      if count > 0 {
        log.error(
          "notifications were given up: too many wait for one receiver", ["count": "\(count)"])
      }
    } catch { log.error("the outbox could not be trimmed", ["error": "\(error)"]) }
  }

  // MARK: One delivery

  /// False when the outcome could not be written down.
  private func deliver(_ delivery: Delivery) async -> Bool {
    do {
      do {
        try await messenger.send(delivery.message, to: delivery.receiver, at: clock.now)
        try await store.delivered(delivery.id, at: clock.steady)
        try await succeeded(delivery.receiver)
      } catch let failure as DeliveryFailure {
        try await failed(delivery, failure)
      }
      return true
    } catch {
      state.withLock { $0.breakers[delivery.receiver]?.withdraw() }
      // Not marked: it will be told again, and the receiver knows its id.
      log.error("the outbox could not be marked", ["error": "\(error)"])
      return false
    }
  }

  private func succeeded(_ receiver: String) async throws {
    let wasShut = state.withLock { $0.breakers[receiver]?.succeed() ?? false }
    guard wasShut else { return }
    report(receiver, nil)
    // Whoever failed meanwhile need not wait for its own next try.
    try await store.hasten(receiver, at: clock.steady)
    wake()
  }

  private func failed(_ delivery: Delivery, _ failure: DeliveryFailure) async throws {
    let now = clock.steady
    let trouble = state.withLock { state -> String? in
      // Gone for good: nothing to wait for.
      guard !failure.isFinal else {
        state.breakers[delivery.receiver]?.withdraw()
        return nil
      }
      state.breakers[delivery.receiver, default: ReceiverBreaker()].fail(now: now)
      let isShut = state.breakers[delivery.receiver]?.isShut == true
      return isShut ? "\(delivery.receiver) takes no notifications: \(failure.reason)" : nil
    }
    if let trouble { report(delivery.receiver, trouble) }
    let retryAt =
      failure.isFinal
      ? nil
      : RetrySchedule.next(afterAttempts: delivery.attempts.adding(1), now: now, jitter: jitter())
    try await store.failed(delivery.id, error: failure.reason, retryAt: retryAt, at: now)
    if retryAt == nil {
      log.error(
        "a notification was given up",
        ["target": delivery.receiver, "message": delivery.message.id, "error": failure.reason])
    }
  }
}
