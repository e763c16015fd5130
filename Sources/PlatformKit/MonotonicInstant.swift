/// A moment of the machine's monotonic clock: it only goes forward, nobody can set it, and it means
/// nothing to another process or after another start of the machine.
package struct MonotonicInstant: Sendable, Hashable, Comparable {
  /// Milliseconds since the clock began, whenever that was.
  @usableFromInline let place: Int

  @inlinable
  package init(milliseconds place: Int) { self.place = place }

  /// After every other one: the deadline of what has none.
  @inlinable
  package static var never: MonotonicInstant { MonotonicInstant(milliseconds: .max) }

  @inlinable
  package static func < (a: MonotonicInstant, b: MonotonicInstant) -> Bool { a.place < b.place }

  /// So many milliseconds later; `never` where that cannot be counted.
  @inlinable
  package func after(milliseconds: Int) -> MonotonicInstant {
    let (sum, overflow) = place.addingReportingOverflow(milliseconds)
    return overflow ? .never : MonotonicInstant(milliseconds: sum)
  }

  /// Milliseconds since an earlier moment; negative since a later one, and `Int.max` until `never`.
  @inlinable
  package func milliseconds(since earlier: MonotonicInstant) -> Int {
    guard place != .max else { return .max }
    return place &- earlier.place
  }

  /// Seconds since an earlier moment.
  @inlinable
  package func seconds(since earlier: MonotonicInstant) -> Double {
    Double(milliseconds(since: earlier)) / 1000
  }
}
