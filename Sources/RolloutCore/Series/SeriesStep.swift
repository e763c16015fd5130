import DocumentKit

/// How finely what happened is kept. All times here are places on the steady timeline.
package enum SeriesStep: Int64, Sendable, CaseIterable, Comparable {
  case tenSeconds = 10_000
  case fiveMinutes = 300_000
  case hour = 3_600_000

  /// As in `?step=`.
  package var text: String {
    switch self {
    case .tenSeconds: "10s"
    case .fiveMinutes: "5m"
    case .hour: "1h"
    }
  }

  package init?(text: String) {
    guard let step = Self.allCases.first(where: { $0.text == text }) else { return nil }
    self = step
  }

  package var span: TimeSpan { TimeSpan(milliseconds: rawValue) }

  /// What is older is kept in the next coarser step, and forgotten after the last.
  package var keptFor: TimeSpan {
    switch self {
    case .tenSeconds: .hours(24)
    case .fiveMinutes: .days(30)
    case .hour: .days(400)
    }
  }

  package var coarser: SeriesStep? {
    switch self {
    case .tenSeconds: .fiveMinutes
    case .fiveMinutes: .hour
    case .hour: nil
    }
  }

  /// The beginning of the span that `at` lies in.
  package func start(of at: Instant) -> Instant {
    let over = at.milliseconds % rawValue
    return Instant(milliseconds: at.milliseconds.subtracting(over < 0 ? over + rawValue : over))
  }

  /// The finest in which everything since `from` is kept.
  package static func kept(since from: Instant, now: Instant) -> SeriesStep {
    allCases.first { now.since(from) <= $0.keptFor } ?? .hour
  }

  /// For a picture: at most some four hundred points.
  package static func fitting(_ span: TimeSpan) -> SeriesStep {
    allCases.first { span.milliseconds / $0.rawValue <= 400 } ?? .hour
  }

  package static func < (a: SeriesStep, b: SeriesStep) -> Bool { a.rawValue < b.rawValue }
}
