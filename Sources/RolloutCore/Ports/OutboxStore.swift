/// A notice with the id the store gave it, and its place among the events.
package struct StoredNotice: Sendable, Equatable {
  package var id: Int
  package var afterEvent: Int
  package var notice: Notice

  package init(id: Int, afterEvent: Int, notice: Notice) {
    self.id = id
    self.afterEvent = afterEvent
    self.notice = notice
  }
}

/// Somebody who wants to be told, by the name of the configuration.
package struct Subscription: Sendable, Equatable {
  package var receiver: String
  /// Kinds of messages it wants; nil for all but verdicts.
  package var kinds: Set<String>?

  package init(receiver: String, kinds: Set<String>?) {
    self.receiver = receiver
    self.kinds = kinds
  }

  package func wants(_ kind: String) -> Bool {
    kinds?.contains(kind) ?? (kind != Notice.Kind.verdict.rawValue)
  }
}

/// What waits for one receiver: emergencies, or the rest.
package struct DeliveryLane: Sendable, Hashable {
  package var receiver: String
  package var isUrgent: Bool

  package init(receiver: String, isUrgent: Bool) {
    self.receiver = receiver
    self.isUrgent = isUrgent
  }
}

/// One message on its way to one receiver.
package struct Delivery: Sendable, Equatable {
  package var id: Int
  package var receiver: String
  package var message: Message
  /// Attempts so far.
  package var attempts: Int

  package init(id: Int, receiver: String, message: Message, attempts: Int) {
    self.id = id
    self.receiver = receiver
    self.message = message
    self.attempts = attempts
  }
}

/// Keeps notices and what must still be told to whom. Retries fall due on the steady timeline.
///
/// Promises: a message is queued in the transaction that made it, so that nothing is told that did
/// not happen and nothing that happened stays untold; delivered at least once, or given up and
/// kept; saying twice that it was delivered is no error. A call costs in proportion to what it is
/// about, and is not ended by cancelling who waits for it. Bounded (`Retention`). Throws
/// `StoreError`.
package protocol OutboxStore: Sendable {
  func append(_ notice: Notice) async throws -> StoredNotice
  /// Lanes in which something is due at `now`, emergencies first.
  func lanes(now: Instant) async throws -> [DeliveryLane]
  /// What is due in a lane at `now`: the newest emergency first, of the rest the oldest.
  func due(_ lane: DeliveryLane, now: Instant, limit: Int) async throws -> [Delivery]
  func delivered(_ id: Int, at now: Instant) async throws
  /// `retryAt` is nil when it is given up.
  func failed(_ id: Int, error: String, retryAt: Instant?, at now: Instant) async throws
  /// Makes everything that waits for a receiver due now.
  func hasten(_ receiver: String, at now: Instant) async throws
  /// Gives up what is beyond `waitingMax` for any receiver, the oldest first and emergencies last,
  /// and forgets what was given up long ago. Returns how many were given up.
  func trim(waitingMax: Int, at now: Instant) async throws -> Int
  /// How many wait, and how many were given up.
  func backlog() async throws -> (waiting: Int, givenUp: Int)
}

/// When a failed delivery is tried again.
package enum RetrySchedule {
  /// Standard Webhooks' recommendation, with a quicker start: an alert at 3 a.m. is worth a second.
  private static let pauses: [TimeSpan] = [
    .seconds(1), .seconds(5), .seconds(30), .minutes(2), .minutes(10), .minutes(30), .hours(1),
    .hours(2), .hours(4), .hours(8), .hours(8),
  ]

  /// Attempts in all, over a day.
  package static var attemptsMax: Int { pauses.count + 1 }

  /// When to try again after `attempts` failures; nil when it is enough. `jitter` in 0..<1 spreads
  /// the pause by a tenth.
  package static func next(afterAttempts attempts: Int, now: Instant, jitter: Double) -> Instant? {
    guard pauses.indices.contains(attempts - 1) else { return nil }
    let pause = Double(pauses[attempts - 1].milliseconds)
    return now + TimeSpan(milliseconds: Int64(pause * (0.95 + 0.1 * jitter)))
  }
}
