import HTTPKit
import RolloutCore
import Synchronization

/// Takes messages to where they are to be told.
protocol Messenger: Sendable {
  /// Tells the target once. Throws `DeliveryFailure`; never retries.
  func send(_ message: Message, to target: String, at now: Instant) async throws
}

/// Why a delivery failed.
struct DeliveryFailure: Error, Equatable {
  var reason: String
  /// Nobody will ever take it: a target that is gone.
  var isFinal = false
}

/// Empties the outbox: due → send → mark, at least once each.
final class Courier: Sendable {
  private static let batch = 64
  /// Deliveries under way at once.
  private static let parallel = 8
  /// Between two looks at the bell.
  private static let interval = Duration.milliseconds(250)
  /// Looks after which the outbox is read even when nobody rang: retries fall due.
  private static let restMax = 4

  private let store: any OutboxStore
  private let messenger: any Messenger
  private let clock: any SteadyClock
  private let log: Log
  private let jitter: @Sendable () -> Double
  /// Set at the start: what an earlier process left is due.
  private let isRung = Atomic<Bool>(true)

  init(
    store: any OutboxStore, messenger: any Messenger, clock: any SteadyClock, log: Log,
    jitter: @escaping @Sendable () -> Double = { Double.random(in: 0..<1) }
  ) {
    self.store = store
    self.messenger = messenger
    self.clock = clock
    self.log = log
    self.jitter = jitter
  }

  /// There may be something to deliver.
  func wake() { isRung.store(true, ordering: .releasing) }

  /// Runs until the task is cancelled.
  func run() async {
    var rested = 0
    while !Task.isCancelled {
      let isRung = isRung.exchange(false, ordering: .acquiring)
      if isRung || rested >= Self.restMax {
        rested = 0
        while await deliverDue() > 0, !Task.isCancelled {}
      }
      try? await Task.sleep(for: Self.interval)
      rested += 1
    }
  }

  /// One round; how many deliveries are settled, one way or the other.
  func deliverDue() async -> Int {
    let due: [Delivery]
    do { due = try await store.due(now: clock.steady, limit: Self.batch) } catch {
      log.error("the outbox could not be read", ["error": "\(error)"])
      return 0
    }
    var settled = 0
    for start in stride(from: 0, to: due.count, by: Self.parallel) {
      settled += await withTaskGroup(of: Bool.self) { group in
        for delivery in due[start..<min(start + Self.parallel, due.count)] {
          group.addTask { [self] in await deliver(delivery) }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
    }
    return settled
  }

  /// False when the outcome could not be written down.
  private func deliver(_ delivery: Delivery) async -> Bool {
    let now = clock.now
    do {
      do {
        try await messenger.send(delivery.message, to: delivery.target, at: now)
        try await store.delivered(delivery.id, at: clock.steady)
      } catch let failure as DeliveryFailure {
        let retryAt =
          failure.isFinal
          ? nil
          : RetrySchedule.next(
            afterAttempts: delivery.attempts + 1, now: clock.steady, jitter: jitter())
        try await store.failed(
          delivery.id, error: failure.reason, retryAt: retryAt, at: clock.steady)
        if retryAt == nil {
          log.error(
            "a notification was given up",
            ["target": delivery.target, "message": delivery.message.id, "error": failure.reason])
        }
      }
      return true
    } catch {
      // Not marked: it will be told again, and the receiver knows its id.
      log.error("the outbox could not be marked", ["error": "\(error)"])
      return false
    }
  }
}
