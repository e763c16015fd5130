/// Walks JSON by the grammar of RFC 8259 without keeping anything; the bytes are valid UTF-8. False
/// means that `JSONReader` will refuse it, or that it is not what was looked for.
struct JSONScanner {
  let bytes: UnsafeBufferPointer<UInt8>
  var index = 0
  /// How many more values it walks.
  var valuesLeft = Int.max

  private var next: UInt8 { index < bytes.count ? bytes[index] : 0 }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x20, 0x0A, 0x0D, 0x09: index += 1
      default: return
      }
    }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte, index < bytes.count else { return false }
    index += 1
    return true
  }

  /// Whether there is one value, and nothing else.
  mutating func isWhole() -> Bool {
    skipSpace()
    return value(depth: 0) && isAtEnd()
  }

  /// Hands over each member of the object here, its key with the quotes, until `body` has enough.
  /// False where there is no object, or where it is not valid as far as it was walked.
  mutating func members(
    _ body: (_ key: Range<Int>, _ value: Range<Int>) -> Bool
  ) -> Bool {
    skipSpace()
    guard take(UInt8(ascii: "{")) else { return false }
    skipSpace()
    if take(UInt8(ascii: "}")) { return true }
    while true {
      skipSpace()
      let start = index
      guard string() else { return false }
      let key = start..<index
      guard colon() else { return false }
      let from = index
      guard value(depth: 1) else { return false }
      guard body(key, from..<index) else { return true }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "}"))
    }
  }

  mutating func isAtEnd() -> Bool {
    skipSpace()
    return index == bytes.count
  }

  private mutating func colon() -> Bool {
    skipSpace()
    guard take(UInt8(ascii: ":")) else { return false }
    skipSpace()
    return true
  }

  /// A key as it is meant; nil where its text is none.
  func key(_ quoted: Range<Int>) -> String? {
    let inner = UnsafeBufferPointer(rebasing: bytes[quoted.dropFirst().dropLast()])
    guard inner.contains(UInt8(ascii: "\\")) else {
      return String(decoding: inner, as: UTF8.self)
    }
    return try? JSONReader.read(Array(bytes[quoted])).string
  }

  /// Whether a key means `name`. Makes no text of it unless it is written with escapes.
  func key(_ quoted: Range<Int>, is name: StaticString) -> Bool {
    let inner = quoted.dropFirst().dropLast()
    if bytes[inner].contains(UInt8(ascii: "\\")) { return key(quoted) == "\(name)" }
    guard inner.count == name.utf8CodeUnitCount else { return false }
    for (offset, index) in inner.enumerated() where bytes[index] != name.utf8Start[offset] {
      return false
    }
    return true
  }

  private mutating func value(depth: Int) -> Bool {
    valuesLeft -= 1
    guard valuesLeft >= 0 else { return false }
    switch next {
    case UInt8(ascii: "\""): return string()
    case UInt8(ascii: "{"): return container(UInt8(ascii: "}"), depth: depth, hasKeys: true)
    case UInt8(ascii: "["): return container(UInt8(ascii: "]"), depth: depth, hasKeys: false)
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return number()
    }
  }

  private mutating func container(_ close: UInt8, depth: Int, hasKeys: Bool) -> Bool {
    guard depth < JSONReader.depthMax else { return false }
    index += 1
    skipSpace()
    if take(close) { return true }
    while true {
      skipSpace()
      if hasKeys { guard string(), colon() else { return false } }
      guard value(depth: depth + 1) else { return false }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(close)
    }
  }

  /// Where the elements of the list here stand; nil when it is no list.
  mutating func elements(atMost countMax: Int) -> [Range<Int>]? {
    skipSpace()
    guard take(UInt8(ascii: "[")) else { return nil }
    skipSpace()
    if take(UInt8(ascii: "]")) { return [] }
    var found: [Range<Int>] = []
    while true {
      skipSpace()
      let start = index
      guard value(depth: 2) else { return nil }
      found.append(start..<index)
      if found.count > countMax { return found }
      skipSpace()
      if take(UInt8(ascii: ",")) { continue }
      return take(UInt8(ascii: "]")) ? found : nil
    }
  }

  private mutating func string() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\"") { return true }
      if byte < 0x20 { return false }
      if byte == UInt8(ascii: "\\") { guard escape() else { return false } }
    }
    return false
  }

  private mutating func escape() -> Bool {
    let byte = next
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
      UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return true
    case UInt8(ascii: "u"):
      guard let first = hex4() else { return false }
      guard (0xD800...0xDFFF).contains(first) else { return true }
      guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")),
        let second = hex4()
      else { return false }
      return (0xDC00...0xDFFF).contains(second)
    default: return false
    }
  }

  private mutating func hex4() -> Int? {
    guard index + 4 <= bytes.count else { return nil }
    var value = 0
    for _ in 0..<4 {
      switch bytes[index] {
      case 0x30...0x39: value = value << 4 | Int(bytes[index] - 0x30)
      case 0x41...0x46: value = value << 4 | Int(bytes[index] - 0x37)
      case 0x61...0x66: value = value << 4 | Int(bytes[index] - 0x57)
      default: return nil
      }
      index += 1
    }
    return value
  }

  private mutating func word(_ text: StaticString) -> Bool {
    let count = text.utf8CodeUnitCount
    guard index + count <= bytes.count else { return false }
    for offset in 0..<count where bytes[index + offset] != text.utf8Start[offset] { return false }
    index += count
    return true
  }

  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) { guard digits() else { return false } }
    if take(UInt8(ascii: ".")) { guard digits() else { return false } }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      return digits()
    }
    return true
  }

  private mutating func digits() -> Bool {
    let start = index
    while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 { index += 1 }
    return index > start
  }
}
