import DocumentKit
import RolloutCore

/// Numbers in as few characters as tell them apart, always with the same digits, so that they
/// stand below each other.
enum Figures {
  static let none = "–"

  /// A share of 1: `22 %`, `1.0 %`, `0.04 %`.
  static func share(_ share: Double?) -> String {
    guard let share, share.isFinite else { return none }
    let value = share * 100
    if value == 0 || value >= 9.95 { return "\(whole(value)) %" }
    return "\(fixed(value, value >= 0.095 ? 1 : 2)) %"
  }

  /// Milliseconds: `340 ms`, `1.7 s`, `26 s`.
  static func time(_ milliseconds: Double?) -> String {
    guard let milliseconds, milliseconds.isFinite else { return none }
    if milliseconds < 999.5 { return "\(whole(milliseconds)) ms" }
    return milliseconds < 9950
      ? "\(fixed(milliseconds / 1000, 1)) s" : "\(whole(milliseconds / 1000)) s"
  }

  /// Dollars a request: `0.61 ct`, `$1.20`.
  static func cost(_ dollars: Double?) -> String {
    guard let dollars, dollars.isFinite else { return none }
    if dollars == 0 { return "0 ct" }
    if dollars < 0.0001 { return "<0.01 ct" }
    return dollars < 0.1 ? "\(fixed(dollars * 100, 2)) ct" : money(dollars)
  }

  /// A limit: `2 ct`, `0.5 ct`, `$1.20`.
  static func costLimit(_ dollars: Double) -> String {
    dollars < 1 ? "\(shortestText(of: (dollars * 100_000).rounded() / 1000)) ct" : money(dollars)
  }

  /// Dollars: `$1.20`, `$340`.
  static func money(_ dollars: Double) -> String {
    guard dollars.isFinite else { return none }
    return dollars < 100 ? "$\(fixed(dollars, 2))" : "$\(grouped(dollars))"
  }

  /// Requests a minute: `61/min`, `0.4/min`.
  static func pace(_ perMinute: Double?) -> String {
    guard let perMinute, perMinute.isFinite else { return none }
    let text = perMinute >= 9.95 || perMinute == 0 ? grouped(perMinute) : fixed(perMinute, 1)
    return "\(text)/min"
  }

  /// About so many, to three digits: `24,800`.
  static func about(_ count: Double) -> String {
    guard count.isFinite, count.magnitude < 1e15 else { return none }
    var unit = 1.0
    while count / unit >= 1000 { unit *= 10 }
    return grouped((count / unit).rounded() * unit)
  }

  static func people(_ count: Int) -> String {
    "\(about(Double(count))) \(count == 1 ? "person" : "people")"
  }

  private static func whole(_ value: Double) -> String { shortestText(of: value.rounded()) }

  /// Not for numbers that have no room in an `Int`.
  private static func fixed(_ value: Double, _ digits: Int) -> String {
    let scale = digits == 1 ? 10 : 100
    let units = Int((min(abs(value), 1e12) * Double(scale)).rounded())
    let fraction = String(units % scale)
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return "\(value < 0 ? "-" : "")\(units / scale).\(zeros)\(fraction)"
  }

  /// `24,800`
  static func grouped(_ value: Double) -> String {
    guard value.magnitude < 1e15 else { return shortestText(of: value) }
    var digits = String(Int(value.rounded().magnitude))
    var parts: [String] = []
    while digits.count > 3 {
      parts.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (value < 0 ? "-" : "") + ([digits] + parts).joined(separator: ",")
  }
}
