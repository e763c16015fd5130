import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutImport
import Testing

@Suite struct GrowthBookTests {
  private func feature(
    _ rules: String, usual: String = "false", more: String = "", user: String? = nil
  ) throws -> ImportedPlan {
    let text = #"{"features": {"f": {"defaultValue": \#(usual), "rules": \#(rules)}}\#(more)}"#
    return try #require(try imported(text, of: .growthbook, user: user)["f"])
  }

  private func conditioned(_ condition: String, more: String = "") throws -> ImportedPlan {
    try feature(#"[{"force": true, "condition": \#(condition)}]"#, more: more)
  }

  @Test func `a coverage is the share that it says, in both versions`() throws {
    for (version, bucketing) in [(1, Bucketing.growthbook1), (2, .growthbook2)] {
      let plan = try feature(
        #"[{"force": true, "coverage": 0.3, "seed": "s", "hashVersion": \#(version)}]"#)
      #expect(plan.percent == "30 %" && plan.keepsPeople && plan.remarks.isEmpty)
      #expect(plan.definition?.population.bucketing == bucketing)
      #expect(plan.definition?.population.salt == "s")
    }
    let usual = try feature(#"[{"force": true, "coverage": 0.12345}]"#)
    // The first version knows thousandths.
    #expect(usual.percent == "12.345 %" && usual.definition?.population.salt == "f")
    #expect(try feature(#"[{"force": true, "coverage": 0}]"#).reach == .nobody)
    #expect(try feature(#"[{"force": true, "coverage": 1}]"#).reach == .everybody)
    #expect(try feature(#"[{"force": true, "coverage": 0.0001}]"#).percent == "0.01 %")
  }

  /// Classes by hand: what `n / count` is at most the coverage, or inside of a range.
  @Test(arguments: [
    (#""force": true, "coverage": 0.3001"#, 0, 3001),
    (#""force": true, "range": [0, 0.25]"#, 0, 2499),
    (#""force": true, "range": [0.9, 1]"#, 9000, 9999),
    (#""variations": [true, false]"#, 0, 4999), (#""variations": [false, true]"#, 5000, 9999),
    (#""variations": [false, true], "weights": [0.3333, 0.6667]"#, 3333, 9999),
    (#""variations": [true, false], "coverage": 0.5, "weights": [0.2, 0.8]"#, 0, 999),
    (#""variations": [true, false], "ranges": [[0, 0.07], [0.07, 1]]"#, 0, 699),
  ])
  func `exactly the classes of a rule are in`(rule: String, first: Int, last: Int) throws {
    let plan = try feature(#"[{"hashVersion": 2, "seed": "s", \#(rule)}]"#)
    #expect(plan.keepsPeople && plan.reach == .some, "\(plan)")
    // The class follows from the bucket that coverages draw by.
    let bucketer = Bucketer(salt: "s", bucketing: .growthbook2)
    for number in 0..<5000 {
      let user = "u\(number)"
      let hash = (bucketer.bucket(user) + 1) / 10
      #expect(try plan.isOn(user) == (first...last).contains(hash), "\(user): class \(hash)")
    }
  }

  @Test func `who cannot be told by the user's id is lost`() throws {
    for rule in [
      #""force": true, "coverage": 0.5, "hashAttribute": "device""#,
      #""force": true, "coverage": 0.5, "hashVersion": 3"#, #""force": true, "range": [0.4, 0.6]"#,
      #""force": true, "range": [0.4]"#, #""force": true, "filters": [{"ranges": []}]"#,
      #""variations": [true, false], "namespace": ["n", 0, 0.5]"#,
      #""variations": [false, true], "coverage": 0.5"#,
      #""variations": [true, false], "hashAttribute": "device""#,
      #""force": true, "parentConditions": [{"id": "g"}]"#,
    ] {
      let plan = try feature("[{\(rule)}]")
      #expect(plan.reach == .nobody && !plan.lost.isEmpty, "\(rule): \(plan)")
      #expect(plan.remarks[0].path.hasPrefix("features.f.rules[0]"))
    }
    let device = try feature(
      #"[{"force": true, "coverage": 0.5, "hashAttribute": "device"}]"#, user: "device")
    #expect(device.percent == "50 %" && device.keepsPeople)
    let gated = try feature(
      #"[{"parentConditions": [{"id": "g", "gate": true}]}, {"force": true}]"#)
    #expect(gated.reach == .nobody && !gated.keepsPeople)
    let takenAway = try feature(#"[{"force": false, "coverage": 0.5}, {"force": true}]"#)
    #expect(takenAway.reach == .nobody && !takenAway.keepsPeople)
    // Where there is nothing to keep people from, it does nothing.
    #expect(try feature(#"[{"force": false, "coverage": 0.5}]"#).keepsPeople)
  }

  @Test func `conditions are kept`() throws {
    let plan = try conditioned(
      """
      {"country": {"$in": ["AU", "NZ"]}, "plan": {"$ne": "free"}, "age": {"$gte": 18, "$lt": 65},
       "$or": [{"beta": true}, {"team": "a"}], "$not": {"banned": {"$exists": true}},
       "email": {"$inGroup": "g"}}
      """, more: #", "savedGroups": {"g": ["a@x", "b@x"]}"#)
    let good: Attributes = [
      "country": .text("AU"), "age": .number(18), "beta": .bool(true), "email": .text("b@x"),
    ]
    #expect(plan.keepsPeople, "\(plan.remarks)")
    #expect(try plan.isOn("u", good))
    for (name, value) in [
      ("country", AttributeValue.text("US")), ("plan", .text("free")), ("age", .number(65)),
      ("banned", .bool(false)), ("beta", .bool(false)), ("email", .text("c@x")),
    ] {
      var changed: Attributes = [name: value]
      for key in ["country", "age", "beta", "email"] where key != name {
        if let other = good[key] { changed.append(key, other) }
      }
      #expect(try !plan.isOn("u", changed), "\(name)")
    }
    let ids = try conditioned(#"{"id": {"$in": ["anna", 7]}}"#)
    #expect(ids.definition?.population.forceOn == ["anna", "7"] && ids.keepsPeople)
    #expect(try conditioned("{}").reach == .everybody)
    #expect(try conditioned(#"{"$nor": [{"a": 1}], "b": null}"#).isOn("u"))
  }

  @Test(arguments: [
    #"{"v": {"$vgt": "1.0.0"}}"#, #"{"a": {"$regex": "x"}}"#, #"{"a": {"$elemMatch": {"$eq": 1}}}"#,
    #"{"a": {"$size": 1}}"#, #"{"a": {"$all": ["x"]}}"#, #"{"a.b": 1}"#, #"{"a": {"b": 1}}"#,
    #"{"a": [1]}"#, #"{"a": {"$gt": "x"}}"#, #"{"a": {"$inGroup": "none"}}"#, #"{"$where": "x"}"#,
    #"{"$or": 5}"#, "5", #"{"id": {"$gt": 5}}"#, #"{"id": {"$exists": true}}"#,
    #"{"a": {"$in": [null]}}"#, #"{"a": {}}"#,
  ])
  func `what has no counterpart lets in nobody, and neither does its opposite`(condition: String)
    throws
  {
    for rules in [
      #"[{"force": true, "condition": \#(condition)}]"#,
      #"[{"force": true, "condition": {"$not": \#(condition)}}]"#,
      #"[{"force": false, "condition": \#(condition)}, {"force": true}]"#,
    ] {
      let plan = try feature(rules)
      #expect(plan.reach == .nobody && !plan.lost.isEmpty, "\(rules): \(plan.remarks)")
    }
  }

  @Test func `two values are kept, more are not`() throws {
    let text = try feature(#"[{"force": "new", "coverage": 0.5}]"#, usual: #""old""#)
    #expect(text.definition?.values == .init(on: .string("new"), off: .string("old")))
    let three = try feature(#"[{"variations": ["a", "b", "c"]}]"#, usual: #""a""#)
    #expect(three.refusal?.contains("3 values") == true)
    let empty = try feature(#"[{"force": true}]"#, usual: "null")
    #expect(empty.refusal?.contains("not both") == true)
    let always = try feature("[]", usual: "true")
    #expect(always.reach == .everybody)
    let tracked = try feature(
      #"[{"variations": [false, true], "key": "k", "phase": "1", "surprise": 1}]"#)
    #expect(tracked.keepsPeople && tracked.definition?.population.salt == "k")
    #expect(tracked.remarks.contains { $0.text.contains("\"surprise\"") })
  }

  @Test func `hostile files end in words`() throws {
    for text in [
      "{}", "[]", #"{"features": []}"#, #"{"features": {}}"#,
      #"{"features": {}, "encryptedFeatures": "x"}"#,
    ] { #expect(throws: DocumentError.self) { try imported(text, of: .growthbook) } }
    for rule in [
      #"{"coverage": 1e308, "force": true}"#, #"{"coverage": -1, "force": true}"#,
      #"{"range": [-1e300, 1e300], "force": true}"#, #"{"range": [1, 0], "force": true}"#,
      #"{"variations": [true, false], "weights": [-5, 6]}"#,
      #"{"variations": [true, false], "ranges": [[0.9, 0.1], [], 5]}"#,
      #"{"variations": [true]}"#, "5", #"{"force": true, "coverage": "x"}"#,
      #"{"hashVersion": 99999999999999999999, "coverage": 0.5, "force": true}"#,
    ] {
      let plan = try feature("[\(rule)]")
      #expect(plan.definition != nil || plan.refusal != nil, "\(rule)")
    }
    let odd = try imported(#"{"features": {"a": 5, "": {"rules": 3}}}"#, of: .growthbook)
    #expect(odd["a"]?.definition == nil && odd[""]?.refusal?.contains("no list") == true)
  }
}
