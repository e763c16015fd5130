import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutImport
import Testing

@Suite struct GOFFTests {
  private func flag(_ rest: String, user: String? = nil) throws -> ImportedPlan {
    let text = "f:\n  variations: {on: true, off: false}\n\(rest)"
    return try #require(try imported(text, of: .goff, user: user)["f"])
  }

  /// On for whom a query is about.
  private func queried(_ query: String) throws -> ImportedPlan {
    try flag(
      """
        targeting: [{query: '\(query)', variation: on}]
        defaultRule: {variation: off}
      """)
  }

  @Test func `shares go backwards through the names, to the thousandth`() throws {
    let lower = try flag("  defaultRule: {percentage: {on: 12.345, off: 87.655}}")
    #expect(lower.percent == "12.345 %" && lower.definition?.population.bucketing == .goff)
    #expect(lower.keepsPeople && lower.remarks.isEmpty)
    let upper = try #require(
      try imported(
        """
        f:
          variations: {a: true, b: false}
          defaultRule: {percentage: {a: 10, b: 90}}
        """, of: .goff)["f"])
    #expect(upper.percent == "10 %")
    #expect(upper.definition?.population.bucketing == .goffReversed)
    let uneven = try flag("  defaultRule: {percentage: {on: 10, off: 10}}")
    #expect(uneven.reach == .nobody && uneven.lost[0].contains("20 %"), "\(uneven.lost)")
    #expect(try flag("  defaultRule: {percentage: {on: 7, off: 0}}").reach == .everybody)
    #expect(try flag("  defaultRule: {percentage: {on: 0, off: 1}}").reach == .nobody)
    let team = try flag(
      "  bucketingKey: team\n  defaultRule: {percentage: {on: 50, off: 50}}")
    #expect(team.reach == .nobody && team.lost[0].contains("--user"))
    let known = try flag(
      "  bucketingKey: team\n  defaultRule: {percentage: {on: 50, off: 50}}", user: "team")
    #expect(known.percent == "50 %" && known.keepsPeople)
  }

  @Test(arguments: [
    ("2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z", "nobody", nil),
    ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "some", "80 %"),
    ("2026-06-30T12:00:00Z", "2026-07-02T12:00:00Z", "some", "50 %"),
    ("2026-07-02T12:00:00Z", "2026-06-30T12:00:00Z", "nobody", nil),
    ("2026-07-01T12:00:00.1Z", "2026-07-01T12:00:00.9Z", "nobody", nil),
    ("never", "2026-07-02T12:00:00Z", "nobody", nil),
  ])
  func `a progressive rollout is as far as its time`(
    from: String, to: String, reach: String, percent: String?
  ) throws {
    let plan = try flag(
      """
        defaultRule:
          progressiveRollout:
            initial: {variation: off, percentage: 20, date: \(from)}
            end: {variation: on, percentage: 80, date: \(to)}
      """)
    #expect(plan.reach.rawValue == reach && plan.percent == percent, "\(plan)")
  }

  @Test func `steps of a schedule that are due are taken in, later ones told`() throws {
    let plan = try flag(
      """
        targeting: [{name: staff, query: 'team in ["a"]', variation: on}]
        defaultRule: {variation: off}
        scheduledRollout:
          - {date: 2026-03-01T00:00:00Z, targeting: [{name: staff, disable: true}]}
          - {date: 2026-02-01T00:00:00Z, targeting: [{name: staff, query: 'team in ["b"]'}, {query: 'n gt 5', variation: on}]}
          - {date: 2026-04-01T00:00:00Z, targeting: [{name: staff, disable: false}]}
          - {date: 2026-12-01T00:00:00Z, disable: true}
          - {disable: true}
      """)
    #expect(try plan.isOn("u", ["team": .text("b")]) && plan.isOn("u", ["n": .number(6)]))
    #expect(try !plan.isOn("u", ["team": .text("a")]))
    #expect(plan.remarks.count == 2 && plan.keepsPeople, "\(plan.remarks)")
    let over = try flag(
      """
        experimentation: {start: 2026-01-01T00:00:00Z, end: 2026-02-01T00:00:00Z}
        defaultRule: {variation: on}
      """)
    #expect(over.reach == .disabled)
    #expect(try flag("  disable: true\n  defaultRule: {variation: on}").reach == .disabled)
  }

  @Test func `queries are read as their grammar does`() throws {
    // and and or bind alike.
    let plan = try queried(#"a eq 1 or b eq 1 and c eq 1"#)
    #expect(try plan.isOn("u", ["a": .number(1), "c": .number(1)]))
    #expect(try !plan.isOn("u", ["a": .number(1)]))
    let nested = try queried(#"not (a pr) and (b >= 2 or (b lt 0 and c co "x"))"#)
    #expect(
      try nested.isOn("u", ["b": .number(2)])
        && nested.isOn("u", ["b": .number(-1), "c": .text("axb")]))
    #expect(try !nested.isOn("u", ["b": .number(2), "a": .number(0)]))
    let text = try queried(#"mail sw "Admin" and env IN ["pro", "pre"]"#)
    #expect(try text.isOn("u", ["mail": .text("admin@x"), "env": .text("pro")]))
    #expect(try !text.isOn("u", ["mail": .text("admin@x"), "env": .text("PRO")]))
    #expect(text.lost.count == 1 && text.lost[0].contains("case of letters"))
    let differs = try queried(#"country ne "49""#)
    #expect(try differs.isOn("u", ["country": .text("x")]) && !differs.isOn("u"))
    let named = try queried(#"key eq "1" or targetingKey in ["2", "3"]"#)
    #expect(named.definition?.population.forceOn == ["1", "2", "3"] && named.keepsPeople)
    let logic = try queried(#"{"==": [{"var": "a"}, "x"]}"#)
    #expect(try logic.isOn("u", ["a": .text("x")]) && logic.keepsPeople)
    #expect(try queried("").reach == .everybody)
  }

  @Test(arguments: [
    "a", "a eq", "a eq b", "eq", "(a eq 1", "a eq 1)", "a eq 1 xor b eq 2", "a zz 1", #"a eq "x"#,
    "a in 5 6", #"a in ["x""#, "not a eq 1", #"key sw "a""#, "a.b eq 1", "a gt 1.2.3",
    #"a gt "x""#, #"{"a": "#, "a eq null", "((((((((((((((((((((((((((((((((((a eq 1",
  ])
  func `what cannot be read lets in nobody`(query: String) throws {
    let plan = try queried(query)
    #expect(plan.reach == .nobody && !plan.lost.isEmpty, "\(plan.remarks)")
    #expect(plan.remarks[0].path.hasPrefix("f.targeting[0].query"))
    // Nor does it let in those behind it, where it kept people out.
    let kept = try flag(
      """
        targeting: [{query: '\(query)', variation: off}]
        defaultRule: {variation: on}
      """)
    #expect(kept.reach == .nobody, "\(query)")
  }

  @Test func `which value is off follows from the default`() throws {
    let plans = try imported(
      """
      plain:
        variations: {a: x, b: y}
        targeting: [{query: n eq 1, variation: b}]
        defaultRule: {variation: a}
      named:
        variations: {control: x, treatment: y}
        defaultRule: {percentage: {control: 40, treatment: 60}}
      larger:
        variations: {x: x, y: y}
        defaultRule: {percentage: {x: 40, y: 60}}
      three:
        variations: {a: 1, b: 2, c: 3}
        defaultRule: {percentage: {a: 40, b: 30, c: 30}}
      wrong:
        variations: {a: 1, b: 2}
        defaultRule: {variation: c}
      none: {variations: {a: 1}}
      old: {true: 1, false: 2, default: 3}
      """, of: .goff)
    #expect(plans["plain"]?.definition?.values?.off == .string("x"))
    #expect(plans["named"]?.percent == "60 %")
    #expect(plans["named"]?.definition?.values?.on == .string("y"))
    #expect(plans["larger"]?.percent == "40 %")
    for (key, words) in [
      ("three", "3 values"), ("wrong", "\"c\""), ("none", "defaultRule"), ("old", "version 1"),
    ] { #expect(plans[key]?.refusal?.contains(words) == true, "\(key)") }
  }

  @Test func `hostile files end in words`() throws {
    for text in ["[]", "5", "a: 5", "{}"] {
      #expect(throws: DocumentError.self) { try imported(text, of: .goff) }
    }
    for share in ["-5", "1e300", "x", "[]", "null", "\"50\""] {
      let plan = try flag("  defaultRule: {percentage: {on: \(share), off: 50}}")
      #expect(share == "\"50\"" ? plan.percent == "50 %" : plan.percent == nil, "\(share): \(plan)")
    }
    let odd = try flag(
      """
        scheduledRollout: 5
        experimentation: []
        metadata: 3
        defaultRule: {progressiveRollout: 5}
      """)
    #expect(odd.reach == .nobody)
    let listless = try flag("  targeting: {a: 1}\n  defaultRule: {variation: on}")
    #expect(listless.refusal?.contains("no list") == true)
    let shareless = try flag("  defaultRule: {variation: on, percentage: 5}")
    #expect(shareless.refusal?.contains("\"\"") == true)
    let long = try queried(String(repeating: "a eq 1 or ", count: 3000) + "a eq 1")
    #expect(long.reach == .nobody && !long.lost.isEmpty)
  }
}
