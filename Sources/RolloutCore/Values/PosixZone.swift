/// When a zone's clocks change, year after year, as the last line of its file says it
/// (`CET-1CEST,M3.5.0,M10.5.0/3`). Times and offsets are seconds.
///
/// Source: POSIX.1-2017, 8.3 "TZ", with the wider hours of RFC 9636, 3.3.1.
struct PosixZone: Sendable, Equatable {
  /// When clocks change, in the local time that stood before.
  private struct Change: Sendable, Equatable {
    enum Day: Sendable, Equatable {
      /// 1–365; 29 February is never counted.
      case julian(Int)
      /// 0–365; 29 February is counted.
      case counted(Int)
      /// Of a month the first (1) to last (5) such day; Sunday is 0.
      case weekday(month: Int, week: Int, day: Int)
    }

    var day: Day
    /// Of that day; may be negative, or lie beyond its end.
    var second: Int

    /// Seconds since 1970, as the local clock shows them.
    func local(in year: Int) -> Int {
      let first = days(fromCivil: year, 1, 1)
      let number: Int
      switch day {
      case .julian(let day):
        let isLeap = days(fromCivil: year, 3, 1) - first == 60
        number = first + day - 1 + (isLeap && day >= 60 ? 1 : 0)
      case .counted(let day): number = first + day
      case .weekday(let month, let week, let day):
        let start = days(fromCivil: year, month, 1)
        let end =
          month == 12 ? days(fromCivil: year + 1, 1, 1) : days(fromCivil: year, month + 1, 1)
        let wanted = start + (day - sundayBased(start) + 7) % 7 + (week - 1) * 7
        number = wanted < end ? wanted : wanted - 7
      }
      return number * 86_400 + second
    }

    /// 1970-01-01 was a Thursday.
    private func sundayBased(_ day: Int) -> Int { ((day + 4) % 7 + 7) % 7 }
  }

  private struct Summer: Sendable, Equatable {
    var offset: Int
    var begins: Change
    var ends: Change
  }

  /// East of UTC.
  private let standard: Int
  /// nil where clocks do not change.
  private let summer: Summer?

  /// nil for what is no such text, and for one that names a summer time and not its days.
  init?(_ text: ArraySlice<UInt8>) {
    var scanner = Scanner(bytes: text)
    guard scanner.name(), let standard = scanner.offset() else { return nil }
    self.standard = standard
    guard !scanner.isAtEnd else {
      summer = nil
      return
    }
    guard scanner.name() else { return nil }
    var offset = standard + 3600
    if !scanner.take(",") {
      guard let stated = scanner.offset(), scanner.take(",") else { return nil }
      offset = stated
    }
    guard let begins = scanner.change(), scanner.take(","), let ends = scanner.change(),
      scanner.isAtEnd
    else { return nil }
    summer = Summer(offset: offset, begins: begins, ends: ends)
  }

  /// What stands at a time.
  func span(at time: Int) -> ZoneRules.Span {
    guard let summer else { return .init(offset: standard, until: .max) }
    let year = civil(fromDays: Int64(floorDivide(time + standard, 86_400))).year
    // Where one ends as the other begins, the beginning counts: it is summer all year.
    let changes = (year - 1...year + 1).flatMap { year in
      [
        (at: summer.ends.local(in: year) - summer.offset, offset: standard, order: 0),
        (at: summer.begins.local(in: year) - standard, offset: summer.offset, order: 1),
      ]
    }.sorted { ($0.at, $0.order) < ($1.at, $1.order) }
    let stands = changes.last { $0.at <= time }
    return .init(
      offset: stands?.offset ?? standard, until: changes.first { $0.at > time }?.at ?? time + 1)
  }

  private struct Scanner {
    let bytes: ArraySlice<UInt8>
    var index: Int
    var isAtEnd: Bool { index == bytes.endIndex }

    init(bytes: ArraySlice<UInt8>) {
      self.bytes = bytes
      index = bytes.startIndex
    }

    private var next: UInt8? { index < bytes.endIndex ? bytes[index] : nil }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
      guard next == UInt8(ascii: character) else { return false }
      index += 1
      return true
    }

    /// `CET`, `<+0330>`
    mutating func name() -> Bool {
      let isQuoted = take("<")
      var count = 0
      while let byte = next, Self.isLetter(byte) || isQuoted && Self.isMore(byte) {
        index += 1
        count += 1
      }
      return count >= 3 && (!isQuoted || take(">"))
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
      (0x61...0x7A).contains(byte | 0x20)
    }

    private static func isMore(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || byte == 0x2B || byte == 0x2D
    }

    /// At most three digits.
    private mutating func number(_ range: ClosedRange<Int>) -> Int? {
      var (value, count) = (0, 0)
      while let byte = next, (0x30...0x39).contains(byte), count < 3 {
        value = value * 10 + Int(byte - 0x30)
        index += 1
        count += 1
      }
      return count > 0 && range.contains(value) ? value : nil
    }

    /// `[+-]hh[:mm[:ss]]`
    private mutating func time(hours: ClosedRange<Int>) -> Int? {
      let sign = take("-") ? -1 : 1
      if sign == 1 { _ = take("+") }
      guard let hour = number(hours) else { return nil }
      var seconds = hour * 3600
      for unit in [60, 1] {
        guard take(":") else { break }
        guard let part = number(0...59) else { return nil }
        seconds += part * unit
      }
      return sign * seconds
    }

    /// East of UTC; the text counts to the west.
    mutating func offset() -> Int? { time(hours: 0...24).map { -$0 } }

    mutating func change() -> Change? {
      let day: Change.Day
      if take("J") {
        guard let number = number(1...365) else { return nil }
        day = .julian(number)
      } else if take("M") {
        guard let month = number(1...12), take("."), let week = number(1...5), take("."),
          let weekday = number(0...6)
        else { return nil }
        day = .weekday(month: month, week: week, day: weekday)
      } else {
        guard let number = number(0...365) else { return nil }
        day = .counted(number)
      }
      guard take("/") else { return Change(day: day, second: 7200) }
      return time(hours: 0...167).map { Change(day: day, second: $0) }
    }
  }
}
