/// A JSON object read as far as its members: a value stays the bytes it is until somebody asks.
///
/// For bodies that are passed on: most of a chat is never looked at here. Valid by the grammar of
/// RFC 8259 throughout and without duplicate keys at the top; keys inside a value are compared when
/// that value is read.
package struct RawObject: Sendable {
  private struct Member: Sendable {
    var key: String
    /// From the opening quote of the key.
    var start: Int
    var value: Range<Int>
  }

  package let bytes: [UInt8]
  private var members: [Member] = []

  /// `{}`, to set members in.
  package static let empty = RawObject()

  private init() { bytes = Array("{}".utf8) }

  /// Takes in the whole of `bytes` as one object. O(n).
  package init(_ bytes: [UInt8]) throws(DocumentError) {
    self.bytes = bytes
    if let bad = firstInvalidUTF8(in: bytes) {
      throw DocumentError("The text is not valid UTF-8 (byte \(bad)); send UTF-8.", at: .unknown)
    }
    var found: [Member] = []
    let isWhole = bytes.withUnsafeBufferPointer { buffer in
      var scanner = Scanner(bytes: buffer)
      return scanner.object(into: &found)
    }
    guard isWhole else {
      // The reader knows how to say what is wrong, and where.
      let document = try JSONReader.read(bytes)
      throw DocumentError("Expected an object, found \(document.kind).", at: document.position)
    }
    members = found
  }

  /// The names of the members, in their order.
  package var keys: [String] { members.map(\.key) }

  /// The JSON text of a member.
  package func json(_ key: String) -> ArraySlice<UInt8>? {
    members.first { $0.key == key }.map { bytes[$0.value] }
  }

  /// The member as a value; nil when it is absent, or when a key stands twice inside it.
  package subscript(_ key: String) -> Document? {
    guard let json = json(key) else { return nil }
    return try? JSONReader.read(Array(json))
  }

  /// Whether the member is a list that is not empty, by its text alone.
  package func hasElements(_ key: String) -> Bool {
    guard let json = json(key), json.first == UInt8(ascii: "[") else { return false }
    return json.dropFirst().contains { ![0x20, 0x0A, 0x0D, 0x09, UInt8(ascii: "]")].contains($0) }
  }

  /// Where the elements of a member that is a list stand in `bytes`; nil when it is no list.
  /// O(bytes), without making values of them.
  package func elements(_ key: String) -> [Range<Int>]? {
    guard let member = members.first(where: { $0.key == key }) else { return nil }
    return bytes.withUnsafeBufferPointer { buffer in
      var scanner = Scanner(bytes: buffer, index: member.value.lowerBound)
      return scanner.elements()
    }
  }

  /// The whole as a value. Throws when a key stands twice somewhere inside.
  package func document() throws(DocumentError) -> Document { try JSONReader.read(bytes) }

  /// The object's text with these members set, or left out where the value is nil; all others stay
  /// as they were written.
  package func replacing(_ changes: [(key: String, value: [UInt8]?)]) -> [UInt8] {
    var out: [UInt8] = []
    out.reserveCapacity(
      bytes.count + changes.reduce(2) { $0 + $1.key.utf8.count + ($1.value?.count ?? 0) + 4 })
    out.append(UInt8(ascii: "{"))
    func separate() {
      if out.count > 1 { out.append(UInt8(ascii: ",")) }
    }
    for member in members where !changes.contains(where: { $0.key == member.key }) {
      separate()
      out += bytes[member.start..<member.value.upperBound]
    }
    for case (let key, let value?) in changes {
      separate()
      JSONWriter.append(key, to: &out)
      out.append(UInt8(ascii: ":"))
      out += value
    }
    out.append(UInt8(ascii: "}"))
    return out
  }

  /// Walks valid JSON without keeping anything. False means that `JSONReader` will refuse it, or
  /// that it is no object.
  private struct Scanner {
    let bytes: UnsafeBufferPointer<UInt8>
    var index = 0

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

    mutating func object(into members: inout [Member]) -> Bool {
      skipSpace()
      guard take(UInt8(ascii: "{")) else { return false }
      skipSpace()
      if take(UInt8(ascii: "}")) { return isAtEnd() }
      while true {
        skipSpace()
        let start = index
        guard string() else { return false }
        let key = self.key(start..<index)
        guard let key, !members.contains(where: { $0.key == key }), colon() else { return false }
        let from = index
        guard value(depth: 1) else { return false }
        members.append(Member(key: key, start: start, value: from..<index))
        skipSpace()
        if take(UInt8(ascii: ",")) { continue }
        return take(UInt8(ascii: "}")) && isAtEnd()
      }
    }

    private mutating func isAtEnd() -> Bool {
      skipSpace()
      return index == bytes.count
    }

    private mutating func colon() -> Bool {
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return false }
      skipSpace()
      return true
    }

    private func key(_ quoted: Range<Int>) -> String? {
      let inner = UnsafeBufferPointer(rebasing: bytes[quoted.dropFirst().dropLast()])
      guard inner.contains(UInt8(ascii: "\\")) else {
        return String(decoding: inner, as: UTF8.self)
      }
      return try? JSONReader.read(Array(bytes[quoted])).string
    }

    private mutating func value(depth: Int) -> Bool {
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

    mutating func elements() -> [Range<Int>]? {
      guard take(UInt8(ascii: "[")) else { return nil }
      skipSpace()
      if take(UInt8(ascii: "]")) { return [] }
      var found: [Range<Int>] = []
      while true {
        skipSpace()
        let start = index
        guard value(depth: 2) else { return nil }
        found.append(start..<index)
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
}
