/// Appends JSON text to a byte array. The caller is trusted to nest and to name members properly.
///
/// Commas are the writer's business; the encoder and the hot paths both stand on it.
package struct JSONWriter {
  package private(set) var bytes: [UInt8] = []
  private var needsComma = false

  package init(reservingCapacity capacity: Int = 256) { bytes.reserveCapacity(capacity) }

  package var text: String { String(decoding: bytes, as: UTF8.self) }

  private mutating func separate() {
    if needsComma { bytes.append(UInt8(ascii: ",")) }
    needsComma = true
  }

  package mutating func beginObject() {
    separate()
    bytes.append(UInt8(ascii: "{"))
    needsComma = false
  }

  package mutating func endObject() {
    bytes.append(UInt8(ascii: "}"))
    needsComma = true
  }

  package mutating func beginArray() {
    separate()
    bytes.append(UInt8(ascii: "["))
    needsComma = false
  }

  package mutating func endArray() {
    bytes.append(UInt8(ascii: "]"))
    needsComma = true
  }

  /// The next value written becomes this member's.
  package mutating func key(_ name: String) {
    separate()
    Self.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
    needsComma = false
  }

  package mutating func string(_ text: String) {
    separate()
    Self.append(text, to: &bytes)
  }

  package mutating func int(_ number: Int) {
    separate()
    bytes.append(contentsOf: String(number).utf8)
  }

  /// Non-finite numbers are written as null.
  package mutating func double(_ number: Double) {
    separate()
    bytes.append(contentsOf: (number.isFinite ? shortestText(of: number) : "null").utf8)
  }

  package mutating func bool(_ flag: Bool) {
    separate()
    bytes.append(contentsOf: (flag ? "true" : "false").utf8)
  }

  package mutating func null() {
    separate()
    bytes.append(contentsOf: "null".utf8)
  }

  /// `json` must be one valid JSON value.
  package mutating func raw(_ json: some Sequence<UInt8>) {
    separate()
    bytes.append(contentsOf: json)
  }

  package mutating func document(_ document: Document) {
    switch document.value {
    case .null: null()
    case .bool(let flag): bool(flag)
    case .number(let text): raw(text.utf8)
    case .string(let text): string(text)
    case .array(let elements):
      beginArray()
      for element in elements { self.document(element) }
      endArray()
    case .object(let members):
      beginObject()
      for member in members {
        key(member.key)
        self.document(member.value)
      }
      endObject()
    }
  }

  /// Appends `text` as a quoted JSON string. Only what RFC 8259 demands is escaped.
  package static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 { appendEscaped(byte, to: &bytes) }
    bytes.append(UInt8(ascii: "\""))
  }

  @inline(__always)
  package static func appendEscaped(_ byte: UInt8, to bytes: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      bytes.append(UInt8(ascii: "\\"))
      bytes.append(byte)
    case 0..<0x20:
      bytes.append(contentsOf: "\\u00".utf8)
      bytes.append(hexDigits[Int(byte >> 4)])
      bytes.append(hexDigits[Int(byte & 15)])
    default: bytes.append(byte)
    }
  }
}

private let hexDigits = Array("0123456789abcdef".utf8)

extension Document {
  /// Compact JSON, members in their order.
  package var json: [UInt8] {
    var writer = JSONWriter()
    writer.document(self)
    return writer.bytes
  }

  package var jsonText: String { String(decoding: json, as: UTF8.self) }
}
