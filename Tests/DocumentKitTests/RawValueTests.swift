import DocumentKit
import Testing

@Suite struct RawValueTests {
  private func raw(_ text: String) throws -> RawValue {
    try #require(RawValue(Array(text.utf8)), "\(text)")
  }

  @Test func `members, elements and texts are found where they stand`() throws {
    let value = try raw(
      #" {"a":{"b":[ 1 , {"c":"x\ny"},"", null ]}, "\u0064":"é","n":null, "e":[ ], "a":2} "#)
    let list = value["a"]?["b"]?.elements ?? []
    #expect(
      list.map { String(decoding: $0.json, as: UTF8.self) } == [
        "1", #"{"c":"x\ny"}"#, #""""#, "null",
      ])
    #expect(list[1]["c"]?.string == "x\ny")
    #expect(list[2].isText && !list[2].isFilledText && list[2].string == "")
    #expect(list[3].isNull)
    #expect(value["d"]?.string == "é" && value["d"]?.isFilledText == true)
    #expect(value["n"]?.isNull == true)
    #expect(value["e"]?.isEmptyList == true && value["a"]?.isEmptyList == false)
    #expect(value["z"] == nil && value["d"]?["a"] == nil)
    #expect(value["d"]?.elements.isEmpty == true)
    #expect(try raw(#"  " ""#).isFilledText)
    #expect(try raw(#"  " ""#).string == " ")
  }

  @Test func `what came is given back to the byte`() throws {
    for text in ["  {} ", "[1 ,\n2]", #""é""#, "-0.0e1", "null"] {
      #expect(try raw(text).json == Array(text.utf8))
    }
  }

  @Test func `only a key that stands twice divides it from the reader`() throws {
    for text in [
      "", " ", "{", "{}}", "[1,]", #"{"a"}"#, #"{"a":1,}"#, "01", "1.", "nul", #""\x""#,
      #""\ud800""#,
      "\"\u{1}\"", String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
    ] {
      #expect(RawValue(Array(text.utf8)) == nil, "\(text)")
      #expect(throws: DocumentError.self) { try JSONReader.read(Array(text.utf8)) }
    }
    #expect(RawValue([0x22, 0xFF, 0x22]) == nil)
    let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
    #expect(try raw(deep).document == JSONReader.read(Array(deep.utf8)))
    let twice = try raw(#"{"a":{"b":1,"b":2}}"#)
    #expect(twice.document == nil)
    #expect(twice["a"]?["b"]?.document?.int == 1)
  }
}
