import HTTPKit

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
