import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// What people read: words instead of the names that programs use, in lines that fit.
@Suite struct WordsTests {
  private static let verdicts = [
    "not_serving": "off", "unavailable": "nothing heard", "inconclusive": "gathering",
    "healthy": "well", "investigate": "worth a look", "pending": "going bad",
    "failing": "failing",
  ]
  private static let causes = [
    "rollback": "after a step back", "alert": "after an alert", "outage": "for an outage",
    "investigate": "to be looked at", "no_traffic": "for want of traffic",
    "manual": "by a person",
  ]

  private static let briefly = [
    "rollback": "held ", "alert": "held by alert", "outage": "held, outage",
    "investigate": "held, look", "no_traffic": "held, silent", "manual": "held by hand",
  ]

  private static func plan(hold: String?, seen: Bool = false, long: Bool = false) -> String {
    let hold = hold.map { cause in
      let by =
        seen ? #","acknowledged_by":"token:anna","acknowledged_at":"2026-11-24T03:12:00.000Z""# : ""
      return
        #"{"cause":"\#(cause)","reason":"the last 14 requests all failed, for 14 people, limit 5 %","since":"2026-11-24T03:09:00.000Z"\#(by)}"#
    }
    let name = long ? String(repeating: "x", count: 128) : "beta"
    return """
      {"feature":"\(long ? String(repeating: "long-name-", count: 12) : "ai-summary")",\
      "description":"AI summaries in search","status":"active","stage":"\(name)","stage_index":0,\
      "hold":\(hold ?? "null"),"next":{"action":"advance","to":"25","ready":false,"waiting_on":[\
      "healthy evidence: 41 of 77 samples, and a sentence that is much longer than any terminal that people have"],\
      "warnings":[]},"restore":{"to":"50","ready":false,"waiting_on":["healthy evidence: 41 of 77 samples"],\
      "approvals":[]},"approvals":[],"version":14,"stages":[{"name":"\(name)","percent":5,\
      "rules":0,"approvals":0,"soak":"0s"},{"name":"25","percent":25,"rules":0,"approvals":0,\
      "soak":"1d"}],"created_at":"2026-11-24T03:09:00.000Z","updated_at":"2026-11-24T03:09:00.000Z",\
      "definition":{"feature":"f"}}
      """
  }

  private static func health(_ verdict: String) -> String {
    let arm = """
      {"requests":512,"failed":3,"share":0.5,"outcomes":{},"feedback":{},"latency_ms_p50":812.4,\
      "latency_ms_p95":3210,"latency_ms_p99":6400,"input_tokens":0,"output_tokens":0,"cost_usd":0}
      """
    return """
      {"feature":"ai-summary","stage":"beta","verdict":"\(verdict)","sentence":"What is to be said.",\
      "guards":[{"metric":"latency_p95","limit":"5s","action":"rollback","rate":0.02,"low":0.01,\
      "high":0.04,"requests":500,"errors":10,"affected_users":9,"effective_users":8.5,"score":12.3,\
      "threshold":10000,"state":"quiet",\
      "sentence":"latency_p95: p95 3.21 s over the last 500 requests, under the limit of 5 s."}],\
      "arms":{"treatment":\(arm),"control":\(arm)},"waiting_on":[],"notes":[]}
      """
  }

  private static let event = """
    {"id":3,"feature":"ai-summary","at":"2026-11-24T03:09:00.000Z","version":3,"type":"rolled_back",\
    "actor":"monitor","reason":"the last 14 requests all failed, for 14 people, limit 5 %, and more \
    than a line can hold","from":{"stage":"beta","status":"active"},"to":{"stage":"internal",\
    "status":"active"}}
    """

  private func show(
    _ words: String..., plan: String, health: String, environment: [String: String] = [:]
  ) async throws -> String {
    let upstream = ScriptedUpstream()
    upstream.always { request in
      if request.hasPrefix("GET /v1/plans?") {
        return [.answer(200, #"{"plans":[\#(plan)],"next":null}"#)]
      }
      if request.hasPrefix("GET /v1/plans/ai-summary/events") {
        return [.answer(200, #"{"events":[\#(Self.event)],"next":null}"#)]
      }
      return [.answer(200, request.contains("/health ") ? health : plan)]
    }
    let finished = try await run(
      "rollout", words,
      environment: ["ROLLOUT_URL": upstream.url, "TZ": "UTC"].merging(environment) { $1 })
    #expect(finished.status == 0, "\(finished.errors)")
    return finished.output
  }

  /// A command stays in one line, so that it can be copied.
  private func fits(_ text: String) -> Bool {
    text.split(separator: "\n").allSatisfy {
      $0.count <= 80 || $0.hasPrefix("Next: rollout ") || $0.contains(" you: rollout ")
    }
  }

  @Test func `the page of a plan reads as people speak`() async throws {
    let page = try await show(
      "plan", "show", "ai-summary", plan: Self.plan(hold: "rollback", seen: true),
      health: Self.health("inconclusive"))
    let lines = page.replacing(#/\d+ days ago/#, with: "N days ago")
    #expect(
      lines == """
        ai-summary  held after a step back, at beta  version 14
        AI summaries in search

          ▶ beta  5 %
          · 25    25 %, soak 1d

        held        after a step back, N days ago (2026-11-24 03:09:00 UTC)
                    the last 14 requests all failed, for 14 people, limit 5 %
                    seen by anna, N days ago (2026-11-24 03:12:00 UTC)
        next        advance to 25, waits on
                    ◷ healthy evidence: 41 of 77 samples, and a sentence that is much
                      longer than any terminal that people have
        way back    restore to 50, waits on
                    ◷ healthy evidence: 41 of 77 samples
        health      gathering: What is to be said.
                    - latency_p95: p95 3.21 s over the last 500 requests, under the
                      limit of 5 s.
        outcomes    512 with the feature (3 bad), 512 without (3 bad)
        latency     about: p50 810 ms, p95 3.2 s, p99 6.4 s

        Next: rollout why ai-summary

        """)
  }

  @Test func `what is ready says for whom, and what to type`() async throws {
    let waits =
      #""ready":false,"waiting_on":["healthy evidence: 41 of 77 samples, and a sentence that is much longer than any terminal that people have"]"#
    let plan = Self.plan(hold: nil).replacing(
      waits, with: #""ready":true,"ready_for":"anybody but anna, who approved","waiting_on":[]"#)
    let page = try await show(
      "plan", "show", "ai-summary", plan: plan, health: Self.health("healthy"))
    #expect(
      page.contains("next        advance to 25, ready for anybody but anna, who approved\n"),
      "\(page)")
    #expect(page.hasSuffix("\n\nNext: rollout advance ai-summary\n"), "\(page)")
  }

  @Test func `a killed plan says so before what it is held for, and no guard of it acts`()
    async throws
  {
    for status in ["killed", "paused"] {
      let plan = Self.plan(hold: "alert").replacing(
        #""status":"active""#, with: #""status":"\#(status)""#)
      let page = try await show(
        "plan", "show", "ai-summary", plan: plan, health: Self.health("not_serving"))
      #expect(page.hasPrefix("ai-summary  \(status), held after an alert, at beta"), "\(page)")
      #expect(!page.contains("latency_p95: "), "\(page)")
    }
  }

  @Test func `scores are shown to those who ask for them`() async throws {
    let (plan, health) = (Self.plan(hold: nil), Self.health("healthy"))
    #expect(
      try await !show("plan", "show", "ai-summary", plan: plan, health: health).contains("score"))
    for option in ["-v", "--verbose"] {
      let page = try await show("plan", "show", "ai-summary", option, plan: plan, health: health)
      let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(words.contains("10 bad of 500, 9 users; score 12.3 of 10000"), "\(page)")
    }
  }

  @Test func `no name of a program stands in any page, and JSON keeps them all`() async throws {
    for (name, words) in Self.verdicts {
      let page = try await show(
        "plan", "show", "ai-summary", plan: Self.plan(hold: nil), health: Self.health(name))
      #expect(page.contains("health      \(words): What is to be said."), "\(page)")
      #expect(name == "failing" || !page.contains(" \(name)\n") && !page.contains("_serving"))
    }
    for (name, words) in Self.causes {
      let plan = Self.plan(hold: name)
      let page = try await show(
        "plan", "show", "ai-summary", plan: plan, health: Self.health("healthy"))
      #expect(page.contains("held        \(words), "), "\(page)")
      #expect(!page.contains("no_traffic"))
      let list = try await show("plan", "list", plan: plan, health: "")
      let brief = try #require(Self.briefly[name])
      #expect(list.contains("ai-summary  \(brief)"), "\(list)")
      let json = try await show(
        "plan", "show", "ai-summary", "--output", "json", plan: plan, health: "")
      #expect(
        try JSONReader.read(Array(json.utf8))["hold"]?["cause"]?.string == name, "\(json)")
      #expect(fits(page) && fits(list), "\(page)\(list)")
    }
  }

  @Test func `lines fit into 80 columns, whatever the names`() async throws {
    for hold in [nil, "rollback"] {
      let plan = Self.plan(hold: hold, long: true)
      for words in [["plan", "show", "ai-summary"], ["plan", "list"]] {
        let page =
          words.count == 2
          ? try await show("plan", "list", plan: plan, health: "")
          : try await show("plan", "show", "ai-summary", plan: plan, health: Self.health("failing"))
        #expect(fits(page), "\(page)")
      }
    }
  }

  @Test func `history has each reason under its line, in the reader's time`() async throws {
    let page = try await show(
      "history", "ai-summary", plan: "", health: "", environment: ["TZ": "CET-1"])
    #expect(
      page == """
        VERSION  TIME                     WHAT         FROM → TO        WHO
        3        2026-11-24 04:09:00 CET  rolled back  beta → internal  monitor
                 the last 14 requests all failed, for 14 people, limit 5 %, and more
                 than a line can hold

        """)
  }

  @Test func `the list begins with those that need somebody`() async throws {
    let upstream = ScriptedUpstream()
    func named(_ name: String, _ plan: String) -> String {
      plan.replacing("ai-summary", with: name)
    }
    let plans = [
      named("a-gathers", Self.plan(hold: nil)),
      named("b-killed", Self.plan(hold: nil).replacing(#""active""#, with: #""killed""#)),
      named("c-seen", Self.plan(hold: "alert", seen: true)),
      named("d-held", Self.plan(hold: "rollback")),
    ]
    upstream.always { _ in
      [.answer(200, #"{"plans":[\#(plans.joined(separator: ","))],"next":null}"#)]
    }
    let finished = try await run(
      "rollout", ["plan", "list"], environment: ["ROLLOUT_URL": upstream.url])
    #expect(
      finished.output == """
        ROLLOUT    STATE         HAVE IT  NEXT
        d-held     held              5 %  acknowledge
        c-seen     cooling down      5 %  41 of 77 clean
        a-gathers  gathering         5 %  25 %: 41 of 77 clean
        b-killed   killed         nobody  25 %: 41 of 77 clean

        1 needs you: rollout plan show d-held

        """, "\(finished.output)")
  }
}
