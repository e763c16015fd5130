import DocumentKit
import Testing
import YAMLKit

@Suite struct YAMLReaderTests {
  private func read(_ text: String) throws -> Document { try YAMLReader.read(Array(text.utf8)) }

  @Test func `plain scalars are typed by the core schema, quoted ones are text`() throws {
    let document = try read(
      """
      number: 25
      quoted: "25"
      norway: NO
      yes: yes
      flag: true
      nothing: ~
      empty:
      list: [a, 1.5, false]
      """)
    #expect(document["number"]?.int == 25)
    #expect(document["quoted"]?.string == "25")
    #expect(document["norway"]?.string == "NO")
    #expect(document["yes"]?.string == "yes")
    #expect(document["flag"]?.bool == true)
    #expect(document["nothing"]?.isNull == true)
    #expect(document["empty"]?.isNull == true)
    #expect(document["list"] == .array([.string("a"), Document(.number("1.5")), .bool(false)]))
  }

  @Test func `as many values as a JSON text may hold, and not one more`() throws {
    let most = JSONReader.valuesMax
    let list = { (count: Int) in "[" + String(repeating: "1,", count: count - 1) + "1]" }
    #expect(try read(list(most - 1)).array?.count == most - 1)
    #expect(try JSONReader.read(Array(list(most - 1).utf8)).array?.count == most - 1)
    for reads in [{ try self.read($0) }, { try JSONReader.read(Array($0.utf8)) }] {
      let error = try #require(throws: DocumentError.self) { _ = try reads(list(most)) }
      #expect(error.message.contains("more than \(most) values"), "\(error)")
    }
  }

  @Test(
    arguments: [
      ("a: 1\na: 2", "stands twice", 2, 1), ("a: !!str 1", "Tags are not", 1, 4),
      ("a: *x", "No anchor &x", 1, 4), ("a: &x [1, *x]", "No anchor &x", 1, 11),
      ("a: &x 1\n*x : 2", "A key must be plain", 2, 1), ("<<: 1", "not a number", 1, 5),
      ("a: &x {b: 1}\nc:\n  <<: *x\n  <<: *x", "stands twice", 4, 3),
      ("a: [1", "not YAML", 2, 1), ("a: 1\n--- \nb: 2", "second document", 2, 1),
      ("\ta: 1", "not YAML", 1, 1), ("", "empty", 1, 1),
    ])
  func `what a plan must not hold is refused with its place`(
    text: String, message: String, line: Int, column: Int
  ) throws {
    let error = try #require(throws: DocumentError.self) { try read(text) }
    #expect(error.message.contains(message), "\(error)")
    #expect(error.position == Position(line: line, column: column), "\(error)")
  }

  @Test func `aliases stand for what they name, merge keys for what is not said itself`() throws {
    let document = try read(
      """
      base: &base {soak: 1d, percent: 5, &key name: &name a}
      other: &other {percent: 9, approvals: 2}
      one: {<<: *base, name: b}
      two: {percent: 1, <<: [*other, *base]}
      list: [*name, *key, *base]
      "quoted": {"<<": 1}
      """)
    #expect(
      document["one"]?.json
        == Array(#"{"name":"b","soak":"1d","percent":5}"#.utf8))
    #expect(
      document["two"]?.json
        == Array(#"{"percent":1,"approvals":2,"soak":"1d","name":"a"}"#.utf8))
    #expect(document["list"]?.array?[0].string == "a")
    #expect(document["list"]?.array?[1].string == "name")
    #expect(document["list"]?.array?[2] == document["base"])
    #expect(document["quoted"]?["<<"]?.int == 1)
  }

  @Test func `aliases unfold into ten thousand values and no more, and no deeper than any text`()
    throws
  {
    // Each list is twice the one before it: a gigabyte in thirty lines.
    let laughs = (1...30).map { "l\($0): &l\($0) [*l\($0 - 1), *l\($0 - 1)]" }
    let bomb = try #require(throws: DocumentError.self) {
      try read((["l0: &l0 [1, 2]"] + laughs).joined(separator: "\n"))
    }
    #expect(bomb.message.contains("more than 10000 values"), "\(bomb)")
    let list = { (count: Int) in "a: &a [" + String(repeating: "1,", count: count - 1) + "1]\n" }
    #expect(try read(list(9999) + "b: *a")["b"]?.array?.count == 9999)
    #expect(throws: DocumentError.self) { try read(list(10_000) + "b: *a") }
    let deep = { (levels: Int) in
      String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    }
    let text = { (levels: Int) in
      "a: &a \(deep(40))\nb: " + deep(levels).replacing("[]", with: "[*a]")
    }
    #expect(try read(text(23))["b"] != nil)
    #expect(throws: DocumentError.self) { try read(text(24)) }
  }

  @Test func `deep nesting and huge files are refused`() {
    #expect(throws: DocumentError.self) { try read(String(repeating: "[", count: 5000)) }
    // Found by fuzzing: keys that are objects nested without a limit.
    let keys = try? #require(throws: DocumentError.self) {
      try read(String(repeating: "{", count: 900))
    }
    #expect(keys?.message == "A key must be plain text.")
    #expect(throws: DocumentError.self) {
      try YAMLReader.read([UInt8](repeating: 0x20, count: YAMLReader.sizeMax + 1))
    }
  }
}

@Suite struct ObjectReaderTests {
  @Test func `an unknown key is named with its place and the likely meaning`() throws {
    let document = try YAMLReader.read(Array("feature: x\nstagess: 1\n".utf8))
    var reader = try ObjectReader(document)
    _ = try reader.text("feature")
    _ = reader.optional("stages")
    let error = try #require(throws: DocumentError.self) { try reader.finish() }
    #expect(error.description == #"2:1: Unknown key "stagess"; did you mean "stages"?"#)
  }

  @Test func `wrong types say what was wanted and what was found`() throws {
    var reader = try ObjectReader(
      YAMLReader.read(Array("n: [1]\nb: 3\ni: 2.5\n".utf8)), path: "plan")
    let text = try #require(throws: DocumentError.self) { try reader.text("n") }
    #expect(text.description == "1:4: plan.n: Expected text, found a list.")
    #expect(throws: DocumentError.self) { try reader.bool("b") }
    #expect(throws: DocumentError.self) { try reader.int("i", in: 0...10) }
  }
}

@Suite struct WireCodingTests {
  private struct Inner: Codable, Equatable {
    var latencyMs: Double
    var isOn: Bool
  }

  private struct Model: Codable, Equatable {
    var feature: String
    var planVersion: Int
    var nothing: String?
    var explicit: Nullable<String>
    var inner: [Inner]
  }

  @Test func `members keep their order, keys are snake_case, nil is left out`() throws {
    let model = Model(
      feature: "a", planVersion: 7, nothing: nil, explicit: Nullable(nil),
      inner: [Inner(latencyMs: 1.5, isOn: true)])
    let json = try WireEncoder.json(model)
    #expect(
      String(decoding: json, as: UTF8.self)
        == #"{"feature":"a","plan_version":7,"explicit":null,"inner":[{"latency_ms":1.5,"is_on":true}]}"#
    )
    #expect(try WireDecoder.decode(Model.self, from: json) == model)
  }

  @Test func `a missing or mistyped member is an error`() {
    #expect(throws: (any Error).self) {
      try WireDecoder.decode(Inner.self, from: Array(#"{"latency_ms":1}"#.utf8))
    }
    #expect(throws: (any Error).self) {
      try WireDecoder.decode(Inner.self, from: Array(#"{"latency_ms":"1","is_on":true}"#.utf8))
    }
  }

  @Test func `a byte order mark is no part of the text, in either form`() throws {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    #expect(try YAMLReader.read(mark + Array("a: 1".utf8))["a"]?.int == 1)
    #expect(try JSONReader.read(mark + Array(#"{"a":1}"#.utf8))["a"]?.int == 1)
    #expect(try JSONReader.read(mark + Array(#"{"a":1}"#.utf8))["a"]?.position.column == 6)
    #expect(throws: DocumentError.self) { try JSONReader.read(mark + mark + Array("1".utf8)) }
  }

  @Test func `bytes that are no UTF-8 are named by line and column`() {
    for (bytes, place) in [
      (Array("a: ä\nb: ".utf8) + [0xFF], Position(line: 2, column: 4)),
      ([0xFF], Position(line: 1, column: 1)),
      ([0xEF, 0xBB, 0xBF, 0xFF], Position(line: 1, column: 1)),
      ([0xEF, 0xBB], Position(line: 1, column: 1)),
    ] {
      for read in [{ try YAMLReader.read($0) }, { try JSONReader.read($0) }] {
        let error = #expect(throws: DocumentError.self) { try read(bytes) }
        #expect(error?.position == place)
      }
    }
  }
}
