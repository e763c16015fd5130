import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutImport
import Testing

@Suite struct UnleashTests {
  private func feature(_ strategies: String, more: String = "", user: String? = nil) throws
    -> ImportedPlan
  {
    let text =
      #"{"features": [{"name": "f", "enabled": true, "strategies": \#(strategies)}]\#(more)}"#
    return try #require(try imported(text, of: .unleash, user: user)["f"])
  }

  private func constrained(_ constraint: String) throws -> ImportedPlan {
    try feature(#"[{"name": "default", "constraints": [\#(constraint)]}]"#)
  }

  @Test func `shares are whole percents, drawn by the group`() throws {
    let plan = try feature(
      #"[{"name": "flexibleRollout", "parameters": {"rollout": "33.7", "groupId": "g"}}]"#)
    #expect(plan.percent == "33 %" && plan.keepsPeople)
    #expect(plan.definition?.population.salt == "g")
    let own = try feature(
      #"[{"name": "flexibleRollout", "parameters": {"rollout": 5, "stickiness": "userId"}}]"#)
    #expect(own.percent == "5 %" && own.definition?.population.salt == "f" && own.remarks.isEmpty)
    let old = try feature(
      #"[{"name": "gradualRolloutUserId", "parameters": {"percentage": "10"}}]"#)
    #expect(old.percent == "10 %" && old.definition?.population.salt == "")
    for (share, reach) in [
      ("0", ImportedPlan.Reach.nobody), ("100", .everybody), ("900", .everybody),
    ] {
      let plan = try feature(
        #"[{"name": "flexibleRollout", "parameters": {"rollout": \#(share), "stickiness": "random"}}]"#
      )
      #expect(plan.reach == reach && plan.keepsPeople, "\(share)")
    }
  }

  @Test(arguments: [
    #"{"rollout": "50", "stickiness": "random"}"#, #"{"rollout": "50", "stickiness": "team"}"#,
    #"{"rollout": "many"}"#, "{}", "5",
  ])
  func `a share that does not go by the user's id is lost`(parameters: String) throws {
    let plan = try feature(#"[{"name": "flexibleRollout", "parameters": \#(parameters)}]"#)
    #expect(plan.reach == .nobody && !plan.lost.isEmpty)
  }

  @Test func `strategies let in, each for itself`() throws {
    let plan = try feature(
      """
      [{"name": "userWithId", "parameters": {"userIds": "anna, bob,"}},
       {"name": "gradualRolloutSessionId", "parameters": {"percentage": "50"}},
       {"name": "default", "disabled": true},
       {"name": "flexibleRollout", "parameters": {"rollout": "20"},
        "constraints": [{"contextName": "country", "operator": "IN", "values": ["AU"]}]},
       {"name": "default", "segments": [1]}]
      """,
      more: """
        , "segments": [{"id": 1, "constraints": [
          {"contextName": "plan", "operator": "NOT_IN", "values": ["free"]},
          {"contextName": "seats", "operator": "NUM_GTE", "value": "10"}]}]
        """)
    #expect(plan.definition?.population.forceOn == ["anna", "bob"])
    #expect(plan.lost.count == 1 && plan.lost[0].contains("gradualRolloutSessionId"))
    #expect(plan.definition?.population.eligible?.count == 3)
    #expect(try plan.isOn("u", ["seats": .number(10)]))
    #expect(try !plan.isOn("u", ["seats": .number(10), "plan": .text("free")]))
    #expect(try plan.isOn("bob") && !plan.isOn("zoe", ["country": .text("US")]))
    let inside = (0..<1000).filter {
      (try? plan.isOn("u\($0)", ["country": .text("AU")])) == true
    }
    #expect((140...260).contains(inside.count))
    #expect(try feature("[]").reach == .everybody)
    #expect(try feature(#"[{"name": "default", "disabled": true}]"#).reach == .nobody)
  }

  @Test func `constraints are kept, inverted ones too where a rule can say it`() throws {
    let start = try constrained(
      #"{"contextName": "email", "operator": "STR_STARTS_WITH", "values": ["a", "b"]}"#)
    #expect(try start.isOn("u", ["email": .text("bob")]) && start.keepsPeople)
    let loose = try constrained(
      """
      {"contextName": "email", "operator": "STR_ENDS_WITH", "values": [".com"],
       "caseInsensitive": true}
      """)
    #expect(try loose.isOn("u", ["email": .text("A.COM")]) && !loose.keepsPeople)
    let inverted = try constrained(
      #"{"contextName": "n", "operator": "NUM_LT", "value": "5", "inverted": true}"#)
    #expect(try inverted.isOn("u", ["n": .number(5)]) && inverted.isOn("u"))
    #expect(try !inverted.isOn("u", ["n": .number(4)]))
    let after = try constrained(
      #"{"contextName": "currentTime", "operator": "DATE_AFTER", "value": "2026-01-01T00:00:00Z"}"#)
    #expect(after.reach == .everybody && after.remarks.count == 1)
    let empty = try constrained(#"{"contextName": "a", "operator": "IN", "values": []}"#)
    #expect(empty.reach == .nobody && empty.keepsPeople)
    let users = try constrained(
      #"{"contextName": "userId", "operator": "IN", "values": ["anna"]}"#)
    #expect(users.definition?.population.forceOn == ["anna"])
    // Not to be on the list is no rule about attributes.
    let others = try constrained(
      #"{"contextName": "userId", "operator": "NOT_IN", "values": ["anna"]}"#)
    #expect(others.reach == .nobody && !others.keepsPeople)
  }

  @Test(arguments: ["SEMVER_GT", "SEMVER_EQ", "REGEX", "NUM_X", "DATE_AFTER", ""])
  func `an operator without a counterpart is named`(name: String) throws {
    for isInverted in [false, true] {
      let plan = try constrained(
        #"{"contextName": "v", "operator": "\#(name)", "value": "x", "inverted": \#(isInverted)}"#)
      #expect(plan.reach == .nobody && plan.lost.count == 1, "\(plan.remarks)")
      #expect(plan.remarks[0].path == "features[0].strategies[0].constraints[0]")
    }
  }

  @Test func `an export is put together, of one environment`() throws {
    func export(_ more: String) -> String {
      """
      features: [{name: f, description: d}, {name: g, archived: true}]
      featureStrategies:
        - {featureName: f, name: flexibleRollout, environment: dev, parameters: {rollout: 90}}
        - {featureName: f, name: flexibleRollout, environment: prod, parameters: {rollout: 10},
           segments: [1]}
      segments: [{id: 1, name: staff}]
      featureEnvironments:
        - {featureName: f, environment: dev, enabled: true}
      \(more)
      """
    }
    let both = export("  - {featureName: f, environment: prod, enabled: false}")
    #expect(throws: DocumentError.self) { try imported(both, of: .unleash) }
    #expect(throws: DocumentError.self) { try imported(both, of: .unleash, environment: "x") }
    let development = try imported(both, of: .unleash, environment: "dev")
    #expect(development["f"]?.percent == "90 %" && development["f"]?.reach == .some)
    #expect(development["f"]?.definition?.description == "d")
    #expect(development["g"]?.refusal?.contains("archived") == true)
    let production = try imported(both, of: .unleash, environment: "prod")
    #expect(production["f"]?.lost.first?.contains("\"staff\"") == true)
  }

  @Test func `what a plan does not know is told`() throws {
    let plans = try imported(
      """
      features:
        - {name: child, enabled: true, strategies: [], dependencies: [{feature: parent}]}
        - {name: many, enabled: true, strategies: [{name: default}], variants: [{name: a}, {name: b}]}
        - {name: salts, enabled: true, strategies: [
            {name: flexibleRollout, parameters: {rollout: 5, groupId: a}},
            {name: flexibleRollout, parameters: {rollout: 5, groupId: b}}]}
        - {name: off, strategies: [{name: default}]}
      """, of: .unleash)
    #expect(plans["child"]?.refusal?.contains("\"parent\"") == true)
    #expect(plans["many"]?.remarks.first?.text.contains("2 variants") == true)
    #expect(plans["many"]?.keepsPeople == true)
    #expect(plans["salts"]?.refusal?.contains("two ways") == true)
    #expect(plans["off"]?.reach == .disabled)
  }

  @Test func `hostile files end in words`() throws {
    for text in [
      "{}", "features: {}", "features: []", "features: [{}]", "features: [5]",
      "features: [{name: a}, {name: a}]",
      "features: [\((0...2000).map { "{name: f\($0)}" }.joined(separator: ","))]",
    ] { #expect(throws: DocumentError.self) { try imported(text, of: .unleash) } }
    let odd = try imported(
      "features: [{name: '', enabled: 3, strategies: [5, {name: []}, {constraints: 5}]}]",
      of: .unleash)
    #expect(odd[""]?.refusal != nil)
    #expect(try feature("5").refusal?.contains("no list") == true)
    let unlisted = try feature(#"[{"name": "default", "constraints": {"a": 1}}]"#)
    #expect(unlisted.reach == .nobody && !unlisted.keepsPeople)
    let ids = (0..<20_000).map { "u\($0)" }.joined(separator: ",")
    let crowd = try feature(#"[{"name": "userWithId", "parameters": {"userIds": "\#(ids)"}}]"#)
    #expect(crowd.refusal?.contains("cohort") == true, "\(crowd.refusal ?? "")")
  }
}
