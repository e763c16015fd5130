import RolloutCore
import Synchronization

/// What one event loop counts. One per loop, so that counting never waits for another core.
final class LoopMetrics: Sendable {
  let http = HTTPCounters()
  let evaluations = EvaluationCounters()
}

/// Answers by route and status.
final class HTTPCounters: Sendable {
  /// Statuses counted by themselves; all others share the last place.
  static let statuses = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 409, 413, 415, 422, 428, 429, 500, 502, 503,
    504, 529,
  ]
  private static let width = statuses.count + 1

  private struct State {
    /// Patterns of the loop's routes; what matched none comes last.
    var patterns: [String] = []
    var counts = [Int](repeating: 0, count: width)
  }

  private let state = Mutex(State())

  /// Said once, when the loop's table is made.
  func name(_ patterns: [String]) {
    state.withLock { state in
      state.patterns = patterns
      state.counts = Array(repeating: 0, count: (patterns.count + 1) * Self.width)
    }
  }

  /// `route` is nil for what was refused before it reached one.
  func count(_ route: Int?, status: Int) {
    let place = Self.place(status)
    state.withLock { state in
      let index = (route ?? state.patterns.count) * Self.width + place
      if index < state.counts.count { state.counts[index] &+= 1 }
    }
  }

  private static func place(_ status: Int) -> Int {
    if status == 200 { return 0 }
    return statuses.firstIndex(of: status) ?? statuses.count
  }

  struct Key: Hashable, Comparable {
    /// The pattern, or `none`.
    var route: String
    /// 0 for others.
    var status: Int
    static func < (a: Key, b: Key) -> Bool { (a.route, a.status) < (b.route, b.status) }
  }

  /// Adds what was counted to `totals`.
  func add(to totals: inout [Key: Int]) {
    let (patterns, counts) = state.withLock { ($0.patterns, $0.counts) }
    for (index, count) in counts.enumerated() where count > 0 {
      let route = index / Self.width
      let place = index % Self.width
      let key = Key(
        route: route < patterns.count ? patterns[route] : "none",
        status: place < Self.statuses.count ? Self.statuses[place] : 0)
      totals[key, default: 0] += count
    }
  }
}

/// Decisions on one feature and who asked for them, counted by one thread and read by any.
final class EvaluationCounter: Sendable {
  /// Accounts counted by themselves; the rest are `others`.
  private static let accountsMax = 16
  /// Stands for askers without a token.
  static let anonymous = 1
  static let others = 2

  private let on = Atomic<Int>(0)
  private let off = Atomic<Int>(0)
  /// 0 where a place is free.
  private let accounts = InlineArray<16, Atomic<Int>> { _ in Atomic(0) }
  private let asks = InlineArray<16, Atomic<Int>> { _ in Atomic(0) }
  private let otherAsks = Atomic<Int>(0)

  /// By the owning thread only: loads and stores, no locked instruction. `account` is whose token.
  func count(enabled: Bool, for account: Int) {
    let answers = enabled ? on.load(ordering: .relaxed) : off.load(ordering: .relaxed)
    if enabled {
      on.store(answers &+ 1, ordering: .relaxed)
    } else {
      off.store(answers &+ 1, ordering: .relaxed)
    }
    if let place = place(of: account) {
      asks[place].store(asks[place].load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    } else {
      otherAsks.store(otherAsks.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }
  }

  /// By any thread.
  func countShared(enabled: Bool, for account: Int) {
    add(enabled: enabled ? 1 : 0, disabled: enabled ? 0 : 1)
    addAsks(1, account)
  }

  /// By any thread.
  func add(_ other: EvaluationCounter) {
    add(enabled: other.enabled, disabled: other.disabled)
    for (account, count) in other.asksByAccount { addAsks(count, account) }
  }

  private func add(enabled: Int, disabled: Int) {
    on.wrappingAdd(enabled, ordering: .relaxed)
    off.wrappingAdd(disabled, ordering: .relaxed)
  }

  private func addAsks(_ count: Int, _ account: Int) {
    if account != Self.others, let place = place(of: account) {
      asks[place].wrappingAdd(count, ordering: .relaxed)
    } else {
      otherAsks.wrappingAdd(count, ordering: .relaxed)
    }
  }

  /// Where an account is counted, which it claims when it is new; nil when all places are taken.
  private func place(of account: Int) -> Int? {
    let account = account == 0 ? Self.anonymous : account
    for place in 0..<Self.accountsMax {
      let known = accounts[place].load(ordering: .relaxed)
      if known == account { return place }
      guard known == 0 else { continue }
      let claim = accounts[place].compareExchange(
        expected: 0, desired: account, ordering: .relaxed)
      if claim.exchanged || claim.original == account { return place }
    }
    return nil
  }

  var enabled: Int { on.load(ordering: .relaxed) }
  var disabled: Int { off.load(ordering: .relaxed) }

  /// How often each account has asked.
  var asksByAccount: [Int: Int] {
    var counts: [Int: Int] = [:]
    for place in 0..<Self.accountsMax {
      let account = accounts[place].load(ordering: .relaxed)
      let count = asks[place].load(ordering: .relaxed)
      if account != 0, count > 0 { counts[account, default: 0] += count }
    }
    let rest = otherAsks.load(ordering: .relaxed)
    if rest > 0 { counts[Self.others, default: 0] += rest }
    return counts
  }
}

/// Counters by feature; they outlive the versions of a plan.
final class EvaluationCounters: Sendable {
  private let counters = Mutex<[String: EvaluationCounter]>([:])

  func counter(_ feature: String) -> EvaluationCounter {
    counters.withLock { counters in
      if let known = counters[feature] { return known }
      let new = EvaluationCounter()
      counters[feature] = new
      return new
    }
  }

  /// Takes over what others counted.
  func add(_ others: EvaluationCounters) {
    for (feature, counter) in others.counters.withLock({ $0 }) {
      self.counter(feature).add(counter)
    }
  }

  /// Adds what was counted to `totals`.
  func add(to totals: inout [String: (enabled: Int, disabled: Int)]) {
    for (feature, counter) in counters.withLock({ $0 }) {
      totals[feature, default: (0, 0)].enabled += counter.enabled
      totals[feature, default: (0, 0)].disabled += counter.disabled
    }
  }

  /// Adds who asked how often to `totals`.
  func addAsks(to totals: inout AskBook.Totals) {
    for (feature, counter) in counters.withLock({ $0 }) {
      totals[feature, default: [:]].merge(counter.asksByAccount, uniquingKeysWith: +)
    }
  }
}

/// Seconds in the buckets that OpenTelemetry recommends for generative AI: 10 ms, doubling.
struct DurationHistogram: Sendable {
  static let bounds: [Double] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
  ]

  private(set) var counts = [Int](repeating: 0, count: bounds.count)
  private(set) var count = 0
  private(set) var sum = 0.0

  mutating func record(seconds: Double) {
    count += 1
    sum += seconds
    if let index = Self.bounds.firstIndex(where: { seconds <= $0 }) { counts[index] += 1 }
  }
}
