/// Reads RFC 8259 JSON, strictly: valid UTF-8, no duplicate keys, no trailing text, bounded depth.
///
/// Source: RFC 8259. Duplicate keys, which the RFC leaves open, are refused because two readers of
/// the same bytes must not disagree about a plan.
package struct JSONReader {
  /// Arrays and objects within one another; one more is refused.
  package static let depthMax = 64

  /// Values in one text: what is made of `[0,0,…]` takes thirty times its bytes.
  package static let valuesMax = 1 << 18

  /// What stored values are read with: they hold what came through the door, some levels deeper.
  package static let storedDepthMax = 80

  private let bytes: [UInt8]
  private let depthMax: Int
  private let valuesMax: Int
  private var values = 0
  private var index = 0
  private var line = 1
  private var lineStart = 0
  private var continuations = 0

  private init(_ bytes: [UInt8], depthMax: Int, valuesMax: Int) {
    self.bytes = bytes
    self.depthMax = depthMax
    self.valuesMax = valuesMax
  }

  /// Parses the whole of `bytes` as one JSON value. O(n).
  package static func read(
    _ bytes: [UInt8], depthMax: Int = depthMax, valuesMax: Int = valuesMax
  ) throws(DocumentError) -> Document {
    if let bad = firstInvalidUTF8(in: bytes) {
      throw DocumentError(
        "The text is not valid UTF-8 (byte \(bad)); send UTF-8.",
        at: Position(ofByte: bad, in: bytes))
    }
    var reader = JSONReader(bytes, depthMax: depthMax, valuesMax: valuesMax)
    reader.index = plainStart(of: bytes)
    reader.lineStart = reader.index
    reader.skipSpace()
    let document = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.index == bytes.count else {
      throw reader.failure("Unexpected text after the JSON value; send exactly one value.")
    }
    return document
  }

  private var position: Position {
    Position(line: line, column: index - lineStart - continuations + 1)
  }

  private func failure(_ message: String) -> DocumentError {
    DocumentError(message, at: position)
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func skipSpace() {
    while index < bytes.count {
      switch bytes[index] {
      case 0x0A:
        index += 1
        line += 1
        lineStart = index
        continuations = 0
      case 0x20, 0x09, 0x0D: index += 1
      default: return
      }
    }
  }

  private mutating func value(depth: Int) throws(DocumentError) -> Document {
    let start = position
    values += 1
    guard values <= valuesMax else {
      throw failure("The JSON holds more than \(valuesMax) values; send less at once.")
    }
    guard let byte = next else { throw failure("The JSON text ends too early.") }
    switch byte {
    case UInt8(ascii: "{"): return Document(try object(depth: depth), at: start)
    case UInt8(ascii: "["): return Document(try array(depth: depth), at: start)
    case UInt8(ascii: "\""): return Document(.string(try string()), at: start)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
      return Document(.number(try number()), at: start)
    case UInt8(ascii: "t"): return Document(try word("true", .bool(true)), at: start)
    case UInt8(ascii: "f"): return Document(try word("false", .bool(false)), at: start)
    case UInt8(ascii: "n"): return Document(try word("null", .null), at: start)
    default: throw failure("Expected a JSON value here.")
    }
  }

  private mutating func word(
    _ text: StaticString, _ value: Document.Value
  ) throws(DocumentError) -> Document.Value {
    for offset in 0..<text.utf8CodeUnitCount {
      guard next == text.utf8Start[offset] else { throw failure("Expected \(text).") }
      index += 1
    }
    return value
  }

  private func checkDepth(_ depth: Int) throws(DocumentError) {
    guard depth < depthMax else {
      throw failure("The JSON nests deeper than \(depthMax) levels; flatten it.")
    }
  }

  private mutating func array(depth: Int) throws(DocumentError) -> Document.Value {
    try checkDepth(depth)
    index += 1
    var elements: [Document] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      index += 1
      return .array(elements)
    }
    while true {
      skipSpace()
      elements.append(try value(depth: depth + 1))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): index += 1
      case UInt8(ascii: "]"):
        index += 1
        return .array(elements)
      default: throw failure("Expected ',' or ']' here.")
      }
    }
  }

  private mutating func object(depth: Int) throws(DocumentError) -> Document.Value {
    try checkDepth(depth)
    index += 1
    var members: [Document.Member] = []
    var seen = KeySet()
    skipSpace()
    if next == UInt8(ascii: "}") {
      index += 1
      return .object(members)
    }
    while true {
      skipSpace()
      let at = position
      guard next == UInt8(ascii: "\"") else { throw failure("Expected a quoted key here.") }
      let key = try string()
      guard seen.insert(key, among: members) else {
        throw DocumentError(
          "The key \(quoted(key)) stands twice in one object; keep one.", at: at)
      }
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw failure("Expected ':' after the key.") }
      index += 1
      skipSpace()
      members.append(.init(key: key, keyPosition: at, value: try value(depth: depth + 1)))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): index += 1
      case UInt8(ascii: "}"):
        index += 1
        return .object(members)
      default: throw failure("Expected ',' or '}' here.")
      }
    }
  }

  private mutating func number() throws(DocumentError) -> String {
    let start = index
    if next == UInt8(ascii: "-") { index += 1 }
    if next == UInt8(ascii: "0") {
      index += 1
    } else {
      try digits()
    }
    if next == UInt8(ascii: ".") {
      index += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      index += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
      try digits()
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private mutating func digits() throws(DocumentError) {
    let start = index
    while let byte = next, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { index += 1 }
    guard index > start else { throw failure("Expected a digit here.") }
  }

  private mutating func string() throws(DocumentError) -> String {
    index += 1
    let start = index
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return String(decoding: bytes[start..<(index - 1)], as: UTF8.self)
      case UInt8(ascii: "\\"): return try escapedString(from: start)
      case 0..<0x20: throw failure("A control character in a string must be escaped.")
      default:
        if byte & 0xC0 == 0x80 { continuations += 1 }
        index += 1
      }
    }
    throw failure("The string is not closed.")
  }

  private mutating func escapedString(from start: Int) throws(DocumentError) -> String {
    var text = Array(bytes[start..<index])
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        index += 1
        try escape(into: &text)
      case 0..<0x20: throw failure("A control character in a string must be escaped.")
      default:
        if byte & 0xC0 == 0x80 { continuations += 1 }
        text.append(byte)
        index += 1
      }
    }
    throw failure("The string is not closed.")
  }

  private mutating func escape(into text: inout [UInt8]) throws(DocumentError) {
    guard let byte = next else { throw failure("The string is not closed.") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: Array(String(try unicodeEscape()).utf8))
    default: throw failure("Unknown escape; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u.")
    }
  }

  private mutating func unicodeEscape() throws(DocumentError) -> Unicode.Scalar {
    let first = try hex4()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, next == UInt8(ascii: "\\") else { throw failure(Self.loneSurrogate) }
    index += 1
    guard next == UInt8(ascii: "u") else { throw failure(Self.loneSurrogate) }
    index += 1
    let second = try hex4()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw failure(Self.loneSurrogate) }
    return scalar
  }

  private static let loneSurrogate = "A \\u escape is half of a surrogate pair; send both halves."

  private mutating func hex4() throws(DocumentError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw failure("Expected four hexadecimal digits after \\u.")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}

/// Finds duplicate keys: by looking through few members, by a set once there are many.
package struct KeySet {
  private var set: Set<String>?

  package init() {}

  /// False when `key` is already among `members`.
  package mutating func insert(_ key: String, among members: [Document.Member]) -> Bool {
    if members.count < 16 { return !members.contains { $0.key == key } }
    if set == nil { set = Set(members.map(\.key)) }
    return set?.insert(key).inserted ?? true
  }
}

/// The offset of the first byte that is not UTF-8; nil when all is well. O(n).
package func firstInvalidUTF8(in bytes: [UInt8]) -> Int? {
  do {
    _ = try UTF8Span(validating: bytes.span)
    return nil
  } catch {
    return error.byteOffsets.lowerBound
  }
}

extension String {
  /// Its beginning, of so many bytes at most. A limit in characters would be none: one character
  /// may have any number of combining ones.
  package func clipped(toBytes sizeMax: Int) -> String {
    guard utf8.count > sizeMax else { return self }
    var end = utf8.index(utf8.startIndex, offsetBy: sizeMax)
    while end.samePosition(in: unicodeScalars) == nil { end = utf8.index(before: end) }
    return String(self[..<end])
  }
}

/// A piece of foreign text, fit for one line of an error message: quoted, escaped, cut at 64.
package func quoted(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars.prefix(64) {
    switch scalar {
    case "\"": out += "'"
    default: out += String(scalar).onOneLine
    }
  }
  return out + (text.unicodeScalars.count > 64 ? "…\"" : "\"")
}
