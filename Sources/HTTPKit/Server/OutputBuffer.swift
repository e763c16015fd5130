/// Bytes on their way to one socket. One per loop, reused for every answer.
package struct OutputBuffer {
  private(set) var bytes: [UInt8] = []

  var count: Int { bytes.count }
  var isEmpty: Bool { bytes.isEmpty }

  mutating func removeAll() { bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 20) }

  package mutating func append(_ text: StaticString) {
    bytes.append(
      contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  package mutating func append(_ more: [UInt8]) { bytes.append(contentsOf: more) }
  package mutating func append(_ view: ByteView) { bytes.append(contentsOf: view.buffer) }
  package mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
  package mutating func append(byte: UInt8) { bytes.append(byte) }

  package mutating func append(decimal value: Int) {
    if value < 0 {
      append(String(value))
      return
    }
    var digits: (UInt64, UInt64, UInt64) = (0, 0, 0)
    withUnsafeMutableBytes(of: &digits) { scratch in
      var index = scratch.count
      var rest = value
      repeat {
        index -= 1
        scratch[index] = UInt8(0x30 + rest % 10)
        rest /= 10
      } while rest > 0
      bytes.append(contentsOf: scratch[index...])
    }
  }

  /// A header value from elsewhere: line breaks and controls become spaces.
  mutating func append(headerValue text: String) {
    for byte in text.utf8 {
      bytes.append(byte < 0x20 && byte != 0x09 || byte == 0x7F ? 0x20 : byte)
    }
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
    append("HTTP/1.1 ")
    append(decimal: status)
    append(byte: 0x20)
    append(reasonPhrase(status))
    append("\r\nDate: ")
    append(context.date)
    if !context.keepAlive {
      append("\r\nConnection: close")
    } else if context.minorVersion == 0 {
      append("\r\nConnection: keep-alive")
    }
  }

  /// A whole answer with its length.
  mutating func append(_ response: HTTPResponse, _ context: HeadContext) {
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
    if !bodiless, !context.isHead { append(response.body) }
  }

  mutating func appendFields(_ headers: [(name: String, value: String)]) {
    for header in headers {
      append("\r\n")
      append(header.name)
      append(": ")
      append(headerValue: header.value)
    }
  }
}
