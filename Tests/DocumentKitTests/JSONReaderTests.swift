import DocumentKit
import Testing

@Suite struct JSONReaderTests {
  private func read(_ text: String) throws -> Document { try JSONReader.read(Array(text.utf8)) }

  @Test func `values keep their kind and numbers their text`() throws {
    let document = try read(
      #"{"a":[1,2.50,-3e2],"b":true,"c":null,"d":"x\né\ud83d\ude00\u0041"}"#)
    #expect(
      document["a"] == .array([.int(1), Document(.number("2.50")), Document(.number("-3e2"))]))
    #expect(document["b"] == .bool(true))
    #expect(document["c"]?.isNull == true)
    #expect(document["d"]?.string == "x\né😀A")
  }

  @Test func `a whole number is one however it is spelt, exactly`() throws {
    for (text, number) in [
      ("2.0", 2), ("2e0", 2), ("-1.5e1", -15), ("0.0", 0), ("-0", 0), ("1E+3", 1000),
      ("9223372036854775807.0", Int.max), ("-9.223372036854775808e18", Int.min),
      ("9007199254740993000e-3", 9_007_199_254_740_993), ("120e-1", 12),
    ] {
      #expect(try read(text).int == number, "\(text)")
    }
    for text in [
      "2.5", "1e-1", "9223372036854775808", "9.3e18", "1e999999999999999999999", "-1e19",
    ] {
      #expect(try read(text).int == nil, "\(text)")
    }
    #expect(try read(#""2""#).int == nil)
  }

  @Test func `what is written is read back`() throws {
    let document = Document.object([
      "text": .string("quote \" backslash \\ newline \n nul \u{0} ü 🙂"), "number": .double(0.05),
      "list": .array([.bool(false), .null]),
    ])
    #expect(try JSONReader.read(document.json) == document)
  }

  @Test(
    arguments: [
      ("", "ends too early", 1), ("{", "quoted key", 2), ("[1,]", "Expected a JSON value", 4),
      ("{\"a\":1,\"a\":2}", "stands twice", 8), ("01", "after the JSON value", 2),
      ("1.", "digit", 3), ("-", "digit", 2), ("\"\u{1}\"", "control character", 2),
      ("\"\\x\"", "Unknown escape", 4), ("\"\\ud800\"", "surrogate", 8), ("\"abc", "not closed", 5),
      ("tru", "Expected true", 4), ("{} x", "after the JSON value", 4),
      ("\"\\u12g4\"", "hexadecimal", 6),
    ])
  func `broken texts are refused with their place`(
    text: String, message: String, column: Int
  ) throws {
    let error = try #require(throws: DocumentError.self) { try read(text) }
    #expect(error.message.contains(message))
    #expect(error.position == Position(line: 1, column: column))
  }

  @Test func `lines and columns count characters, not bytes`() throws {
    let error = try #require(throws: DocumentError.self) { try read("{\n  \"é\": ü}") }
    #expect(error.position == Position(line: 2, column: 8))
  }

  @Test func `nesting stops at 64 levels`() throws {
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(throws: Never.self) { try read(deep) }
    let deeper = String(repeating: "[", count: 100_000)
    let error = try #require(throws: DocumentError.self) { try read(deeper) }
    #expect(error.message.contains("deeper than 64"))
  }

  @Test func `broken UTF-8 is refused`() {
    #expect(throws: DocumentError.self) { try JSONReader.read([0x22, 0xFF, 0x22]) }
    #expect(throws: DocumentError.self) { try JSONReader.read([0x22, 0xC0, 0x80, 0x22]) }
  }

  @Test func `duplicates are found among many keys too`() throws {
    let keys = (0..<100).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
    #expect(throws: Never.self) { try read("{\(keys)}") }
    #expect(throws: DocumentError.self) { try read("{\(keys),\"k50\":1}") }
  }

  @Test func `mutated texts never trap`() {
    let seed = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",{"b":null}],"c":true}"#.utf8)
    var random = SplitMix(state: 7)
    for _ in 0..<20_000 {
      var bytes = seed
      for _ in 0...Int(random.next() % 4) {
        bytes[Int(random.next() % UInt64(bytes.count))] = UInt8(truncatingIfNeeded: random.next())
      }
      if let document = try? JSONReader.read(bytes) {
        #expect((try? JSONReader.read(document.json)) == document)
      }
    }
  }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
