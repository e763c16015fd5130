import HTTPKit

/// Why a request cannot be served; the connection closes after the answer.
enum ParseFailure: Error, Equatable {
  case bad(StaticString)
  case uriTooLong
  case headTooLarge
  case bodyTooLarge
  /// The same, to who sends it again in another form.
  case bodyTooLargeAtOnce
  case expectationFailed
  case notImplemented(StaticString)
  case versionNotSupported

  var status: Int {
    switch self {
    case .bad: 400
    case .uriTooLong: 414
    case .headTooLarge: 431
    case .bodyTooLarge: 413
    case .bodyTooLargeAtOnce: 503
    case .expectationFailed: 417
    case .notImplemented: 501
    case .versionNotSupported: 505
    }
  }

  var detail: String {
    switch self {
    case .bad(let text), .notImplemented(let text): "\(text)"
    case .uriTooLong: "The request target is too long."
    case .headTooLarge: "The request's fields are too large or too many."
    case .bodyTooLarge: "The request body is too large."
    case .bodyTooLargeAtOnce: "The request body is too large to be taken at once; send less."
    case .expectationFailed: "Only Expect: 100-continue is understood."
    case .versionNotSupported: "Only HTTP/1.1 and HTTP/1.0 are spoken here."
    }
  }

  static func == (a: ParseFailure, b: ParseFailure) -> Bool {
    a.status == b.status && a.detail == b.detail
  }
}

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

/// The fields that say how a request is framed, gathered before any is believed.
struct FramingFields {
  var hosts = 0
  var contentLength: Int?
  var lengthTooLarge = false
  var transferEncodings = 0
  var transferEncoding: Range<Int>?
  var close = false
  var keepAlive = false
  var expect: Range<Int>?
  var authorization: Range<Int>?
  var apiKey: Range<Int>?
  var contentCoding: Range<Int>?

  func apply(to head: inout RequestHead, _ bytes: ByteView) throws(ParseFailure) {
    guard hosts <= 1, hosts == 1 || head.minorVersion == 0 else {
      throw .bad("Exactly one Host field is required.")
    }
    head.authorization = authorization
    head.apiKey = apiKey
    head.contentCoding = contentCoding
    head.keepAlive = head.minorVersion == 0 ? keepAlive && !close : !close
    if let coding = transferEncoding {
      guard head.minorVersion >= 1 else {
        throw .bad("Transfer-Encoding is not allowed in HTTP/1.0.")
      }
      guard contentLength == nil, !lengthTooLarge else {
        throw .bad("Content-Length and Transfer-Encoding must not stand together.")
      }
      guard transferEncodings == 1 else {
        throw .bad("Transfer-Encoding must stand once.")
      }
      try checkCodings(bytes[coding])
      head.framing = .chunked
    } else {
      if lengthTooLarge { throw .bodyTooLarge }
      head.framing = .length(contentLength ?? 0)
    }
    if let expect, head.minorVersion >= 1 {
      guard bytes[expect].equalsIgnoringCase("100-continue") else { throw .expectationFailed }
      head.expectsContinue = true
    }
  }

  /// Only `chunked` is implemented. A list that does not end in it, or has it twice, leaves open
  /// where the body ends (RFC 9112 §6.3).
  private func checkCodings(_ list: ByteView) throws(ParseFailure) {
    guard !list.equalsIgnoringCase("chunked") else { return }
    var (start, chunkedCount, endsInChunked) = (0, 0, false)
    while start <= list.count {
      let end = list.firstIndex(of: UInt8(ascii: ","), from: start) ?? list.count
      endsInChunked = list[start..<end].trimmed.equalsIgnoringCase("chunked")
      if endsInChunked { chunkedCount += 1 }
      start = end + 1
    }
    guard endsInChunked, chunkedCount == 1 else {
      throw .bad("Transfer-Encoding must end in chunked, which must stand once.")
    }
    throw .notImplemented("Only Transfer-Encoding: chunked is implemented.")
  }
}
