import DocumentKit
import HTTPKit
import PlatformKit
import RolloutCore

/// When a provider says that its limit is whole again.
enum RateReset {
  /// No provider's window is longer; a later one is a mistake of somebody's clock.
  private static let millisecondsMax = 86_400_000

  /// Milliseconds from now: `12ms`, `6s`, `1m0s`, `1h2m3.5s`, plain seconds, or an RFC 3339
  /// instant.
  static func milliseconds(_ text: String, wall: Int64) -> Int? {
    if let seconds = Double(json: text) { return bounded(seconds * 1000) }
    if let instant = Instant(rfc3339: text) {
      return bounded(Double(instant.milliseconds) - Double(wall))
    }
    var rest = Substring(text)
    var sum = 0.0
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      let units = ["ms": 1.0, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
      guard let number = Double(digits), let factor = units[String(unit)] else { return nil }
      sum += number * factor
    }
    return text.isEmpty ? nil : bounded(sum)
  }

  private static func bounded(_ milliseconds: Double) -> Int? {
    guard milliseconds.isFinite, milliseconds <= Double(millisecondsMax) else { return nil }
    // No integer can be made of what lies far enough in the past.
    return Int(max(0, milliseconds.rounded(.up)))
  }
}
