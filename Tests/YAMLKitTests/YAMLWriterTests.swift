import DocumentKit
import Testing
import YAMLKit

/// What is written as YAML is read back the same.
@Suite struct YAMLWriterTests {
  private func check(_ document: Document) throws {
    let text = YAMLWriter.text(document)
    #expect(try YAMLReader.read(Array(text.utf8)) == document, "\(text)")
    #expect(YAMLWriter.text(document) == text)
  }

  @Test func `a plan reads as a person would write it`() throws {
    let plan = try JSONReader.read(
      Array(
        #"{"feature":"ai-summary","stages":[{"name":"25","percent":25,"rules":[{"attribute":"email","#
          .utf8)
        + Array(
          #""ends_with":["@acme.com"]}]}],"guards":[{"metric":"error_rate","max":"5%"}],"#.utf8)
        + Array(#""rollback":{"cooldown":"30m"},"values":{"on":{},"off":{"a":[]}}}"#.utf8))
    #expect(
      YAMLWriter.text(plan) == """
        feature: ai-summary
        stages:
          - name: "25"
            percent: 25
            rules:
              - attribute: email
                ends_with:
                  - "@acme.com"
        guards:
          - metric: error_rate
            max: 5%
        rollback:
          cooldown: 30m
        values:
          "on": {}
          "off":
            a: []

        """)
    try check(plan)
  }

  @Test func `whatever a text holds, it is the same text afterwards`() throws {
    let texts = [
      "", " ", "a b", " a", "a ", "a: b", "a #b", "#a", "- a", "-", "?", "[", "{a", "*a", "&a",
      "!a",
      "|", ">", "%a", "@a", "`a", "'a'", "\"a\"", "a\nb", "\n", "\t", "\u{1}", "\u{7F}", "\u{85}",
      "\u{2028}", "\u{FEFF}", "\u{FFFE}", "😀", "ä", "true", "No", "on", "~", "null", "1", "0x1f",
      "1e5", ".5", "5%", "5", "1.5s", "$0.02", "$", "2x", "12:30", "2026-01-01", "<<", "=", "---",
      "...", "a\\b", "C:\\x", "a,b", "a]", "x:", ":x", "1_000", "0o17", "+1", ".inf", "nan",
    ]
    for text in texts {
      try check(.string(text))
      try check(.array([.string(text), .array([.string(text)]), .object(["k": .string(text)])]))
      guard text != "<<" else { continue }
      try check(Document(.object([.init(key: text, value: .string(text))])))
      try check(Document(.object([.init(key: text, value: .array([.null, .object([:])]))])))
    }
  }
}
