import RolloutCore

/// Whether a receiver takes what it is told. One that does not is asked by one message at a time,
/// and ever more seldom, so that those who wait for it neither wear out their attempts nor anybody
/// else's time.
struct ReceiverBreaker: Sendable {
  /// Failures in a row after which it is shut.
  private static let failuresMax = 3
  /// Between two tries of a shut one.
  private static let pauses: [TimeSpan] = [
    .seconds(1), .seconds(5), .seconds(15), .seconds(30), .seconds(60),
  ]

  private var failures = 0
  private var opensAt = Instant(milliseconds: 0)
  private var isProbing = false

  var isShut: Bool { failures >= Self.failuresMax }

  /// How many deliveries may begin: `most`, or one try of a shut receiver, or none.
  mutating func admit(_ most: Int, now: Instant) -> Int {
    guard isShut else { return most }
    guard !isProbing, now >= opensAt else { return 0 }
    isProbing = true
    return 1
  }

  /// Takes back what `admit` allowed when there was nothing to deliver.
  mutating func withdraw() { isProbing = false }

  /// True when it was shut until now.
  mutating func succeed() -> Bool {
    defer { self = ReceiverBreaker() }
    return isShut
  }

  mutating func fail(now: Instant) {
    isProbing = false
    failures += 1
    guard isShut else { return }
    opensAt = now + Self.pauses[min(failures - Self.failuresMax, Self.pauses.count - 1)]
  }
}
