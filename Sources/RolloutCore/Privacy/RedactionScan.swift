/// One pass over the bytes of a text that finds what is to be taken out.
///
/// Linear: whoever looks ahead or back from a place looks at a bounded number of bytes, or consumes
/// what was looked at. `steps` counts every byte looked at.
struct RedactionScan {
  /// What is to be replaced, and by which word.
  struct Span: Equatable {
    var start: Int
    var end: Int
    var name: String
  }

  let bytes: [UInt8]
  let stepsMax: Int
  var steps = 0
  /// What lies before it has been looked at.
  private(set) var index = 0
  private(set) var spans: [Span] = []
  /// Up to where it is known that no long random text begins.
  private var blobsEnd = 0

  init(_ bytes: [UInt8], stepsMax: Int) {
    self.bytes = bytes
    self.stepsMax = stepsMax
  }

  var isSpent: Bool { steps > stepsMax }

  /// The byte at a place; 0 outside.
  mutating func at(_ place: Int) -> UInt8 {
    steps += 1
    return place >= 0 && place < bytes.count ? bytes[place] : 0
  }

  mutating func run() {
    while index < bytes.count, !isSpent {
      if let span = find() {
        let whole = wholeCharacters(span)
        if whole.start < whole.end { spans.append(whole) }
        index = max(index + 1, whole.end)
      } else {
        skip()
      }
    }
  }

  /// Without half of a character at either end, and without what the one before has taken.
  private func wholeCharacters(_ span: Span) -> Span {
    var whole = span
    whole.start = max(whole.start, spans.last?.end ?? 0)
    while whole.start > 0, bytes[whole.start] & 0xC0 == 0x80 { whole.start -= 1 }
    while whole.end < bytes.count, bytes[whole.end] & 0xC0 == 0x80 { whole.end += 1 }
    return whole
  }

  /// To the end of a word, or over one byte.
  private mutating func skip() {
    guard at(index).isWord else {
      index += 1
      return
    }
    // The n of a `\n` that was encoded twice is no letter of the next word.
    if at(index - 1) == UInt8(ascii: "\\"), [0x6E, 0x72, 0x74].contains(at(index)) {
      index += 1
      return
    }
    // A number is looked at from its first digit, wherever letters end.
    while index < bytes.count, at(index).isWord { index += 1 }
  }

  private mutating func find() -> Span? {
    let byte = at(index)
    switch byte {
    case UInt8(ascii: "-"): return privateKey()
    case UInt8(ascii: "@"): return email()
    case UInt8(ascii: ":"): return namedValue() ?? ipv6()
    case UInt8(ascii: "="): return namedValue()
    case UInt8(ascii: "%"): return encodedValue()
    case UInt8(ascii: ">"): return element()
    // A colon of full width.
    case 0xEF where has("\u{FF1A}", at: index): return namedValue(width: 3)
    case UInt8(ascii: "+"), UInt8(ascii: "("): return number()
    default: break
    }
    guard byte.isWord, startsWord else { return nil }
    if byte.isDigit { return ipv6() ?? number() ?? blob() }
    return url() ?? key() ?? spokenSecret() ?? iban() ?? ipv6() ?? blob()
  }

  /// Whether a word begins here; after a line break that was encoded twice, too.
  private var startsWord: Bool {
    mutating get {
      guard at(index - 1).isWord else { return true }
      return at(index - 2) == UInt8(ascii: "\\") && [0x6E, 0x72, 0x74].contains(at(index - 1))
    }
  }

  // MARK: Looking ahead

  /// The end of the run of bytes for which `belongs` holds, `most` bytes at most.
  mutating func end(from start: Int, most: Int = Int.max, _ belongs: (UInt8) -> Bool) -> Int {
    var place = start
    while place < bytes.count, place - start < most, belongs(at(place)) { place += 1 }
    return place
  }

  mutating func has(_ text: StaticString, at place: Int) -> Bool {
    for offset in 0..<text.utf8CodeUnitCount
    where at(place + offset) != text.utf8Start[offset] { return false }
    return true
  }

  // MARK: Keys

  /// `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text.
  private mutating func privateKey() -> Span? {
    guard has("-----BEGIN ", at: index) else { return nil }
    let title = end(from: index + 11, most: 48) { $0 != UInt8(ascii: "-") && $0 >= 0x20 }
    guard bytes[index..<title].contains(Array("PRIVATE KEY".utf8)) else { return nil }
    var place = title
    while place < bytes.count {
      if at(place) == UInt8(ascii: "-"), has("-----END ", at: place) {
        let line = end(from: place + 9, most: 48) { $0 != UInt8(ascii: "-") && $0 >= 0x20 }
        let close = end(from: line, most: 5) { $0 == UInt8(ascii: "-") }
        return Span(start: index, end: close, name: "key")
      }
      place += 1
    }
    return Span(start: index, end: bytes.count, name: "key")
  }

  private static let prefixes: [StaticString] = [
    "sk-", "sk_", "sk", "SK", "pk-", "pk_", "rk-", "rk_", "ro_", "ghp_", "gho_", "ghs_", "ghu_",
    "ghr_",
    "ghp", "gho", "ghs", "github_pat_", "glpat-", "gldt-", "xoxa-", "xoxb-", "xoxp-", "xoxr-",
    "xoxs-", "xoxe", "xapp-", "AKIA", "ASIA", "AROA", "AIDA", "ABIA", "ACCA", "AIza", "whsec_",
    "hf_", "npm_", "pypi-", "dop_v1_", "shpat_", "shpss_", "lin_api_", "gsk_", "r8_", "re_", "SG.",
    "ya29.", "tvly-", "xai-", "nvapi-",
  ]

  /// With which no word or name begins: sixteen letters of any kind behind them are a key.
  private static let unmistakable: [StaticString] = [
    "sk_live_", "rk_live_", "pk_live_", "sk_test_", "rk_test_", "pk_test_", "ghp_", "gho_", "ghs_",
    "ghu_", "ghr_", "github_pat_", "glpat-", "gldt-", "glrt-", "glptt-", "glcbt-", "glft-",
    "glsoat-", "xoxa-", "xoxb-", "xoxp-", "xoxr-", "xoxs-", "xapp-", "whsec_", "dop_v1_", "shpat_",
    "shpss_", "lin_api_",
  ]

  /// What begins as services' keys do and is long enough, and signed tokens (JWT).
  private mutating func key() -> Span? {
    if has("eyJ", at: index) {
      let first = end(from: index, most: 64) { $0.isKey }
      // So long a beginning is one, whatever follows.
      if first - index == 64 {
        return Span(start: index, end: end(from: first) { $0.isKey || $0 == 0x2E }, name: "key")
      }
      if first - index >= 11, at(first) == UInt8(ascii: ".") {
        let second = end(from: first + 1) { $0.isKey }
        if second - first > 8 {
          let third = at(second) == UInt8(ascii: ".") ? end(from: second + 1) { $0.isKey } : second
          return Span(start: index, end: third, name: "key")
        }
      }
    }
    for prefix in Self.unmistakable where has(prefix, at: index) {
      let start = index + prefix.utf8CodeUnitCount
      let stop = end(from: start) { $0.isKey }
      if stop - start >= 16 { return Span(start: index, end: stop, name: "key") }
    }
    for prefix in Self.prefixes where has(prefix, at: index) {
      let start = index + prefix.utf8CodeUnitCount
      let stop = end(from: start) { $0.isKey || $0 == UInt8(ascii: ".") }
      guard stop - start >= 32 || stop - start >= 16 && hasDigit(start..<stop) else { continue }
      return Span(start: index, end: trimmed(stop), name: "key")
    }
    return nil
  }

  private mutating func hasDigit(_ range: Range<Int>) -> Bool {
    steps += range.count
    return bytes[range].contains { $0.isDigit }
  }

  /// Without the full stop that ends the sentence.
  private func trimmed(_ end: Int) -> Int {
    end > 0 && bytes[end - 1] == UInt8(ascii: ".") ? end - 1 : end
  }

  /// Forty letters of base64 or more in which small, large and digits are mixed.
  private mutating func blob() -> Span? {
    guard index >= blobsEnd else { return nil }
    let stop = end(from: index) {
      $0.isLetter || $0.isDigit || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "/")
    }
    guard stop - index >= 40 else { return nil }
    steps += stop - index
    var counts = (small: 0, large: 0, digits: 0, slashes: 0)
    for byte in bytes[index..<stop] {
      if byte.isDigit { counts.digits += 1 }
      if byte.isLetter, byte & 0x20 == 0 { counts.large += 1 }
      if byte.isLetter, byte & 0x20 != 0 { counts.small += 1 }
      if byte == UInt8(ascii: "/") { counts.slashes += 1 }
    }
    let isMixed = counts.digits >= 3 && counts.large >= 3 && counts.small >= 3
    guard isMixed, counts.slashes * 8 <= stop - index else {
      // Looked at once: a path is not looked at again from each of its parts.
      blobsEnd = stop
      return nil
    }
    let padded = end(from: stop, most: 2) { $0 == UInt8(ascii: "=") }
    return Span(start: index, end: padded, name: "key")
  }

  // MARK: Addresses

  /// `scheme://name:password@host…`
  private mutating func url() -> Span? {
    let scheme = end(from: index, most: 32) {
      $0.isLetter || $0.isDigit || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E
    }
    guard has("://", at: scheme) else { return nil }
    var colon = false
    var place = scheme + 3
    let most = place + 512
    while place < min(bytes.count, most) {
      let byte = at(place)
      if byte <= 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "<") { return nil }
      if byte == UInt8(ascii: ":") { colon = true }
      if byte == UInt8(ascii: "@"), colon {
        let stop = end(from: place) { $0 > 0x20 && $0 != 0x22 && $0 != 0x27 && $0 != 0x3C }
        return Span(start: index, end: stop, name: "url")
      }
      place += 1
    }
    return nil
  }

  /// Looks back for the name, ahead for a host with a dot.
  private mutating func email() -> Span? {
    var start = index
    while start > 0, index - start < 64, at(start - 1).isMailName { start -= 1 }
    guard start < index else { return nil }
    var stop = index + 1
    var dots = 0
    var labelStart = stop
    while stop < bytes.count, stop - index <= 255 {
      let byte = at(stop)
      if byte.isLetter || byte.isDigit || byte == UInt8(ascii: "-") || byte >= 0x80 {
        stop += 1
      } else if byte == UInt8(ascii: "."), stop > labelStart, at(stop + 1).isHost {
        dots += 1
        stop += 1
        labelStart = stop
      } else {
        break
      }
    }
    guard dots > 0, stop > labelStart else { return nil }
    return Span(start: start, end: stop, name: "email")
  }

  /// Two letters, two digits and groups of four.
  private mutating func iban() -> Span? {
    guard at(index).isLarge, at(index + 1).isLarge, at(index + 2).isDigit, at(index + 3).isDigit
    else { return nil }
    var stop = index + 4
    var digits = 0
    while stop - index < 44 {
      let byte = at(stop)
      let isSeparator = byte == 0x20 || byte == 0x2D
      let next = isSeparator ? stop + 1 : stop
      let character = at(next)
      guard character.isDigit || character.isLarge else { break }
      if character.isDigit { digits += 1 }
      stop = next + 1
    }
    let count = bytes[index..<stop].count { $0 != 0x20 && $0 != 0x2D }
    guard (15...34).contains(count), digits >= 6, !at(stop).isWord else { return nil }
    return Span(start: index, end: stop, name: "iban")
  }
}

extension UInt8 {
  var isDigit: Bool { (0x30...0x39).contains(self) }
  var isLetter: Bool { (0x61...0x7A).contains(self | 0x20) }
  var isLarge: Bool { (0x41...0x5A).contains(self) }
  var isHexDigit: Bool { isDigit || (0x61...0x66).contains(self | 0x20) }
  var isWord: Bool { isDigit || isLetter || self == UInt8(ascii: "_") }
  /// Of keys and tokens.
  var isKey: Bool { isWord || self == UInt8(ascii: "-") }
  var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) }
  fileprivate var isHost: Bool { isLetter || isDigit || self >= 0x80 }
  fileprivate var isMailName: Bool {
    isWord || self >= 0x80 || [0x2E, 0x25, 0x2B, 0x2D, 0x27].contains(self)
  }
}

extension ArraySlice<UInt8> {
  fileprivate func contains(_ part: [UInt8]) -> Bool {
    guard count >= part.count else { return false }
    return (startIndex...(endIndex - part.count)).contains {
      self[$0..<($0 + part.count)].elementsEqual(part)
    }
  }
}
