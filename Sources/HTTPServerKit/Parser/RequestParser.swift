import HTTPKit

/// Parses one request head, strictly by RFC 9110 and RFC 9112: whatever two readers could frame
/// differently is refused.
enum RequestParser {
  /// nil when the head is not complete yet.
  static func parse(
    _ bytes: ByteView, _ limits: HTTPLimits
  ) throws(ParseFailure) -> RequestHead? {
    // RFC 9112 §2.2: one empty line before the request line is ignored.
    let start = bytes.count >= 2 && bytes[0] == 0x0D && bytes[1] == 0x0A ? 2 : 0
    guard let end = endOfHead(bytes, from: start) else {
      try refuseEarly(bytes, from: start, limits)
      return nil
    }
    guard end <= limits.headSizeMax else { throw .headTooLarge }
    var cursor = HeadCursor(bytes: bytes[0..<end], index: start)
    var head = try cursor.requestLine(limits)
    let fieldsStart = cursor.index
    var fields = FramingFields()
    try cursor.fields(limits, into: &fields)
    head.fields = fieldsStart..<(end - 2)
    head.length = end
    try fields.apply(to: &head, bytes)
    return head
  }

  /// The index after the empty line that ends the head. Line by line: a search for four bytes would
  /// look at each of them.
  private static func endOfHead(_ bytes: ByteView, from start: Int) -> Int? {
    var from = start
    while let feed = bytes.firstIndex(of: 0x0A, from: from) {
      guard feed + 2 < bytes.count else { return nil }
      if bytes[feed + 1] == 0x0D, bytes[feed + 2] == 0x0A, feed > start, bytes[feed - 1] == 0x0D {
        return feed + 3
      }
      from = feed + 1
    }
    return nil
  }

  /// What can be told from an incomplete head, so that nobody waits for a deadline to learn it.
  private static func refuseEarly(
    _ bytes: ByteView, from start: Int, _ limits: HTTPLimits
  ) throws(ParseFailure) {
    if bytes.count - start >= limits.headSizeMax { throw .headTooLarge }
    guard start < bytes.count else { return }
    guard FieldGrammar.isToken(bytes[start]) else { throw .bad("The request line is malformed.") }
    // A line feed without its carriage return will never end a line here.
    var from = start
    while let feed = bytes.firstIndex(of: 0x0A, from: from) {
      if feed == start || bytes[feed - 1] != 0x0D {
        throw .bad("Lines must end in CRLF; a bare LF is refused.")
      }
      from = feed + 1
    }
  }
}
