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

  /// Takes in the whole of `bytes` as one object of at most `valuesMax` values. O(n).
  package init(
    _ bytes: [UInt8], valuesMax: Int = JSONReader.valuesMax
  ) throws(DocumentError) {
    self.bytes = bytes
    if let bad = firstInvalidUTF8(in: bytes) {
      throw DocumentError("The text is not valid UTF-8 (byte \(bad)); send UTF-8.", at: .unknown)
    }
    var found: [Member] = []
    let isWhole = bytes.withUnsafeBufferPointer { buffer in
      // The object itself is one.
      var scanner = JSONScanner(bytes: buffer, valuesLeft: valuesMax - 1)
      var isUnique = true
      let isObject = scanner.members { quoted, value in
        let key = JSONScanner(bytes: buffer).key(quoted)
        guard let key, !found.contains(where: { $0.key == key }) else {
          isUnique = false
          return false
        }
        found.append(Member(key: key, start: quoted.lowerBound, value: value))
        return true
      }
      return isObject && isUnique && scanner.isAtEnd()
    }
    guard isWhole else {
      // The reader knows how to say what is wrong, and where.
      let document = try JSONReader.read(bytes, valuesMax: valuesMax)
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

  /// Where the elements of a member that is a list stand in `bytes`, of a list longer than
  /// `countMax` one more than that; nil when it is no list. O(bytes), makes no values of them.
  package func elements(_ key: String, atMost countMax: Int) -> [Range<Int>]? {
    guard let member = members.first(where: { $0.key == key }) else { return nil }
    return bytes.withUnsafeBufferPointer { buffer in
      var scanner = JSONScanner(bytes: buffer, index: member.value.lowerBound)
      return scanner.elements(atMost: countMax)
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
}
