/// Arithmetic for numbers from outside: it stops at the ends of the range and never traps.
extension Int {
  /// The integer nearest to zero of `value`, stopped at the ends of the range; 0 for no number.
  package init(saturating value: Double) {
    if value.isNaN {
      self = 0
    } else {
      self = Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? Int.min : Int.max)
    }
  }

  package func adding(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other < 0 ? Int.min : Int.max) : sum
  }

  package func multiplied(by other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? ((self < 0) == (other < 0) ? Int.max : Int.min) : product
  }
}

extension Int64 {
  package func subtracting(_ other: Int64) -> Int64 {
    let (difference, overflow) = subtractingReportingOverflow(other)
    return overflow ? (other < 0 ? Int64.max : Int64.min) : difference
  }
}
