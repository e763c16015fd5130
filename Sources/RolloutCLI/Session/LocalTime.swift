import Glibc
import RolloutCore

/// Times as people read them: on their own clock, with its zone.
enum LocalTime {
  /// `03:09:12`, with the date where that is not today; the text as it came where it is no time.
  static func clock(_ rfc3339: String, now: Instant = Self.now) -> String {
    guard let at = Instant(rfc3339: rfc3339) else { return rfc3339 }
    let isToday = format(at, "%Y-%m-%d") == format(now, "%Y-%m-%d")
    return format(at, isToday ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S")
  }

  /// `2026-11-24 03:09:12 CET`; the text as it came where it is no time.
  static func full(_ rfc3339: String) -> String {
    Instant(rfc3339: rfc3339).map { format($0, "%Y-%m-%d %H:%M:%S %Z") } ?? rfc3339
  }

  /// `UTC`, `CET`
  static func zone(_ rfc3339: String) -> String {
    Instant(rfc3339: rfc3339).map { format($0, "%Z") } ?? ""
  }

  /// `22 min ago`; `just now` within a minute, and for what lies ahead.
  static func ago(_ rfc3339: String, now: Instant = Self.now) -> String {
    guard let at = Instant(rfc3339: rfc3339) else { return "" }
    let minutes = now.since(at).milliseconds / 60_000
    switch minutes {
    case ..<1: return "just now"
    case ..<120: return "\(minutes) min ago"
    case ..<(48 * 60): return "\(minutes / 60) h ago"
    default: return "\(minutes / 1440) days ago"
    }
  }

  static var now: Instant {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Instant(milliseconds: Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
  }

  /// `03:09` today, `Tue 14:20` this week, else `24 Nov`.
  static func brief(_ rfc3339: String, now: Instant = Self.now) -> String {
    guard let at = Instant(rfc3339: rfc3339) else { return clean(rfc3339) }
    return brief(at, now: now)
  }

  static func brief(_ at: Instant, now: Instant = Self.now) -> String {
    if format(at, "%Y-%m-%d") == format(now, "%Y-%m-%d") { return format(at, "%H:%M") }
    let isNear = now.since(at).milliseconds.magnitude < 6 * 86_400_000
    return format(at, isNear ? "%a %H:%M" : "%-d %b")
  }

  /// `03:31:07, CET`: what time it is.
  static func clockNow(_ now: Instant = Self.now) -> String { format(now, "%H:%M:%S %Z") }

  private static func format(_ at: Instant, _ pattern: String) -> String {
    var seconds = time_t(at.milliseconds / 1000)
    var parts = tm()
    guard localtime_r(&seconds, &parts) != nil else { return at.rfc3339 }
    var buffer = [CChar](repeating: 0, count: 64)
    let length = strftime(&buffer, buffer.count, pattern, &parts)
    return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
