/// Splits a server-sent event stream into the data of its events (WHATWG HTML §9.2).
///
/// Lines may end in LF, CR or CRLF and arrive in any pieces. An event over `eventSizeMax` ends it.
struct EventStreamParser {
  static let eventSizeMax = 4 << 20

  struct TooLarge: Error {}

  private var line: [UInt8] = []
  private var data: [UInt8] = []
  private var hasData = false
  private var afterReturn = false

  /// The data of every event completed by these bytes, in order.
  mutating func consume(_ bytes: [UInt8]) throws -> [[UInt8]] {
    var events: [[UInt8]] = []
    for byte in bytes {
      if afterReturn {
        afterReturn = false
        if byte == 0x0A { continue }
      }
      switch byte {
      case 0x0A, 0x0D:
        afterReturn = byte == 0x0D
        if let event = endLine() { events.append(event) }
      default:
        line.append(byte)
        if line.count + data.count > Self.eventSizeMax { throw TooLarge() }
      }
    }
    return events
  }

  private mutating func endLine() -> [UInt8]? {
    defer { line.removeAll(keepingCapacity: true) }
    guard !line.isEmpty else {
      defer {
        data = []
        hasData = false
      }
      return hasData ? data : nil
    }
    guard line.starts(with: "data:".utf8) else { return nil }
    if hasData { data.append(0x0A) }
    hasData = true
    let value = line.dropFirst(5)
    data += value.first == 0x20 ? value.dropFirst() : value
    return nil
  }
}
