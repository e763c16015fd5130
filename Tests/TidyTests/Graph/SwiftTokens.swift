/// The tokens of a Swift source: names, numbers and marks with their lines. Comments are dropped, of
/// a string literal a pair of quotes is left; the code inside interpolations is kept.
struct SwiftTokens {
  enum Kind { case name, number, mark }

  struct Token {
    var text: String
    var line: Int
    var kind: Kind
  }

  private(set) var all: [Token] = []
  private let bytes: [UInt8]
  private var index = 0
  private var line: Int

  static func of(_ text: String) -> [Token] { read(Array(text.utf8), line: 1) }

  private static func read(_ bytes: [UInt8], line: Int) -> [Token] {
    var tokens = SwiftTokens(bytes, line: line)
    tokens.run()
    return tokens.all
  }

  private init(_ bytes: [UInt8], line: Int) {
    self.bytes = bytes
    self.line = line
  }

  private func at(_ offset: Int) -> UInt8 {
    index + offset < bytes.count ? bytes[index + offset] : 0
  }

  private func stands(_ text: StaticString) -> Bool {
    guard index + text.utf8CodeUnitCount <= bytes.count else { return false }
    return (0..<text.utf8CodeUnitCount).allSatisfy { bytes[index + $0] == text.utf8Start[$0] }
  }

  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...:
      true
    default: false
    }
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }

  private mutating func add(_ start: Int, _ kind: Kind) {
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    all.append(Token(text: text.filter { $0 != "`" }, line: line, kind: kind))
  }

  private mutating func run() {
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "\n"):
        line += 1
        index += 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): index += 1
      case UInt8(ascii: "/") where stands("//"):
        while index < bytes.count, bytes[index] != UInt8(ascii: "\n") { index += 1 }
      case UInt8(ascii: "/") where stands("/*"): skipComment()
      case UInt8(ascii: "#") where hashes() > 0: skipString(hashes: hashes())
      case UInt8(ascii: "\""): skipString(hashes: 0)
      case UInt8(ascii: "`"): quotedName()
      case _ where Self.isDigit(byte): number()
      case _ where Self.isName(byte):
        let start = index
        while Self.isName(at(0)) { index += 1 }
        add(start, .name)
      default:
        let start = index
        index += stands("->") ? 2 : 1
        add(start, .mark)
      }
    }
  }

  private mutating func quotedName() {
    let start = index
    index += 1
    while index < bytes.count, bytes[index] != UInt8(ascii: "`") { index += 1 }
    index = min(index + 1, bytes.count)
    add(start, .name)
  }

  private mutating func number() {
    let start = index
    while Self.isName(at(0)) { index += 1 }
    if at(0) == UInt8(ascii: "."), Self.isDigit(at(1)) {
      index += 1
      while Self.isName(at(0)) { index += 1 }
    }
    add(start, .number)
  }

  private mutating func skipComment() {
    var depth = 0
    repeat {
      if stands("/*") {
        depth += 1
        index += 2
      } else if stands("*/") {
        depth -= 1
        index += 2
      } else {
        if bytes[index] == UInt8(ascii: "\n") { line += 1 }
        index += 1
      }
    } while depth > 0 && index < bytes.count
  }

  /// How many `#` stand before a string's quote here; zero for anything else.
  private func hashes() -> Int {
    var count = 0
    while at(count) == UInt8(ascii: "#") { count += 1 }
    return at(count) == UInt8(ascii: "\"") ? count : 0
  }

  /// From the opening hashes or quote to behind the closing ones.
  private mutating func skipString(hashes: Int) {
    index += hashes
    let isLong = stands("\"\"\"")
    let quotes = isLong ? 3 : 1
    index += quotes
    while index < bytes.count {
      if isRun(UInt8(ascii: "\""), quotes, 0), isRun(UInt8(ascii: "#"), hashes, quotes) {
        index += quotes + hashes
        all.append(Token(text: "\"\"", line: line, kind: .mark))
        return
      }
      if at(0) == UInt8(ascii: "\\"), isRun(UInt8(ascii: "#"), hashes, 1) {
        if at(1 + hashes) == UInt8(ascii: "(") {
          index += 2 + hashes
          interpolation()
        } else {
          index += 2 + hashes
        }
        continue
      }
      if at(0) == UInt8(ascii: "\n") {
        line += 1
        // Not a string after all.
        if !isLong {
          index += 1
          return
        }
      }
      index += 1
    }
  }

  private func isRun(_ byte: UInt8, _ count: Int, _ offset: Int) -> Bool {
    (0..<count).allSatisfy { at(offset + $0) == byte }
  }

  /// Up to the parenthesis that closes it; what stands between is code.
  private mutating func interpolation() {
    let start = index
    let begin = line
    var depth = 1
    var inner = self
    while inner.index < bytes.count, depth > 0 {
      switch inner.at(0) {
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"): depth -= 1
      case UInt8(ascii: "\n"): inner.line += 1
      case UInt8(ascii: "#") where inner.hashes() > 0:
        inner.skipString(hashes: inner.hashes())
        continue
      case UInt8(ascii: "\""):
        inner.skipString(hashes: 0)
        continue
      default: break
      }
      inner.index += 1
    }
    let end = max(start, inner.index - 1)
    all.append(Token(text: "(", line: begin, kind: .mark))
    all += Self.read(Array(bytes[start..<end]), line: begin)
    index = inner.index
    line = inner.line
    all.append(Token(text: ")", line: line, kind: .mark))
  }
}
