import RolloutCore

/// Requests of one feature since the process began, for `/metrics`.
struct RequestTotals: Sendable {
  /// By arm, then by result.
  private(set) var results: [Outcome.Arm: [Outcome.Result: Int]] = [:]
  private(set) var durations: [Outcome.Arm: DurationHistogram] = [:]
  var feedback: [Feedback.Kind: Int] = [:]

  mutating func record(_ outcome: Outcome) {
    results[outcome.arm, default: [:]][outcome.result, default: 0] += 1
    guard outcome.result != .excluded, let latency = outcome.latency else { return }
    durations[outcome.arm, default: DurationHistogram()].record(seconds: latency / 1000)
  }
}
