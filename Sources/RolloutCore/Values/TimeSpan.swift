import RolloutEvaluation

/// A length of time in whole milliseconds, from none to about 191,000 years: every one of them can
/// be written and read back.
package struct TimeSpan: Sendable, Hashable, Comparable {
  /// Ten million weeks.
  package static let longest = TimeSpan(milliseconds: millisecondsMax)
  private static let millisecondsMax: Int64 = 6_048_000_000_000_000

  package let milliseconds: Int64

  /// Clamped into what there is.
  package init(milliseconds: Int64) {
    self.milliseconds = min(max(milliseconds, 0), Self.millisecondsMax)
  }

  package static let zero = TimeSpan(milliseconds: 0)
  package static let shortest = TimeSpan(milliseconds: 1)
  package static func seconds(_ count: Int64) -> TimeSpan { .init(count, times: 1000) }
  package static func minutes(_ count: Int64) -> TimeSpan { .init(count, times: 60_000) }
  package static func hours(_ count: Int64) -> TimeSpan { .init(count, times: 3_600_000) }
  package static func days(_ count: Int64) -> TimeSpan { .init(count, times: 86_400_000) }

  /// Stops at the ends, as everything here does.
  private init(_ count: Int64, times unit: Int64) {
    let (product, isTooLong) = count.multipliedReportingOverflow(by: unit)
    self.init(milliseconds: isTooLong ? (count < 0 ? 0 : Int64.max) : product)
  }

  package static func < (a: TimeSpan, b: TimeSpan) -> Bool { a.milliseconds < b.milliseconds }

  private static let units: [(suffix: String, milliseconds: Int64)] = [
    ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000),
    ("w", 604_800_000),
  ]

  /// Reads `250ms`, `30s`, `1.5m`, `2h`, `7d`, `2w`; nil for anything else, and for what is no
  /// whole number of milliseconds.
  package init?(_ text: String) {
    guard let thousandths = Self.thousandths(text), thousandths % 1000 == 0,
      thousandths / 1000 <= Self.millisecondsMax
    else { return nil }
    self.init(milliseconds: thousandths / 1000)
  }

  /// Of a millisecond.
  private static func thousandths(_ text: String) -> Int64? {
    let digits = text.prefix { $0.isNumber || $0 == "." }
    let suffix = text.dropFirst(digits.count)
    guard let unit = units.first(where: { $0.suffix == suffix }),
      let count = parseFixed(digits, decimals: 3, digitsMax: 16)
    else { return nil }
    let (product, isTooLong) = Int64(count).multipliedReportingOverflow(by: unit.milliseconds)
    return isTooLong ? nil : product
  }

  /// What to say of a text that is none: `expected`, and whether it is too fine.
  package static func refusal(of text: String, _ expected: String) -> String {
    guard let thousandths = thousandths(text), thousandths % 1000 != 0 else { return expected }
    return "\(text) is no whole number of milliseconds, which are the finest there are. \(expected)"
  }

  /// The shortest exact form: `7d`, `90m`, `1500ms`.
  package var text: String {
    if milliseconds == 0 { return "0s" }
    let unit = Self.units.dropLast().last { milliseconds % $0.milliseconds == 0 }
    return unit.map { "\(milliseconds / $0.milliseconds)\($0.suffix)" } ?? "\(milliseconds)ms"
  }

  /// For sentences, rounded up to two units: `3 h 12 m`, `45 s`.
  package var words: String {
    let seconds = (milliseconds + 999) / 1000
    switch seconds {
    case ..<60: return "\(seconds) s"
    case ..<3600: return pair(seconds, 60, "m", 1, "s")
    case ..<86_400: return pair(seconds, 3600, "h", 60, "m")
    default: return pair(seconds, 86_400, "d", 3600, "h")
    }
  }

  /// For glances, rounded to one unit: `12 days`, `3 hours`, `2 minutes`.
  package var roughly: String {
    let units: [(name: String, milliseconds: Int64)] = [
      ("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1000),
    ]
    let unit = units.first { milliseconds >= 2 * $0.milliseconds } ?? units[3]
    let count = (milliseconds + unit.milliseconds / 2) / unit.milliseconds
    return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
  }

  private func pair(_ s: Int64, _ big: Int64, _ b: String, _ small: Int64, _ c: String) -> String {
    let rest = s % big / small
    return rest == 0 ? "\(s / big) \(b)" : "\(s / big) \(b) \(rest) \(c)"
  }
}
