import HTTPKit

/// Reads a complete head from front to back. `bytes` ends with the empty line, so every scan stops.
struct HeadCursor {
  let bytes: ByteView
  var index: Int

  mutating func requestLine(_ limits: HTTPLimits) throws(ParseFailure) -> RequestHead {
    let methodStart = index
    index = bytes.end(from: index, while: FieldGrammar.isToken)
    let methodRange = methodStart..<index
    guard !methodRange.isEmpty, bytes[index] == 0x20 else {
      throw .bad("The request line is malformed.")
    }
    index += 1
    let target = try self.target(limits)
    guard bytes[index] == 0x20 else {
      throw .bad("The request target holds a byte that must be percent-encoded.")
    }
    index += 1
    let minor = try version()
    let method = HTTPMethod(bytes[methodRange])
    let parts = try split(target, method)
    return RequestHead(
      method: method, path: parts.path, query: parts.query, authority: parts.authority,
      fields: 0..<0, framing: .length(0),
      keepAlive: true, minorVersion: minor, expectsContinue: false, length: 0)
  }

  private mutating func target(_ limits: HTTPLimits) throws(ParseFailure) -> Range<Int> {
    let start = index
    while true {
      index = bytes.end(from: index) { FieldGrammar.isTarget($0) && $0 != UInt8(ascii: "%") }
      guard bytes[index] == UInt8(ascii: "%") else { break }
      guard FieldGrammar.isHex(bytes[index + 1]), FieldGrammar.isHex(bytes[index + 2]) else {
        throw .bad("A percent sign in the target must be followed by two hexadecimal digits.")
      }
      index += 1
    }
    guard index > start else { throw .bad("The request target is missing.") }
    guard index - start <= limits.targetSizeMax else { throw .uriTooLong }
    return start..<index
  }

  /// The minor version; a higher one than we know is spoken to as 1.1.
  private mutating func version() throws(ParseFailure) -> Int {
    guard index + 10 <= bytes.count, bytes[index..<(index + 5)].equals("HTTP/"),
      isDigit(bytes[index + 5]), bytes[index + 6] == UInt8(ascii: "."), isDigit(bytes[index + 7]),
      bytes[index + 8] == 0x0D, bytes[index + 9] == 0x0A
    else { throw .bad("The request line must end in HTTP/1.1 and CRLF.") }
    guard bytes[index + 5] == UInt8(ascii: "1") else { throw .versionNotSupported }
    let minor = bytes[index + 7] == UInt8(ascii: "0") ? 0 : 1
    index += 10
    return minor
  }

  /// Origin-form, absolute-form and, for OPTIONS, asterisk-form (RFC 9112 §3.2).
  private func split(
    _ target: Range<Int>, _ method: HTTPMethod
  ) throws(ParseFailure) -> (path: Range<Int>, query: Range<Int>, authority: Range<Int>?) {
    let view = bytes[target]
    var start = target.lowerBound
    if view.equals("*") {
      guard method == .options else { throw .bad("The target * is for OPTIONS only.") }
      return (target, target.upperBound..<target.upperBound, nil)
    }
    var named: Range<Int>?
    if view[0] != UInt8(ascii: "/") {
      guard let authority = authorityStart(view) else {
        throw .bad("The target must be a path that starts with / or an http URL.")
      }
      start += authority
      let authorityFrom = start
      while start < target.upperBound, bytes[start] != UInt8(ascii: "/"),
        bytes[start] != UInt8(ascii: "?")
      {
        start += 1
      }
      guard start > authorityFrom, isHost(bytes[authorityFrom..<start]),
        start < target.upperBound, bytes[start] == UInt8(ascii: "/")
      else { throw .bad("The target URL must have a host and a path.") }
      named = authorityFrom..<start
    }
    let mark = bytes.firstIndex(of: UInt8(ascii: "?"), from: start) ?? target.upperBound
    guard mark < target.upperBound else {
      return (start..<target.upperBound, target.upperBound..<target.upperBound, named)
    }
    return (start..<mark, (mark + 1)..<target.upperBound, named)
  }

  private func authorityStart(_ view: ByteView) -> Int? {
    if view.count > 7, view[0..<7].equalsIgnoringCase("http://") { return 7 }
    if view.count > 8, view[0..<8].equalsIgnoringCase("https://") { return 8 }
    return nil
  }

  mutating func fields(
    _ limits: HTTPLimits, into framing: inout FramingFields
  ) throws(ParseFailure) {
    var count = 0
    while bytes[index] != 0x0D {
      count += 1
      guard count <= limits.fieldCountMax else { throw .headTooLarge }
      let (name, value) = try field()
      try note(name, value, &framing)
    }
    guard index + 2 == bytes.count, bytes[index + 1] == 0x0A else {
      throw .bad("Lines must end in CRLF; a bare CR is refused.")
    }
    index += 2
  }

  /// One field line. A space before the colon, a folded line and control bytes are refused.
  mutating func field() throws(ParseFailure) -> (name: Range<Int>, value: Range<Int>) {
    let nameStart = index
    index = bytes.end(from: index, while: FieldGrammar.isToken)
    guard index > nameStart, bytes[index] == UInt8(ascii: ":") else {
      throw .bad(
        "A field must be a name, a colon without space before it, and a value on one line.")
    }
    let name = nameStart..<index
    index += 1
    let valueStart = bytes.end(from: index, while: isBlank)
    index = bytes.endOfFieldValue(from: valueStart)
    guard bytes[index] == 0x0D, bytes[index + 1] == 0x0A else {
      throw .bad("A field value holds a control character or does not end in CRLF.")
    }
    var valueEnd = index
    while valueEnd > valueStart, isBlank(bytes[valueEnd - 1]) { valueEnd -= 1 }
    index += 2
    return (name, valueStart..<valueEnd)
  }

  private func note(
    _ name: Range<Int>, _ value: Range<Int>, _ framing: inout FramingFields
  ) throws(ParseFailure) {
    let key = bytes[name]
    switch key.count {
    case 4 where key.equalsIgnoringCase("host"):
      framing.hosts += 1
      guard isHost(bytes[value]) else {
        throw .bad("The Host field is malformed or empty; send the name you connected to.")
      }
    case 6 where key.equalsIgnoringCase("expect"):
      framing.expect = value
    case 9 where key.equalsIgnoringCase("x-api-key"):
      // Two keys would leave it open which one was meant.
      guard framing.apiKey == nil else { throw .bad("X-API-Key must stand once.") }
      framing.apiKey = value
    case 10 where key.equalsIgnoringCase("connection"):
      noteConnection(bytes[value], &framing)
    case 13 where key.equalsIgnoringCase("authorization"):
      guard framing.authorization == nil else { throw .bad("Authorization must stand once.") }
      framing.authorization = value
    case 14 where key.equalsIgnoringCase("content-length"):
      try noteLength(bytes[value], &framing)
    case 16 where key.equalsIgnoringCase("content-encoding"):
      guard framing.contentCoding == nil else { throw .bad("Content-Encoding must stand once.") }
      framing.contentCoding = value
    case 17 where key.equalsIgnoringCase("transfer-encoding"):
      framing.transferEncodings += 1
      framing.transferEncoding = value
    default: break
    }
  }

  private func noteLength(
    _ value: ByteView, _ framing: inout FramingFields
  ) throws(ParseFailure) {
    guard framing.contentLength == nil, !framing.lengthTooLarge else {
      throw .bad("Content-Length must stand once.")
    }
    guard !value.isEmpty else { throw .bad("Content-Length must be digits.") }
    var length = 0
    for offset in 0..<value.count {
      guard isDigit(value[offset]) else { throw .bad("Content-Length must be digits.") }
      let (product, overflow) = length.multipliedReportingOverflow(by: 10)
      let (sum, carry) = product.addingReportingOverflow(Int(value[offset] &- 0x30))
      if overflow || carry {
        framing.lengthTooLarge = true
      } else {
        length = sum
      }
    }
    if !framing.lengthTooLarge { framing.contentLength = length }
  }

  private func noteConnection(_ value: ByteView, _ framing: inout FramingFields) {
    var start = 0
    while start <= value.count {
      let end = value.firstIndex(of: UInt8(ascii: ","), from: start) ?? value.count
      let option = value[start..<end].trimmed
      if option.equalsIgnoringCase("close") { framing.close = true }
      if option.equalsIgnoringCase("keep-alive") { framing.keepAlive = true }
      start = end + 1
    }
  }
}

@inline(__always) func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

/// RFC 9110 §7.2 `uri-host [ ":" port ]`. The grammar allows an empty host, for targets that have
/// none; ours all have one.
func isHost(_ value: ByteView) -> Bool {
  var index = 0
  if value.count > 0, value[0] == UInt8(ascii: "[") {
    guard let close = value.firstIndex(of: UInt8(ascii: "]")), close > 1 else { return false }
    for inner in 1..<close where !isAddressByte(value[inner]) { return false }
    index = close + 1
  } else {
    while index < value.count, value[index] != UInt8(ascii: ":") {
      let byte = value[index]
      if byte == UInt8(ascii: "%") {
        guard index + 2 < value.count, FieldGrammar.isHex(value[index + 1]),
          FieldGrammar.isHex(value[index + 2])
        else { return false }
      } else if !FieldGrammar.isTarget(byte) || byte == UInt8(ascii: "/")
        || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "@")
      {
        return false
      }
      index += 1
    }
    guard index > 0 else { return false }
  }
  guard index < value.count else { return true }
  guard value[index] == UInt8(ascii: ":"), value.count - index <= 6 else { return false }
  for digit in (index + 1)..<value.count where !isDigit(value[digit]) { return false }
  return true
}

private func isAddressByte(_ byte: UInt8) -> Bool {
  FieldGrammar.isHex(byte) || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
    || byte == UInt8(ascii: "v")
}

extension HTTPMethod {
  /// Methods are case-sensitive (RFC 9110 §9.1).
  init(_ bytes: ByteView) {
    switch bytes.count {
    case 3 where bytes.equals("GET"): self = .get
    case 3 where bytes.equals("PUT"): self = .put
    case 4 where bytes.equals("POST"): self = .post
    case 4 where bytes.equals("HEAD"): self = .head
    case 5 where bytes.equals("PATCH"): self = .patch
    case 5 where bytes.equals("TRACE"): self = .trace
    case 6 where bytes.equals("DELETE"): self = .delete
    case 7 where bytes.equals("OPTIONS"): self = .options
    case 7 where bytes.equals("CONNECT"): self = .connect
    default: self = .unknown
    }
  }
}
