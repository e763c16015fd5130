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
