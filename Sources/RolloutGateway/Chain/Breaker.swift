import PlatformKit

/// Keeps calls away from a provider's model that fails them anyway, and lets one through now and
/// then to see whether it is back.
///
/// A value without a clock. Calls are counted when
/// they begin, so that a provider that hangs is seen before its timeouts.
struct Breaker: Sendable, Equatable {
  /// How it is now.
  enum State: String, Sendable {
    case closed, open
    case halfOpen = "half_open"
  }

  /// Calls within the window below which nothing is concluded.
  static let volumeMin = 20
  /// The share of failures that opens it.
  static let failureMax = 0.5
  private static let bucketCount = 10
  private static let bucketTime = 3000
  /// The first pause, and the longest; each doubles the one before.
  private static let pauseMin = 5000
  private static let pauseMax = 60_000

  private struct Bucket: Sendable, Equatable {
    var slot = -1
    var begun = 0
    var failed = 0
  }

  private var buckets = [Bucket](repeating: Bucket(), count: bucketCount)
  private var openUntil: MonotonicInstant?
  private var pause = pauseMin
  private var isProbing = false
  private var probeBegan = MonotonicInstant.beginning
  /// Calls that began before it closed again say nothing of now.
  private var closedAt = MonotonicInstant.beginning
  /// When the call began whose failure opened it; nil while it is closed.
  private(set) var openedBy: MonotonicInstant?

  /// Whether a call may begin now, which counts it. `jitter` in 0..<1 spreads the probes of many
  /// servers.
  mutating func admit(_ now: MonotonicInstant) -> Bool {
    if let openUntil {
      guard now >= openUntil, !isProbing else { return false }
      isProbing = true
      probeBegan = now
      return true
    }
    touch(now) { $0.begun += 1 }
    return true
  }

  /// A call that was admitted has ended well.
  mutating func succeed(_ now: MonotonicInstant) {
    guard openUntil != nil else { return }
    guard isProbing else { return }
    self = Breaker()
    closedAt = now
  }

  /// It failed by the provider's fault; `retryAfter` is what it asks for, in milliseconds. `began`
  /// is when it was admitted, by default just now.
  mutating func fail(
    _ now: MonotonicInstant, began: MonotonicInstant? = nil, retryAfter: Int = 0, jitter: Double
  ) {
    let began = began ?? now
    if openUntil != nil {
      // A call from before it opened says nothing new.
      guard isProbing, began >= probeBegan else { return }
      isProbing = false
      pause = min(pause * 2, Self.pauseMax)
      open(now, by: began, retryAfter, jitter)
      return
    }
    guard began >= closedAt else { return }
    touch(now) { $0.failed += 1 }
    let (begun, failed) = counts(now)
    if begun >= Self.volumeMin, Double(failed) >= Double(begun) * Self.failureMax {
      open(now, by: began, retryAfter, jitter)
    }
  }

  /// It ended without telling anything about the provider: cancelled, or the caller's fault.
  mutating func forget(_ now: MonotonicInstant, began: MonotonicInstant? = nil) {
    let began = began ?? now
    if openUntil != nil {
      if began >= probeBegan { isProbing = false }
    } else if began >= closedAt {
      touch(now) { $0.begun = max(0, $0.begun - 1) }
    }
  }

  private mutating func open(
    _ now: MonotonicInstant, by began: MonotonicInstant, _ retryAfter: Int, _ jitter: Double
  ) {
    openedBy = began
    let spread = Int(Double(pause) * (0.9 + 0.2 * jitter))
    let end = now.after(milliseconds: max(spread, retryAfter))
    openUntil = openUntil.map { max($0, end) } ?? end
  }

  func state(_ now: MonotonicInstant) -> State {
    guard let openUntil else { return .closed }
    return isProbing || now >= openUntil ? .halfOpen : .open
  }

  private mutating func touch(_ now: MonotonicInstant, _ change: (inout Bucket) -> Void) {
    let slot = now.milliseconds / Self.bucketTime
    let index = slot % Self.bucketCount
    if buckets[index].slot != slot { buckets[index] = Bucket(slot: slot) }
    change(&buckets[index])
  }

  private func counts(_ now: MonotonicInstant) -> (begun: Int, failed: Int) {
    let oldest = now.milliseconds / Self.bucketTime - Self.bucketCount
    return buckets.reduce((0, 0)) { sum, bucket in
      bucket.slot > oldest ? (sum.0 + bucket.begun, sum.1 + bucket.failed) : sum
    }
  }
}

/// How many retries a provider's failures still allow: gRPC's A6 token bucket. A failure costs one
/// token, a success gives a tenth back; retries stop while half of them are gone.
struct RetryBudget: Sendable, Equatable {
  private static let tokensMax = 10.0
  private static let gain = 0.1

  private var tokens = tokensMax

  var allowsRetry: Bool { tokens > Self.tokensMax / 2 }

  mutating func succeed() { tokens = min(Self.tokensMax, tokens + Self.gain) }
  mutating func fail() { tokens = max(0, tokens - 1) }
}
