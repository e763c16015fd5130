import DocumentKit
import Testing

@Suite struct OneLineTests {
  @Test(arguments: [
    ("plain", "plain"), ("zwei\nZeilen", "zwei\\nZeilen"), ("a\r\nb\tc", "a\\r\\nb\\tc"),
    ("\u{1B}[31mred", "\\u{1B}[31mred"), ("\u{9B}31m", "\\u{9B}31m"),
    ("a\u{202E}b\u{2066}c", "a\\u{202E}b\\u{2066}c"),
    ("a\u{200B}b\u{FEFF}", "a\\u{200B}b\\u{FEFF}"),
    ("a\u{2028}b\u{2029}c\u{85}", "a\\u{2028}b\\u{2029}c\\u{85}"), ("\u{E0041}", "\\u{E0041}"),
    ("\u{3164}", "\\u{3164}"), ("Grüße 日本 ⚠️ é", "Grüße 日本 ⚠️ é"), ("\u{7F}", "\\u{7F}"),
  ])
  func `what would not show is written out, what shows stays`(text: String, line: String) {
    #expect(text.onOneLine == line)
  }

  @Test func `JSON with such characters written out means the same`() throws {
    let text = "a\u{202E}\u{200B}\u{E0041}\u{9B}ü"
    let json = Document.object(["reason": .string(text)]).jsonText
    let safe = json.asciiControls
    #expect(!safe.contains("\u{202E}"))
    #expect(try JSONReader.read(Array(safe.utf8))["reason"]?.string == text)
  }

  @Test func `a piece of foreign text in a message is one line`() {
    #expect(quoted("a\nb\u{202E}") == "\"a\\nb\\u{202E}\"")
  }
}
