import DocumentKit
import RolloutCore
import RolloutEvaluation
import Testing

/// Numbers in rules and in what users send: exact where they are whole, and only what JSON calls a
/// number.
@Suite struct NumeralTests {
  @Test func `only what JSON calls a number is one`() {
    for text in ["0", "-0", "7", "-12", "1.5", "0.0", "1e3", "1E+2", "2.5e-3", "-0.1e0"] {
      #expect(Numeral(text) != nil, "\(text)")
    }
    for text in [
      "", "-", "+1", " 1", "1 ", "01", "-01", ".5", "5.", "1e", "1e+", "inf", "-inf", "Infinity",
      "nan", "NaN", "0x20", "0b1", "1_000", "1,5", "١", "1e5x", "--1", "0x1p3",
    ] {
      #expect(Numeral(text) == nil, "\(text)")
    }
  }

  @Test func `whole numbers are compared exactly whatever their size and spelling`() throws {
    func number(_ text: String) throws -> Numeral { try #require(Numeral(text)) }
    // Neighbours that are the same as a Double.
    for (low, high) in [
      ("9007199254740992", "9007199254740993"), ("-9007199254740993", "-9007199254740992"),
      ("9223372036854775806", "9223372036854775807"),
      ("18446744073709551614", "18446744073709551615"),
      ("99999999999999999999999999999999999998", "99999999999999999999999999999999999999"),
      ("9007199254740992.0", "9007199254740993.000"), ("9007199254740992", "9007199254740993.0"),
      ("1", "1.5"), ("-2", "-1.5"), ("-1.5", "-1"), ("1e400", "1e400"), ("2", "1e400"),
      ("-1e400", "2"), ("9007199254740993", "1e30"), ("9.007199254740992e15", "9007199254740993"),
      ("0.3", "0.30000000000000000001"), ("-0.30000000000000000001", "-0.3"), ("1e400", "1e401"),
      ("-1e401", "-1e400"), ("1e-401", "1e-400"), ("0", "1e-400"), ("-1e-400", "0"), ("-2.5", "-2"),
      ("-3", "-2.5"), ("2", "2.5"), ("2.5", "3"),
      ("170141183460469231731687303715884105727", "1e39"),
      ("-1e39", "-170141183460469231731687303715884105728"), ("0.05", "0.5"), ("-0.5", "-0.05"),
    ] where low != high {
      #expect(try number(low) < number(high), "\(low) < \(high)")
      #expect(try !(number(high) < number(low)), "\(high) < \(low)")
      #expect(try number(low) != number(high), "\(low) != \(high)")
    }
    for (a, b) in [
      ("5", "5.0"), ("1000", "1e3"), ("-0", "0"), ("10", "1.0e1"), ("0.5", "5e-1"),
      ("9007199254740993", "9.007199254740993e15"), ("9007199254740993", "9007199254740993.00"),
      ("18446744073709551615", "184467440737095516150e-1"), ("-12e2", "-1200.0"), ("0e5", "-0.0"),
      ("0.30000000000000000001", "3000000000000000.0001e-16"), ("1e-400", "0.1e-399"),
      ("1e400", "10e399"), ("1.2345e2", "123.45"),
    ] {
      #expect(try number(a) == number(b), "\(a) == \(b)")
      #expect(try number(a).hashValue == number(b).hashValue, "\(a) == \(b)")
      #expect(try !(number(a) < number(b)) && !(number(b) < number(a)), "\(a) == \(b)")
    }
  }

  @Test func `a decimal is spelt so that it is read as what it was`() throws {
    for text in [
      "0", "5", "-5", "0.5", "-0.001", "12.25", "0.0000001", "1e40", "-1.5e41", "1200", "1e-400",
      "123456789012345678901234567890123456789012345", "5e309",
    ] {
      let number = try #require(DecimalNumber(text))
      #expect(DecimalNumber(number.text) == number, "\(text) \(number.text)")
      #expect(try JSONReader.read(Array(number.text.utf8)) == Document(.number(number.text)))
    }
    #expect(DecimalNumber("012") == nil)
    #expect(DecimalNumber("12.50")?.text == "12.5")
  }

  /// The rules of a plan file with these conditions on `a`, and users with what they send.
  private func matches(_ condition: String, _ value: String) throws -> Bool {
    let plan = try PlanDefinition(
      JSONReader.read(
        Array(
          """
          {"feature":"f","stages":[{"name":"s","rules":[{"attribute":"a",\(condition)}]}]}
          """.utf8)))
    // As it comes back from the store too.
    let stored = try PlanDefinition(plan.document, isStored: true)
    #expect(stored == plan)
    let document = try JSONReader.read(Array(value.utf8))
    let attributes: Attributes =
      document.isNull ? [:] : ["a": try #require(AttributeValue(document))]
    return plan.stages[0].audience.rules[0].matches(attributes)
  }

  @Test func `an id of 64 bits lets nobody in but its owner`() throws {
    for (condition, owner, neighbour) in [
      (#""equals":9007199254740993"#, "9007199254740993", "9007199254740992"),
      (#""in":[9223372036854775807]"#, "9223372036854775807", "9223372036854775806"),
      (#""in":[18446744073709551615]"#, "18446744073709551615", "18446744073709551614"),
      (#""in":[9007199254740993]"#, #""9007199254740993""#, #""9007199254740992""#),
      (#""in":["9007199254740993"]"#, "9007199254740993", "9007199254740992"),
      (#""greater_than":9007199254740992"#, "9007199254740993", "9007199254740992"),
      (#""at_most":9007199254740992"#, "9007199254740992", "9007199254740993"),
      (#""equals":9.007199254740993e15"#, "9007199254740993", "9007199254740992"),
      (#""equals":9007199254740993"#, "9.007199254740993e15", "9.007199254740992e15"),
      (#""in":["9007199254740993.0"]"#, "9007199254740993", "9007199254740992"),
      (#""equals":0.1"#, "1e-1", "0.10000000000000001"),
      (#""not_in":[1e3]"#, "1001", "1000.0"),
    ] {
      #expect(try matches(condition, owner), "\(condition) \(owner)")
      #expect(try !matches(condition, neighbour), "\(condition) \(neighbour)")
    }
  }

  @Test func `text is a number in JSON's syntax only`() throws {
    for text in ["inf", "0x20", "nan", "1e", " 40", "+40", "infinity"] {
      #expect(try !matches(#""greater_than":30"#, #""\#(text)""#), "\(text)")
      #expect(try !matches(#""less_than":1e300"#, #""\#(text)""#), "\(text)")
    }
    #expect(try !matches(#""equals":32"#, #""0x20""#))
    #expect(try !matches(#""in":["0x20"]"#, "32"))
    #expect(try matches(#""equals":32"#, #""32.0""#))
    #expect(try matches(#""greater_than":30"#, #""4e1""#))
    // As many digits as a text may have, compared by each of them.
    let long = "0." + String(repeating: "3", count: 60)
    #expect(try matches(#""greater_than":\#(long)"#, #""\#(long)4""#))
    #expect(try !matches(#""greater_than":\#(long)"#, #""\#(long)""#))
  }

  @Test func `a list matches by its elements and exists by itself`() throws {
    let list = #"["beta","ops",5]"#
    for (condition, expected) in [
      (#""in":["ops","x"]"#, true), (#""in":["x"]"#, false), (#""equals":"beta""#, true),
      (#""equals":5"#, true), (#""equals":"5""#, true), (#""contains":"op""#, true),
      (#""contains":"zz""#, false), (#""starts_with":"be""#, true), (#""ends_with":"ps""#, true),
      (#""greater_than":4"#, true), (#""greater_than":5"#, false), (#""not_in":["x","y"]"#, true),
      (#""not_in":["x","ops"]"#, false), (#""not_equals":"beta""#, false),
      (#""not_equals":"x""#, true), (#""exists":true"#, true), (#""exists":false"#, false),
    ] {
      #expect(try matches(condition, list) == expected, "\(condition)")
    }
    for (condition, expected) in [
      (#""in":["x"]"#, false), (#""not_in":["x"]"#, true), (#""exists":true"#, true),
    ] {
      #expect(try matches(condition, "[]") == expected, "\(condition) of no elements")
      #expect(try matches(condition, "null") == false, "\(condition) of nothing")
    }
    #expect(try matches(#""exists":false"#, "null"))
  }

  @Test func `a rule names scalars, and numbers that can be kept`() {
    for condition in [
      #""equals":["a"]"#, #""in":[["a"]]"#, #""in":[null]"#, #""equals":1e400"#, #""in":[-1e999]"#,
      #""at_least":1e400"#, #""at_least":"5""#,
    ] {
      #expect(throws: DocumentError.self, "\(condition)") { try matches(condition, "1") }
    }
  }

  @Test func `a guard's limit is a number in JSON's syntax`() throws {
    func limit(_ max: String) throws -> Guard {
      try Guard(
        (JSONReader.read(Array(#"{"metric":"tokens_per_request","max":"\#(max)"}"#.utf8)), "g"))
    }
    #expect(try limit("1e3").limit == .number(1000))
    #expect(try limit("2.5x").limit == .multiple(2.5))
    for text in ["inf", "0x20", "nan", "0x2x", "+5", "+2x"] {
      #expect(throws: DocumentError.self, "\(text)") { try limit(text) }
    }
  }
}
