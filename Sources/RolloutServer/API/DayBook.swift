import RolloutAPI
import RolloutCore
import RolloutStore

/// The last day's errors of features that somebody looks at. What is over is read once: pages ask
/// every few seconds, and a day is thousands of rows.
actor DayBook {
  private static let step = TimeSpan.minutes(20)
  private static let count = 72

  private struct Day {
    /// By the number of the step since the epoch.
    var counts: [Int64: (requests: Int, bad: Int)] = [:]
    /// Steps before this one are over, and known.
    var knownUntil: Int64
  }

  private var days: [String: Day] = [:]

  /// Throws `StoreError`.
  func errors(
    of feature: String, _ telemetry: any TelemetryStore, _ clock: any SteadyClock
  ) async throws -> OverviewView.Errors {
    let size = Self.step.milliseconds
    let now = clock.steady
    let last = now.milliseconds / size
    let first = last - Int64(Self.count) + 1
    var day = days[feature] ?? Day(knownUntil: first)
    let from = max(first, min(day.knownUntil, last))
    let cells = try await telemetry.series(
      feature, from: Instant(milliseconds: from * size), to: now + .seconds(1),
      step: .fiveMinutes)
    day.counts = day.counts.filter { $0.key >= first && $0.key < from }
    for (key, cell) in cells where key.arm == .treatment {
      let step = key.at.milliseconds / size
      let before = day.counts[step] ?? (0, 0)
      day.counts[step] = (before.requests + cell.requests, before.bad + cell.bad)
    }
    // The step before may still be added to by outcomes that come late.
    day.knownUntil = last - 1
    days[feature] = day
    let rates = (first...last).map { step -> Double? in
      guard let count = day.counts[step], count.requests > 0 else { return nil }
      return (Double(count.bad) / Double(count.requests) * 1e6).rounded() / 1e6
    }
    return OverviewView.Errors(
      from: clock.wall(of: Instant(milliseconds: first * size)).rfc3339,
      stepS: Int(size / 1000), rates: rates)
  }
}
