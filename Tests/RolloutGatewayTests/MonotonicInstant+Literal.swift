import PlatformKit

/// In tests a moment is a number of milliseconds.
extension MonotonicInstant: ExpressibleByIntegerLiteral {
  public init(integerLiteral value: Int) { self.init(milliseconds: value) }
}
