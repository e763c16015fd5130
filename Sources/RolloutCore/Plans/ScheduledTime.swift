/// A moment that a plan names, and how far from UTC the clock was that it was read from.
package struct ScheduledTime: Sendable, Equatable {
  package let instant: Instant
  /// To the east.
  let offsetMinutes: Int

  /// Reads `2026-12-01T09:00+01:00`, with seconds or without, or `Z` for UTC; nil for anything
  /// else, for a day that no calendar has, and outside the years 2000–9999.
  package init?(_ text: String) {
    let bytes = Array(text.utf8)
    guard bytes.count >= 17, bytes[10] == UInt8(ascii: "T") else { return nil }
    let hasSeconds = bytes[16] == UInt8(ascii: ":")
    let whole = hasSeconds ? bytes : bytes[..<16] + Array(":00".utf8) + bytes[16...]
    let offset = whole[19...]
    guard let instant = Instant(rfc3339: String(decoding: whole, as: UTF8.self)) else { return nil }
    self.instant = instant
    if offset.elementsEqual([UInt8(ascii: "Z")]) {
      offsetMinutes = 0
    } else {
      // `Instant` has read it: a sign and four digits with a colon.
      guard offset.count == 6, [UInt8(ascii: "+"), UInt8(ascii: "-")].contains(offset.first) else {
        return nil
      }
      let digits = offset.dropFirst().filter { $0 != UInt8(ascii: ":") }.map { Int($0) - 0x30 }
      let minutes = (digits[0] * 10 + digits[1]) * 60 + digits[2] * 10 + digits[3]
      offsetMinutes = offset.first == UInt8(ascii: "-") ? -minutes : minutes
    }
    // What does not come out as it went in is no day of a calendar: 31 February.
    guard whole[..<19].elementsEqual(local.utf8), local >= "2000", local.utf8.count == 19 else {
      return nil
    }
  }

  /// `2026-12-01T09:00:00`
  private var local: String {
    let shown = Instant(milliseconds: instant.milliseconds + Int64(offsetMinutes) * 60_000)
    return String(shown.rfc3339.prefix(19))
  }

  private var offset: String {
    guard offsetMinutes != 0 else { return "Z" }
    return (offsetMinutes < 0 ? "-" : "+") + OpeningHours.clock(abs(offsetMinutes))
  }

  /// As plan files write it.
  package var text: String {
    let local = local
    return (local.hasSuffix(":00") ? String(local.dropLast(3)) : local) + offset
  }

  /// What the clock showed that it was read from, in seconds since its 1970.
  var localSeconds: Int { Int(instant.milliseconds / 1000) + offsetMinutes * 60 }

  /// For people, after a time of day: `UTC`, `+01:00`.
  var zoneWords: String { offsetMinutes == 0 ? "UTC" : offset }
}
