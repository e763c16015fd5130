/// Numbers that lead to a person: cards, telephones, network addresses.
extension RedactionScan {
  /// Digits with what people put between them, from one place on.
  private struct Group {
    var runs: [Range<Int>] = []
    /// What stands after each run but the last: a byte, or 0x20 for any kind of space.
    var separators: [UInt8] = []
    var digits: [UInt8] = []

    func count(_ runs: Int) -> Int { self.runs[..<runs].reduce(0) { $0 + $1.count } }
    func sizes(_ runs: Int) -> [Int] { self.runs[..<runs].map(\.count) }
    func separated(_ runs: Int, by allowed: [UInt8]) -> Bool {
      separators[..<(runs - 1)].allSatisfy { allowed.contains($0) }
    }
  }

  private static let runsMax = 10

  /// A number at a digit, a `+` or a `(`.
  mutating func number() -> Span? {
    let before = at(index - 1)
    // Behind a decimal point or a thousands comma there is no number of its own.
    guard !before.isWord || before == UInt8(ascii: "n") || before == UInt8(ascii: "t"),
      !((before == 0x2E || before == 0x2C) && at(index - 2).isDigit)
    else { return nil }
    var start = index
    var isInternational = false
    if at(start) == UInt8(ascii: "(") { start += 1 }
    if at(start) == UInt8(ascii: "+") {
      isInternational = true
      start += 1
    }
    if at(start) == UInt8(ascii: "(") { start += 1 }
    guard at(start).isDigit else { return nil }
    let group = group(from: start)
    if isInternational { return international(group, least: 7) }
    if at(start) == 0x30, at(start + 1) == 0x30, let span = international(group, least: 9) {
      return span
    }
    return ipv4(group) ?? card(group) ?? socialSecurity(group) ?? national(group)
  }

  private mutating func group(from start: Int) -> Group {
    var group = Group()
    var place = start
    while group.runs.count < Self.runsMax {
      let stop = end(from: place, most: 24) { $0.isDigit }
      group.runs.append(place..<stop)
      group.digits += bytes[place..<stop].map { $0 - 0x30 }
      var next = stop
      var separator: UInt8 = 0
      for _ in 0..<3 {
        guard let (byte, length) = mark(at: next) else { break }
        separator = separator == 0 || separator == 0x20 ? byte : separator
        next += length
      }
      guard next > stop, at(next).isDigit else { break }
      group.separators.append(separator)
      place = next
    }
    return group
  }

  /// What people put between digits, and its length: spaces of three kinds, hyphens of two.
  private mutating func mark(at place: Int) -> (byte: UInt8, length: Int)? {
    switch at(place) {
    case let byte where [0x20, 0x28, 0x29, 0x2E, 0x2D, 0x2F].contains(byte): return (byte, 1)
    case 0xC2 where at(place + 1) == 0xA0: return (0x20, 2)
    case 0xE2 where at(place + 1) == 0x80:
      if at(place + 2) == 0xAF { return (0x20, 3) }
      return [0x90, 0x91, 0x93].contains(at(place + 2)) ? (0x2D, 3) : nil
    default: return nil
    }
  }

  /// The first so many runs as a finding; nil when the number goes on behind them.
  private mutating func span(_ group: Group, _ runs: Int, _ name: String) -> Span? {
    let stop = group.runs[runs - 1].upperBound
    let next = at(stop)
    guard !next.isWord, !((next == 0x2E || next == 0x2C) && at(stop + 1).isDigit) else {
      return nil
    }
    return Span(start: index, end: stop, name: name)
  }

  private mutating func international(_ group: Group, least: Int) -> Span? {
    for runs in stride(from: group.runs.count, to: 0, by: -1)
    where (least...17).contains(group.count(runs)) && (runs == 1 || group.count(runs) <= 15) {
      let stop = group.runs[runs - 1].upperBound
      if !at(stop).isWord { return Span(start: index, end: stop, name: "phone") }
    }
    return nil
  }

  private mutating func ipv4(_ group: Group) -> Span? {
    guard group.runs.count >= 4, group.separated(4, by: [0x2E]) else { return nil }
    var places = group.digits[...]
    for run in group.runs[..<4] {
      guard run.count <= 3 else { return nil }
      let value = places.prefix(run.count).reduce(0) { $0 * 10 + Int($1) }
      guard value <= 255 else { return nil }
      places = places.dropFirst(run.count)
    }
    return span(group, 4, "ip")
  }

  private mutating func card(_ group: Group) -> Span? {
    for runs in stride(from: group.runs.count, to: 0, by: -1)
    where (13...19).contains(group.count(runs)) && group.separated(runs, by: [0x20, 0x2D, 0x2E]) {
      if Self.isCard(group.digits.prefix(group.count(runs))), let span = span(group, runs, "card") {
        return span
      }
    }
    return nil
  }

  /// ISO/IEC 7812: the last digit is a check digit.
  private static func isCard(_ digits: ArraySlice<UInt8>) -> Bool {
    let sum = digits.reversed().enumerated().reduce(0) { sum, item in
      let doubled = item.offset % 2 == 1 ? Int(item.element) * 2 : Int(item.element)
      return sum + (doubled > 9 ? doubled - 9 : doubled)
    }
    return sum % 10 == 0
  }

  private mutating func socialSecurity(_ group: Group) -> Span? {
    guard group.runs.count >= 3, group.sizes(3) == [3, 2, 4], group.separated(3, by: [0x2D]) else {
      return nil
    }
    return span(group, 3, "ssn")
  }

  // MARK: Telephones as they are written at home

  private mutating func national(_ group: Group) -> Span? {
    if isDate(group) { return nil }
    for runs in stride(from: min(group.runs.count, 6), to: 0, by: -1) {
      let isPhone =
        isAmerican(group, runs) || isTrunk(group, runs) || isSpanish(group, runs)
        || isAustralianService(group, runs)
      if isPhone, let span = span(group, runs, "phone") { return span }
    }
    return nil
  }

  /// `05.11.2026`, `05/11/26`.
  private func isDate(_ group: Group) -> Bool {
    guard group.runs.count >= 3, [[2, 2, 4], [2, 2, 2]].contains(group.sizes(3)),
      group.separators[0] == group.separators[1], [0x2E, 0x2F, 0x2D].contains(group.separators[0])
    else { return false }
    // Four pairs and more are a French number.
    guard group.runs.count < 5 || group.sizes(5) != [2, 2, 2, 2, 2] else { return false }
    let first = group.digits[0] * 10 + group.digits[1]
    let second = group.digits[2] * 10 + group.digits[3]
    return first <= 31 && second <= 31 && min(first, second) <= 12
  }

  /// `(555) 123-4567`, `1-555-123-4567`.
  private func isAmerican(_ group: Group, _ runs: Int) -> Bool {
    group.sizes(runs) == [3, 3, 4] || group.sizes(runs) == [1, 3, 3, 4] && group.digits[0] == 1
  }

  /// With the 0 that the United Kingdom, France, Germany and Australia put before the area.
  private func isTrunk(_ group: Group, _ runs: Int) -> Bool {
    guard group.digits[0] == 0, group.digits.count > 1, group.digits[1] != 0 else { return false }
    let count = group.count(runs)
    if group.separators[..<(runs - 1)].contains(0x2E) {
      return group.sizes(runs) == [2, 2, 2, 2, 2] || group.sizes(runs).first ?? 0 >= 3 && count >= 9
    }
    return (9...13).contains(count) || count == 8 && runs == 2 && group.runs[0].count >= 3
  }

  /// Nine digits from 6 to 9 on, in one piece or in the usual ones.
  private func isSpanish(_ group: Group, _ runs: Int) -> Bool {
    guard (6...9).contains(group.digits[0]), group.separated(runs, by: [0x20, 0x2D]) else {
      return false
    }
    return [[9], [3, 3, 3], [3, 2, 2, 2], [2, 3, 2, 2], [3, 6]].contains(group.sizes(runs))
  }

  /// `1300 123 456`, `1800 123 456`.
  private func isAustralianService(_ group: Group, _ runs: Int) -> Bool {
    group.sizes(runs) == [4, 3, 3] && group.digits[0] == 1
      && [3, 8, 9].contains(group.digits[1]) && group.digits[2] == 0 && group.digits[3] == 0
  }

  // MARK: IPv6

  /// Eight groups, or fewer with `::` (RFC 4291). Without any digit it is a name of some program.
  mutating func ipv6() -> Span? {
    let before = at(index - 1)
    guard !before.isWord, before != UInt8(ascii: ":") else { return nil }
    guard at(index).isHexDigit || has("::", at: index) else { return nil }
    let stop = end(from: index, most: 46) {
      $0.isHexDigit || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".")
    }
    var last = stop
    // What ends a sentence.
    while last > index, at(last - 1) == UInt8(ascii: ".") || singleColon(last) { last -= 1 }
    guard last - index >= 3, !at(last).isWord, isIPv6(index..<last) else { return nil }
    // A zone is part of it.
    let zone = at(last) == UInt8(ascii: "%") ? end(from: last + 1, most: 16) { $0.isWord } : last
    return Span(start: index, end: zone, name: "ip")
  }

  private mutating func singleColon(_ end: Int) -> Bool {
    at(end - 1) == UInt8(ascii: ":") && at(end - 2) != UInt8(ascii: ":")
  }

  private mutating func isIPv6(_ range: Range<Int>) -> Bool {
    steps += range.count
    let text = bytes[range]
    let colons = text.count { $0 == UInt8(ascii: ":") }
    guard colons >= 2, text.contains(where: { $0.isDigit }) else { return false }
    let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    let gaps = zip(text, text.dropFirst()).count {
      $0 == UInt8(ascii: ":") && $1 == UInt8(ascii: ":")
    }
    var groups = 0
    for (index, part) in parts.enumerated() where !part.isEmpty {
      if part.contains(UInt8(ascii: ".")) {
        // An IPv4 address at its end.
        guard index == parts.count - 1, part.split(separator: UInt8(ascii: ".")).count == 4 else {
          return false
        }
        groups += 2
      } else {
        guard part.count <= 4 else { return false }
        groups += 1
      }
    }
    return gaps == 0 ? groups == 8 : gaps == 1 && groups < 8
  }
}
