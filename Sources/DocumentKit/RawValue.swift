/// A JSON value that is looked at where it stands: valid by the grammar of RFC 8259 throughout, and
/// nothing of it is made into values until somebody asks.
///
/// For what passes through, such as the events of a stream. Of a key that stands twice in an object
/// the first counts; only `document` refuses it.
package struct RawValue: Sendable {
  /// The text that it stands in.
  private let bytes: [UInt8]
  private let range: Range<Int>

  /// The whole of `bytes`, as it came; nil for what is not one value. O(n).
  package init?(_ bytes: [UInt8]) {
    guard firstInvalidUTF8(in: bytes) == nil,
      bytes.withUnsafeBufferPointer({ buffer in
        var scanner = JSONScanner(bytes: buffer)
        return scanner.isWhole()
      })
    else { return nil }
    self.init(bytes, 0..<bytes.count)
  }

  /// What is a value already.
  package init(_ document: Document) {
    let json = document.json
    self.init(json, 0..<json.count)
  }

  private init(_ bytes: [UInt8], _ range: Range<Int>) {
    self.bytes = bytes
    self.range = range
  }

  /// Its text; of a whole one every byte that came.
  package var json: [UInt8] {
    range == 0..<bytes.count ? bytes : Array(bytes[range])
  }

  /// The same made into values; nil when a key stands twice somewhere inside.
  package var document: Document? { try? JSONReader.read(json) }

  private func scan<Result>(_ body: (inout JSONScanner) -> Result) -> Result {
    bytes.withUnsafeBufferPointer { buffer in
      // Bounds beyond the value's own do no harm: it is valid, and so ends where it does.
      var scanner = JSONScanner(bytes: buffer, index: range.lowerBound)
      return body(&scanner)
    }
  }

  /// The member of an object; nil for other kinds and absent keys. O(bytes).
  package subscript(_ name: StaticString) -> RawValue? {
    var found: Range<Int>?
    _ = scan { scanner in
      let keys = scanner
      return scanner.members { key, value in
        if keys.key(key, is: name) { found = value }
        return found == nil
      }
    }
    return found.map { RawValue(bytes, $0) }
  }

  /// The elements of a list; none of other kinds. O(bytes).
  package var elements: [RawValue] {
    (scan { $0.elements(atMost: .max) } ?? []).map { RawValue(bytes, $0) }
  }

  /// The first byte, which says what kind of value it is.
  private var mark: UInt8 {
    bytes[range].first { ![0x20, 0x0A, 0x0D, 0x09].contains($0) } ?? 0
  }

  package var isNull: Bool { mark == UInt8(ascii: "n") }
  package var isText: Bool { mark == UInt8(ascii: "\"") }
  package var isObject: Bool { mark == UInt8(ascii: "{") }

  package var isEmptyList: Bool { mark == UInt8(ascii: "[") && elements.isEmpty }

  /// Where a text's characters stand as they are written; nil for other kinds.
  private var written: ArraySlice<UInt8>? {
    let text = bytes[range]
    guard isText, let start = text.firstIndex(of: UInt8(ascii: "\"")),
      let end = text.lastIndex(of: UInt8(ascii: "\""))
    else { return nil }
    return text[(start + 1)..<end]
  }

  /// A text; nil for other kinds.
  package var string: String? {
    guard let written else { return nil }
    return written.contains(UInt8(ascii: "\\"))
      ? document?.string : String(decoding: written, as: UTF8.self)
  }

  /// Whether it is a text of at least one character.
  package var isFilledText: Bool { written?.isEmpty == false }

  /// The text of an object without the members of that name: all else stays to the byte.
  package func removing(_ name: StaticString) -> [UInt8] {
    var members: [(isKept: Bool, range: Range<Int>)] = []
    _ = scan { scanner in
      let keys = scanner
      return scanner.members { key, value in
        members.append((!keys.key(key, is: name), key.lowerBound..<value.upperBound))
        return true
      }
    }
    guard let first = members.first, let last = members.last,
      !members.allSatisfy(\.isKept)
    else { return json }
    var out = Array(bytes[range.lowerBound..<first.range.lowerBound])
    out.reserveCapacity(range.count)
    var end: Int?
    var isEmpty = true
    for member in members {
      if member.isKept {
        // With the comma that stood before it.
        if !isEmpty, let end { out += bytes[end..<member.range.lowerBound] }
        out += bytes[member.range]
        isEmpty = false
      }
      end = member.range.upperBound
    }
    return out + bytes[last.range.upperBound..<range.upperBound]
  }
}
