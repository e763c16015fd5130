import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutImport
import Testing

@Suite struct FlagdTests {
  /// One flag with the variants on and off, off by default.
  private func flag(
    _ targeting: String, more: String = "", user: String? = nil
  ) throws -> ImportedPlan {
    let text = """
      {"flags": {"f": {"state": "ENABLED", "variants": {"on": true, "off": false},
      "defaultVariant": "off", "targeting": \(targeting)}} \(more)}
      """
    return try #require(try imported(text, of: .flagd, user: user)["f"])
  }

  @Test func `a share is drawn by the flag's key, at either end of the range`() throws {
    let lower = try flag(#"{"fractional": [["on", 30], ["off", 70]]}"#)
    #expect(lower.keepsPeople && lower.percent == "30 %" && lower.reach == .some)
    #expect(lower.definition?.population.bucketing == .flagd)
    #expect(lower.definition?.population.salt == "f")
    #expect(lower.definition?.stages.map(\.name) == ["imported", "50", "100"])
    let upper = try flag(#"{"fractional": [["off"], ["on"]]}"#)
    #expect(upper.percent == "50 %")
    #expect(upper.definition?.population.bucketing == .flagdReversed)
    let both = (0..<1000).filter { number in
      (try? lower.isOn("u\(number)")) == true && (try? upper.isOn("u\(number)")) == true
    }
    #expect(both.isEmpty)
    let third = try flag(#"{"fractional": [["on", 1], ["off", 2]]}"#)
    #expect(third.percent == "33.334 %" && third.keepsPeople && third.remarks.count == 1)
    let middle = try flag(#"{"fractional": [["off", 1], ["on", 1], ["off", 1]]}"#)
    #expect(middle.reach == .nobody && !middle.keepsPeople)
    let all = try flag(#"{"fractional": [["on", 5], ["off", 0]]}"#)
    #expect(all.reach == .everybody && all.percent == "100 %")
  }

  @Test func `what is hashed may have another salt, and not another id`() throws {
    func salt(_ expression: String, user: String? = nil) throws -> ImportedPlan {
      try flag(#"{"fractional": [\#(expression), ["on", 1], ["off", 1]]}"#, user: user)
    }
    let own = #"{"cat": [{"var": "$flagd.flagKey"}, "-", {"var": "targetingKey"}]}"#
    #expect(try salt(own).definition?.population.salt == "f-")
    #expect(try salt(#"{"var": "targetingKey"}"#).definition?.population.salt == "")
    let email = try salt(#"{"var": "email"}"#)
    #expect(email.reach == .nobody && email.lost[0].contains("--user"), "\(email.lost)")
    #expect(try salt(#"{"var": "email"}"#, user: "email").percent == "50 %")
  }

  @Test func `conditions are kept, in their order`() throws {
    let plan = try flag(
      """
      {"if": [
        {"in": [{"var": "targetingKey"}, ["eve"]]}, "off",
        {"==": [{"var": "country"}, "US"]}, null,
        {"or": [{"ends_with": [{"var": "email"}, "@a.com"]}, {"$ref": "old"}]}, "on",
        {"in": [{"var": "targetingKey"}, ["anna"]]}, "on",
        {"!": [{"in": ["x", {"var": "tag"}]}]}, "on"]}
      """, more: #", "$evaluators": {"old": {">=": [{"var": "age"}, 65]}}"#)
    #expect(try plan.isOn("u", ["email": .text("u@a.com")]))
    #expect(try plan.isOn("u", ["age": .number(65)]))
    #expect(try !plan.isOn("u", ["age": .number(64)]))
    #expect(try !plan.isOn("u", ["age": .number(70), "country": .text("US")]))
    #expect(try !plan.isOn("eve", ["age": .number(70)]))
    #expect(plan.definition?.population.forceOff == ["eve"])
    // Who is let in by id, unless something else about them keeps them out, no rule can say; nor
    // that a text does not contain another.
    #expect(plan.lost.count == 2, "\(plan.lost)")
    #expect(try !plan.isOn("anna") && !plan.keepsPeople)
    let between = try flag(#"{"if": [{"<": [1, {"var": "n"}, 3]}, "on"]}"#)
    #expect(try between.isOn("u", ["n": .number(2)]) && !between.isOn("u", ["n": .number(3)]))
    // Names alone are a list.
    let named = try flag(#"{"if": [{"in": [{"var": "targetingKey"}, ["anna", "bob"]]}, "on"]}"#)
    #expect(named.definition?.population.forceOn == ["anna", "bob"] && named.keepsPeople)
    #expect(try named.isOn("bob") && !named.isOn("carl"))
    let past = try flag(#"{"if": [{"<": [{"var": "$flagd.timestamp"}, 1000]}, "on", "off"]}"#)
    #expect(past.reach == .nobody)
  }

  @Test func `a boolean condition gives the variants true and false`() throws {
    let text = """
      flags:
        f:
          state: ENABLED
          variants: {"true": big, "false": small}
          defaultVariant: "false"
          targeting: {"==": [{var: beta}, true]}
      """
    let plan = try #require(try imported(text, of: .flagd)["f"])
    #expect(plan.definition?.values == .init(on: .string("big"), off: .string("small")))
    #expect(try plan.isOn("u", ["beta": .bool(true)]) && !plan.isOn("u"))
  }

  @Test(arguments: [
    #"{"sem_ver": [{"var": "v"}, ">", "1.0.0"]}"#, #"{"missing": ["a"]}"#, #"{"var": "beta"}"#,
    #"{"==": [{"var": "a"}, {"var": "b"}]}"#, #"{"starts_with": [{"var": "targetingKey"}, "a"]}"#,
    #"{"a": 1, "b": 2}"#, "[]", #""on""#, #"{"$ref": "none"}"#, #"{"<": [1]}"#, #"{"in": []}"#,
  ])
  func `what has no counterpart lets in nobody, and neither does its opposite`(logic: String) throws
  {
    for targeting in [
      #"{"if": [\#(logic), "on"]}"#, #"{"if": [{"!": [\#(logic)]}, "on"]}"#,
      #"{"if": [\#(logic), "off", "on"]}"#,
    ] {
      let plan = try flag(targeting)
      #expect(plan.reach == .nobody && !plan.lost.isEmpty, "\(targeting): \(plan.remarks)")
      #expect(plan.remarks.allSatisfy { $0.path.hasPrefix("flags.f.targeting") })
    }
  }

  @Test func `flags that no plan can be are named with why`() throws {
    let plans = try imported(
      """
      flags:
        three: {state: ENABLED, variants: {a: 1, b: 2, c: 3}, defaultVariant: a,
                targeting: {fractional: [[a, 1], [b, 1], [c, 1]]}}
        setting: {state: ENABLED, variants: {a: 1, b: 2, c: 3}, defaultVariant: a}
        mixed: {state: ENABLED, variants: {a: x, b: 2}, defaultVariant: a, targeting: {if: [true, b]}}
        lists: {state: ENABLED, variants: {a: [1], b: [2]}, defaultVariant: a}
        stateless: {state: MAYBE, variants: {a: 1}}
        empty: {state: ENABLED, variants: {}}
        none: 5
        lost: {state: ENABLED, variants: {a: true}, defaultVariant: b}
        two shares:
          state: ENABLED
          variants: {on: true, off: false}
          defaultVariant: off
          targeting:
            if: [{"==": [{var: a}, 1]}, {fractional: [["on", 1], ["off", 1]]},
                 {fractional: [["on", 1], ["off", 9]]}]
        off: {state: DISABLED, variants: {on: true, off: false}, defaultVariant: on}
        a b: {state: ENABLED, variants: {on: true, off: false}, defaultVariant: off}
        a/b: {state: ENABLED, variants: {on: true, off: false}, defaultVariant: off}
      """, of: .flagd)
    for (key, words) in [
      ("three", "3 values"), ("setting", "a setting"), ("mixed", "not both"), ("lists", "not both"),
      ("stateless", "MAYBE"), ("empty", "variants"), ("none", "variants"), ("lost", "\"b\""),
      ("two shares", "two shares"), ("a b", "a-b"), ("a/b", "a-b"),
    ] {
      let plan = try #require(plans[key])
      #expect(plan.definition == nil, "\(key)")
      #expect(plan.refusal?.contains(words) == true, "\(key): \(plan.refusal ?? "")")
    }
    #expect(plans["off"]?.reach == .disabled && plans["off"]?.definition != nil)
  }

  @Test func `hostile files end in words`() throws {
    // Each evaluator stands for two of the next: together they would be millions.
    let evaluators = (0..<40).map {
      #""e\#($0)": {"and": [{"$ref": "e\#($0 + 1)"}, {"$ref": "e\#($0 + 1)"}]}"#
    }.joined(separator: ",")
    let bomb = try flag(
      #"{"if": [{"$ref": "e0"}, "on"]}"#, more: #", "$evaluators": {\#(evaluators)}"#)
    #expect(bomb.reach == .nobody && !bomb.lost.isEmpty)
    let loop = try flag(
      #"{"$ref": "a"}"#, more: #", "$evaluators": {"a": {"!": {"$ref": "a"}}}"#)
    #expect(loop.reach == .nobody)
    let wide = (0..<20).map {
      #"{"or": [{"==": [{"var": "a\#($0)"}, 1]}, {"==": [{"var": "b"}, 1]}]}"#
    }
    let product = try flag(#"{"if": [{"and": [\#(wide.joined(separator: ","))]}, "on"]}"#)
    #expect(product.refusal?.contains("cohort") == true)
    for weight in ["-5", "1e300", "0.5", "\"x\"", "{\"-\": [1, 2]}", "2147483648"] {
      let plan = try flag(#"{"fractional": [["on", \#(weight)], ["off", 10]]}"#)
      #expect(plan.reach == .nobody, "\(weight)")
    }
    for text in ["{}", "[]", "3", "flags: []", "flags: {}", #"{"flags": null}"#] {
      #expect(throws: DocumentError.self) { try imported(text, of: .flagd) }
    }
  }
}
