import HTTPKit

/// Decodes a chunked body (RFC 9112 §7.1) piece by piece. Extensions and trailers are checked and
/// dropped; every line must end in CRLF.
struct ChunkedDecoder {
  private enum State {
    case size(digits: Int)
    case `extension`(ChunkExtension)
    case sizeLineFeed
    case data
    case dataReturn
    case dataLineFeed
    case trailer(lineLength: Int, inValue: Bool)
    case trailerLineFeed(lineLength: Int)
    case done
  }

  private var state = State.size(digits: 0)
  private var remaining = 0
  private var overhead = 0
  private let bodyMax: Int
  private let overheadMax: Int
  private(set) var body: [UInt8] = []

  init(bodyMax: Int, overheadMax: Int) {
    self.bodyMax = bodyMax
    self.overheadMax = overheadMax
  }

  var isDone: Bool {
    if case .done = state { return true }
    return false
  }

  /// Consumes from `bytes`; returns how many bytes belonged to this body.
  mutating func consume(_ bytes: ByteView) throws(ParseFailure) -> Int {
    var index = 0
    while index < bytes.count, !isDone {
      if case .data = state {
        let count = min(remaining, bytes.count - index)
        body.append(contentsOf: bytes[index..<(index + count)].buffer)
        remaining -= count
        index += count
        if remaining == 0 { state = .dataReturn }
        continue
      }
      try step(bytes[index])
      index += 1
    }
    return index
  }

  private mutating func spend() throws(ParseFailure) {
    overhead += 1
    guard overhead <= overheadMax else { throw .headTooLarge }
  }

  private mutating func step(_ byte: UInt8) throws(ParseFailure) {
    switch state {
    case .size(let digits): try size(byte, digits)
    case .extension(let part): try chunkExtension(byte, part)
    case .sizeLineFeed:
      try expect(byte, 0x0A)
      state = remaining == 0 ? .trailer(lineLength: 0, inValue: false) : .data
    case .data: break
    case .dataReturn:
      try expect(byte, 0x0D)
      state = .dataLineFeed
    case .dataLineFeed:
      try expect(byte, 0x0A)
      state = .size(digits: 0)
    case .trailer(let length, let inValue): try trailer(byte, length, inValue)
    case .trailerLineFeed(let length):
      try expect(byte, 0x0A)
      state = length == 0 ? .done : .trailer(lineLength: 0, inValue: false)
    case .done: break
    }
  }

  private func expect(_ byte: UInt8, _ wanted: UInt8) throws(ParseFailure) {
    guard byte == wanted else { throw .bad("The chunked body is malformed: expected CRLF.") }
  }

  private mutating func size(_ byte: UInt8, _ digits: Int) throws(ParseFailure) {
    if let value = hexValue(byte) {
      remaining = digits == 0 ? value : remaining << 4 | value
      // Sixteen digits cannot overflow only because the body limit is far below.
      guard body.count + remaining <= bodyMax else { throw .bodyTooLarge }
      // Leading zeros are no licence to send digits for ever.
      guard digits < 16 else { throw .bad("A chunk size has too many digits.") }
      state = .size(digits: digits + 1)
    } else if digits > 0, byte == 0x0D {
      state = .sizeLineFeed
    } else if digits > 0, byte == UInt8(ascii: ";") {
      state = .extension(.beforeName)
    } else {
      throw .bad("A chunk size must be hexadecimal digits.")
    }
  }

  private mutating func chunkExtension(
    _ byte: UInt8, _ part: ChunkExtension
  ) throws(ParseFailure) {
    try spend()
    if byte == 0x0D, part.mayEndLine {
      state = .sizeLineFeed
      return
    }
    guard FieldGrammar.isFieldValue(byte) else {
      throw .bad("A chunk extension holds a control character.")
    }
    guard let next = part.next(byte) else { throw .bad("A chunk extension is malformed.") }
    state = .extension(next)
  }

  private mutating func trailer(
    _ byte: UInt8, _ length: Int, _ inValue: Bool
  ) throws(ParseFailure) {
    try spend()
    if byte == 0x0D {
      guard length == 0 || inValue else { throw .bad("A trailer has no colon.") }
      state = .trailerLineFeed(lineLength: length)
    } else if inValue {
      guard FieldGrammar.isFieldValue(byte) else {
        throw .bad("A trailer holds a control character.")
      }
      state = .trailer(lineLength: length + 1, inValue: true)
    } else if byte == UInt8(ascii: ":"), length > 0 {
      state = .trailer(lineLength: length + 1, inValue: true)
    } else {
      guard FieldGrammar.isToken(byte) else { throw .bad("A trailer name is malformed.") }
      state = .trailer(lineLength: length + 1, inValue: false)
    }
  }
}

/// Where in `; name = value` a chunk extension stands (RFC 9112 §7.1.1). A name must follow every
/// semicolon, a value every equals sign.
private enum ChunkExtension {
  case beforeName
  case name
  case afterName
  case beforeValue
  case value
  case quoted(escaped: Bool)
  case quoteClosed
  case afterValue

  var mayEndLine: Bool {
    switch self {
    case .name, .value, .quoteClosed: true
    case .beforeName, .afterName, .beforeValue, .quoted, .afterValue: false
    }
  }

  /// nil when the byte cannot stand here.
  func next(_ byte: UInt8) -> ChunkExtension? {
    if case .quoted(let escaped) = self {
      if byte == UInt8(ascii: "\""), !escaped { return .quoteClosed }
      return .quoted(escaped: byte == UInt8(ascii: "\\") && !escaped)
    }
    switch byte {
    case 0x20, 0x09: return afterBlank
    case UInt8(ascii: ";"): return mayBeFollowed ? .beforeName : nil
    case UInt8(ascii: "="): return awaitsEquals ? .beforeValue : nil
    case UInt8(ascii: "\""):
      if case .beforeValue = self { return .quoted(escaped: false) }
      return nil
    default: return FieldGrammar.isToken(byte) ? afterToken : nil
    }
  }

  private var afterBlank: ChunkExtension {
    switch self {
    case .name: .afterName
    case .value, .quoteClosed: .afterValue
    case .beforeName, .afterName, .beforeValue, .quoted, .afterValue: self
    }
  }

  private var afterToken: ChunkExtension? {
    switch self {
    case .beforeName, .name: .name
    case .beforeValue, .value: .value
    case .afterName, .quoted, .quoteClosed, .afterValue: nil
    }
  }

  private var awaitsEquals: Bool {
    switch self {
    case .name, .afterName: true
    case .beforeName, .beforeValue, .value, .quoted, .quoteClosed, .afterValue: false
    }
  }

  private var mayBeFollowed: Bool {
    switch self {
    case .name, .afterName, .value, .quoteClosed, .afterValue: true
    case .beforeName, .beforeValue, .quoted: false
    }
  }
}

private func hexValue(_ byte: UInt8) -> Int? {
  switch byte {
  case 0x30...0x39: Int(byte - 0x30)
  case 0x41...0x46: Int(byte - 0x37)
  case 0x61...0x66: Int(byte - 0x57)
  default: nil
  }
}
