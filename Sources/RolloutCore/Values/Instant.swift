/// A moment: milliseconds since 1970-01-01 UTC.
package struct Instant: Sendable, Hashable, Comparable {
  package let milliseconds: Int64

  package init(milliseconds: Int64) { self.milliseconds = milliseconds }

  package static func < (a: Instant, b: Instant) -> Bool { a.milliseconds < b.milliseconds }

  /// Stops at the last moment there is.
  package static func + (a: Instant, b: TimeSpan) -> Instant {
    let (sum, overflow) = a.milliseconds.addingReportingOverflow(b.milliseconds)
    return Instant(milliseconds: overflow ? Int64.max : sum)
  }

  /// Stops at the first moment there is.
  package static func - (a: Instant, b: TimeSpan) -> Instant {
    let (difference, overflow) = a.milliseconds.subtractingReportingOverflow(b.milliseconds)
    return Instant(milliseconds: overflow ? Int64.min : difference)
  }

  /// Zero when `earlier` is later: a clock that jumped back never shortens a wait.
  package func since(_ earlier: Instant) -> TimeSpan {
    let (difference, overflow) = milliseconds.subtractingReportingOverflow(earlier.milliseconds)
    guard overflow else { return TimeSpan(milliseconds: difference) }
    return self > earlier ? .longest : .zero
  }
}
