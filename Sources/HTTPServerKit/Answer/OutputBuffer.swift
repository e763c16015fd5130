import Glibc
package import HTTPKit

/// Bytes on their way to one socket: one growing block of memory, reused for every answer.
///
/// Every append checks the room it needs, so nothing is written outside the block.
package struct OutputBuffer: ~Copyable {
  @usableFromInline package private(set) var base: UnsafeMutablePointer<UInt8>
  @usableFromInline package var count = 0
  @usableFromInline package private(set) var capacity: Int

  package init(capacity: Int = 4096) {
    base = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { base.deallocate() }

  package var isEmpty: Bool { count == 0 }
  package var array: [UInt8] { Array(bytes) }
  package var last: UInt8? { count == 0 ? nil : base[count - 1] }
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Bytes kept for the next answer at most; a large one gives its memory back.
  private static let keptMax = 1 << 20

  package mutating func removeAll() {
    count = 0
    guard capacity > Self.keptMax else { return }
    base.deallocate()
    capacity = 4096
    base = .allocate(capacity: capacity)
  }

  @inlinable @inline(__always)
  package mutating func reserve(_ more: Int) {
    if capacity - count < more { grow(more) }
  }

  @usableFromInline package mutating func grow(_ more: Int) {
    let larger = max(capacity * 2, count + more)
    let block = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    memcpy(block, base, count)
    base.deallocate()
    base = block
    capacity = larger
  }

  @inlinable @inline(__always)
  package mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let source = bytes.baseAddress, bytes.count > 0 else { return }
    reserve(bytes.count)
    memcpy(base + count, source, bytes.count)
    count += bytes.count
  }

  @inlinable @inline(__always)
  package mutating func append(_ text: StaticString) {
    append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  @inlinable @inline(__always)
  package mutating func append(_ more: [UInt8]) { more.withUnsafeBufferPointer { append($0) } }

  @inlinable @inline(__always)
  package mutating func append(_ view: ByteView) { append(view.buffer) }

  /// Labelled, so that a literal is never taken for a `String` and built at run time.
  package mutating func append(text: String) {
    var text = text
    text.withUTF8 { append($0) }
  }

  @inlinable @inline(__always)
  package mutating func append(byte: UInt8) {
    reserve(1)
    base[count] = byte
    count += 1
  }

  package mutating func append(decimal value: Int) {
    if value < 0 {
      append(text: String(value))
      return
    }
    var digits = 1
    var bound = 10
    while digits < 19, value >= bound {
      digits += 1
      bound = digits < 19 ? bound * 10 : Int.max
    }
    reserve(digits)
    var rest = value
    for position in stride(from: count + digits - 1, through: count, by: -1) {
      base[position] = UInt8(truncatingIfNeeded: 0x30 + rest % 10)
      rest /= 10
    }
    count += digits
  }

  /// A header value from elsewhere: line breaks and controls become spaces.
  mutating func append(headerValue text: String) {
    for byte in text.utf8 {
      append(byte: byte < 0x20 && byte != 0x09 || byte == 0x7F ? 0x20 : byte)
    }
  }

  /// The inside of a JSON string, escaped as RFC 8259 demands. The bytes must be UTF-8.
  package mutating func append(jsonText view: ByteView) {
    var clean = 0
    for index in 0..<view.count {
      let byte = view[index]
      guard byte < 0x20 || byte == 0x22 || byte == 0x5C else { continue }
      append(view[clean..<index])
      clean = index + 1
      append(byte: 0x5C)
      if byte >= 0x20 {
        append(byte: byte)
      } else {
        append("u00")
        append(byte: byte >= 0x10 ? 0x31 : 0x30)
        append(byte: byte & 15 < 10 ? 0x30 + byte & 15 : 0x57 + byte & 15)
      }
    }
    append(view[clean..<view.count])
  }
}

/// What every head needs and only the loop knows.
struct HeadContext {
  var date: [UInt8]
  var keepAlive: Bool
  var minorVersion: Int
  var isHead: Bool
}

extension OutputBuffer {
  /// The status line and the fields every answer has.
  mutating func begin(_ status: Int, _ context: HeadContext) {
    if status == 200 {
      append("HTTP/1.1 200 OK\r\nDate: ")
    } else {
      append("HTTP/1.1 ")
      append(decimal: status)
      append(byte: 0x20)
      append(text: reasonPhrase(status))
      append("\r\nDate: ")
    }
    append(context.date)
    if !context.keepAlive {
      append("\r\nConnection: close")
    } else if context.minorVersion == 0 {
      append("\r\nConnection: keep-alive")
    }
  }

  /// The head of a whole answer, with its length. Returns whether the body follows.
  mutating func appendHead(_ response: HTTPResponse, _ context: HeadContext) -> Bool {
    begin(response.status, context)
    let bodiless = response.status == 204 || response.status == 304
    if !bodiless {
      append("\r\nContent-Type: ")
      append(response.contentType)
      append("\r\nContent-Length: ")
      append(decimal: response.body.count)
    }
    appendFields(response.headers)
    append("\r\n\r\n")
    return !bodiless && !context.isHead
  }

  mutating func appendFields(_ headers: [(name: String, value: String)]) {
    for header in headers {
      append("\r\n")
      append(text: header.name)
      append(": ")
      append(headerValue: header.value)
    }
  }
}
