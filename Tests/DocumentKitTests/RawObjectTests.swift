import DocumentKit
import Testing

@Suite struct RawObjectTests {
  private func raw(_ text: String) throws -> RawObject { try RawObject(Array(text.utf8)) }

  @Test func `members are read when asked for, and the rest stays as it was written`() throws {
    let object = try raw(#" {"a" : 1.50, "b":[{"x":"\u00e9\n"}] , "\u0063":null} "#)
    #expect(object["a"]?.double == 1.5)
    #expect(object.json("b").map(Array.init) == Array(#"[{"x":"\u00e9\n"}]"#.utf8))
    #expect(object["c"]?.isNull == true)
    #expect(object["d"] == nil)
    let changed = object.replacing([("a", Array("2".utf8)), ("c", nil), ("e", Array("\"f\"".utf8))])
    #expect(String(decoding: changed, as: UTF8.self) == #"{"b":[{"x":"\u00e9\n"}],"a":2,"e":"f"}"#)
    #expect(String(decoding: try raw("{}").replacing([]), as: UTF8.self) == "{}")
  }

  @Test func `it takes and refuses what the reader does`() throws {
    let deep = { (levels: Int) in
      #"{"a":"# + String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        + "}"
    }
    let texts = [
      "{}", "[]", "", "{", #"{"a":}"#, #"{"a":1,}"#, #"{"a":1 "b":2}"#, #"{"a":01}"#, #"{"a":-}"#,
      #"{"a":1e+5,"b":-0.5E-2,"c":true,"d":false,"e":null}"#, #"{"a":tru}"#, #"{"a":"\x"}"#,
      #"{"a":"\ud800"}"#, #"{"a":"\ud83d\ude00"}"#, #"{"a":"\udc00\ud800"}"#, #"{"a":"\u12"}"#,
      "{\"a\":\"\u{1}\"}", #"{"a":1,"a":2}"#, #"{"a":1}x"#, #"{"a":1} {}"#, #"{a:1}"#, #"{"a":"b}"#,
      #"{"a":1.}"#, #"{"a":.5}"#, #"{"a":1e}"#, deep(63), deep(64), deep(100), #"{"a":[1,2,}"#,
      #"{"a":{"b":1,"c":[{}]}}"#, #"{"a":{"b"}}"#, #"{"a":"\"#,
    ]
    for text in texts {
      let read = try? JSONReader.read(Array(text.utf8))
      #expect(((try? raw(text)) != nil) == (read?.members != nil), "\(text)")
    }
    #expect(throws: DocumentError.self) {
      try RawObject([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D])
    }
  }

  @Test func `there are bounds on values and on elements that are asked for`() throws {
    let text = #"{"a":[1,[2,{"b":3}],4],"c":{}}"#
    #expect(try RawObject(Array(text.utf8), valuesMax: 9).keys == ["a", "c"])
    let error = try #require(throws: DocumentError.self) {
      try RawObject(Array(text.utf8), valuesMax: 8)
    }
    #expect(error.message.contains("more than 8 values"), "\(error)")
    let object = try raw(text)
    #expect(object.elements("a", atMost: 3)?.count == 3)
    #expect(object.elements("a", atMost: 1)?.count == 2)
    #expect(object.elements("c", atMost: 1) == nil)
    #expect(object.elements("b", atMost: 1) == nil)
  }

  @Test func `a key that stands twice inside is found when its value is read`() throws {
    let object = try raw(#"{"a":{"b":1,"b":2},"c":3}"#)
    #expect(object["a"] == nil)
    #expect(object["c"]?.int == 3)
    #expect(throws: DocumentError.self) { try object.document() }
  }
}
