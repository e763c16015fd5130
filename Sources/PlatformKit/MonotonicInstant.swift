/// A moment of the machine's monotonic clock: it only goes forward, nobody can set it, and it means
/// nothing to another process or after another start of the machine.
package struct MonotonicInstant: Sendable, Hashable, Comparable {
  /// Milliseconds since the clock began, whenever that was.
  package let milliseconds: Int

  @inlinable
  package init(milliseconds: Int) { self.milliseconds = milliseconds }

  /// When the clock began: before everything that happens.
  @inlinable
  package static var beginning: MonotonicInstant { MonotonicInstant(milliseconds: 0) }

  /// After every other one: the deadline of what has none.
  @inlinable
  package static var never: MonotonicInstant { MonotonicInstant(milliseconds: .max) }

  @inlinable
  package static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool {
    a.milliseconds < b.milliseconds
  }

  /// So many milliseconds later; `never` where that cannot be counted.
  @inlinable
  package func after(milliseconds: Int) -> MonotonicInstant {
    let (sum, overflow) = self.milliseconds.addingReportingOverflow(milliseconds)
    return overflow ? .never : MonotonicInstant(milliseconds: sum)
  }

  /// Milliseconds since an earlier moment; negative since a later one, and `Int.max` until `never`.
  @inlinable
  package func milliseconds(since earlier: MonotonicInstant) -> Int {
    guard milliseconds != .max else { return .max }
    return milliseconds &- earlier.milliseconds
  }

  /// Seconds since an earlier moment.
  @inlinable
  package func seconds(since earlier: MonotonicInstant) -> Double {
    Double(milliseconds(since: earlier)) / 1000
  }
}
