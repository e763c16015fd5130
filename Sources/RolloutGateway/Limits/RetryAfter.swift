import DocumentKit
import HTTPKit
import RolloutCore

extension HTTPAnswerHead {
  /// Seconds; what a provider asks for beyond that is asked for again.
  private static let waitMax = 3600.0

  /// Seconds a provider asks to wait; nil when it does not say so in a form that is known: a count
  /// of milliseconds or seconds, or a date, which `wall` (milliseconds since 1970) is taken from.
  func retryAfter(wall: Int64) -> Double? {
    let seconds: Double?
    if let milliseconds = header("retry-after-ms").flatMap(Double.init(json:)) {
      seconds = milliseconds / 1000
    } else if let text = header("retry-after") {
      seconds =
        Double(json: text) ?? Instant(httpDate: text).map { Double($0.milliseconds &- wall) / 1000 }
    } else {
      seconds = nil
    }
    guard let seconds, seconds.isFinite else { return nil }
    return min(max(0, seconds), Self.waitMax)
  }
}

extension Instant {
  /// Reads an IMF-fixdate (RFC 9110 §5.6.7); nil for anything else.
  init?(httpDate text: String) {
    let parts = text.split(separator: " ")
    let months = [
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    guard parts.count == 6, parts[5] == "GMT",
      let month = months.firstIndex(of: String(parts[2])).map({ $0 + 1 })
    else { return nil }
    self.init(
      rfc3339: "\(parts[3])-\(month < 10 ? "0" : "")\(month)-\(parts[1])T\(parts[4])Z")
  }
}
