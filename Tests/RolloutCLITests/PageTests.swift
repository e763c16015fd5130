import RolloutTesting
import Testing

/// What people read of plans that stand still: who stopped them, until when they answer, and what
/// to do.
@Suite struct PageTests {
  private static func plan(
    _ status: String, more: String = "", next: String = "null", hold: String = "null"
  ) -> String {
    """
    {"feature":"ai-summary","description":"","status":"\(status)","stage":"beta","stage_index":0,\
    "hold":\(hold),"next":\(next),"approvals":[],"version":14,\(more)"stages":[{"name":"beta",\
    "percent":100,"rules":0,"approvals":0,"soak":"0s"}],"created_at":"2026-11-24T03:09:00.000Z",\
    "updated_at":"2026-11-24T03:09:00.000Z","definition":{"feature":"f"}}
    """
  }

  private static let resume =
    #"{"action":"resume","to":"beta","ready":true,"waiting_on":[],"warnings":[]}"#

  private static func waits(_ gate: String) -> String {
    #"{"action":"advance","to":"25","ready":false,"waiting_on":["\#(gate)"],"warnings":[]}"#
  }

  private static func health(_ state: String) -> String {
    let arm = """
      {"requests":9,"failed":3,"share":0.5,"outcomes":{},"feedback":{},"latency_ms_p50":3,\
      "latency_ms_p95":25600,"latency_ms_p99":25600,"input_tokens":0,"output_tokens":0,"cost_usd":0}
      """
    return """
      {"feature":"ai-summary","stage":"beta","verdict":"failing","sentence":"Said.",\
      "guards":[{"metric":"error_rate","limit":"5 %","action":"pause","requests":500,"errors":10,\
      "affected_users":9,"effective_users":8.5,"score":12.3,"threshold":10000,\
      "state":"\(state)","sentence":"error_rate: bad."}],\
      "arms":{"treatment":\(arm),"control":\(arm)},"waiting_on":[],"notes":[]}
      """
  }

  private static func event(_ type: String, by actor: String, _ reason: String) -> String {
    """
    {"id":3,"feature":"ai-summary","at":"2026-11-24T03:09:00.000Z","version":3,"type":"\(type)",\
    "actor":"\(actor)","reason":"\(reason)","from":{"stage":"beta","status":"active"},\
    "to":{"stage":"beta","status":"active"},"evidence":{"sentence":"error_rate: bad."}}
    """
  }

  private static let failures = """
    {"feature":"ai-summary","from":"2026-11-24T03:09:00.000Z","to":"2026-11-24T03:19:00.000Z",\
    "failures":[{"at":"2026-11-24T03:09:00.000Z","arm":"treatment",\
    "kind":"\(String(repeating: "upstream_", count: 9))","provider":"openai",\
    "model":"gpt-4o-mini","segment":null,"count":4}],\
    "recent":[{"at":"2026-11-24T03:09:00.000Z","arm":"treatment",\
    "kind":"timeout","status":504,"latency_ms":25600,"provider":"openai","model":"gpt-4o-mini",\
    "request_id":"req_0123456789abcdef01234567_0123456789ab"}],\
    "step_s":10,"next":null}
    """
  private static let series = """
    {"feature":"ai-summary","from":"2026-11-24T03:09:00.000Z","to":"2026-11-24T03:19:00.000Z",\
    "step_s":10,"marks":[],"columns":[],"rows":[]}
    """

  private func shown(
    _ words: String..., plan: String, events: [String] = [], state: String = "quiet"
  ) async throws -> String {
    let upstream = ScriptedUpstream()
    upstream.always { request in
      if request.hasPrefix("GET /v1/plans?") {
        return [.answer(200, #"{"plans":[\#(plan)],"next":null}"#)]
      }
      if request.contains("/events") {
        return [.answer(200, #"{"events":[\#(events.joined(separator: ","))],"next":null}"#)]
      }
      if request.contains("/failures") { return [.answer(200, Self.failures)] }
      if request.contains("/series") { return [.answer(200, Self.series)] }
      return [.answer(200, request.contains("/health ") ? Self.health(state) : plan)]
    }
    let finished = try await run(
      "rollout", words, environment: ["ROLLOUT_URL": upstream.url, "TZ": "UTC"])
    #expect(finished.status == 0, "\(finished.errors)")
    return finished.output
  }

  @Test func `an archived plan that still answers says until when, and how it comes back`()
    async throws
  {
    let plan = Self.plan("archived", more: #""answers_until":"2026-12-01T03:09:00.000Z","#)
    let list = try await shown("plan", "list", plan: plan)
    #expect(list.contains("100 %") && !list.contains("nobody"), "\(list)")
    #expect(list.contains("off from "), "\(list)")
    let page = try await shown("plan", "show", "ai-summary", plan: plan)
    #expect(page.contains("answers as before until 2026-12-01 03:09:00 UTC"), "\(page)")
    let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("rollout unarchive ai-summary"), "\(page)")
  }

  @Test func `a plan that its own guard paused needs somebody, and is not offered to go on`()
    async throws
  {
    let plan = Self.plan("paused", next: Self.resume)
    let byGuard = [Self.event("paused", by: "monitor", "error_rate: 9 of 10 failed.")]
    let list = try await shown("plan", "list", plan: plan, events: byGuard)
    #expect(list.contains("paused by its guard"), "\(list)")
    #expect(list.contains("1 needs you: rollout plan show ai-summary"), "\(list)")
    let byAlert = [Self.event("paused", by: "alert:HighErrorRate", "error rate is high")]
    let alerted = try await shown("plan", "list", plan: plan, events: byAlert)
    #expect(alerted.contains("paused by an alert"), "\(alerted)")
    let firing = try await shown(
      "plan", "show", "ai-summary", plan: plan, events: byGuard, state: "firing")
    #expect(firing.contains("paused      by monitor, "), "\(firing)")
    #expect(firing.contains("error_rate: 9 of 10 failed."), "\(firing)")
    #expect(!firing.contains("rollout resume") && !firing.contains("ready"), "\(firing)")
    #expect(firing.hasSuffix("\n\nNext: rollout why ai-summary\n"), "\(firing)")
    let lunch = [Self.event("paused", by: "token:anna", "lunch")]
    let calm = try await shown("plan", "show", "ai-summary", plan: plan, events: lunch)
    #expect(calm.contains("paused      by anna, "), "\(calm)")
    #expect(calm.hasSuffix("\n\nNext: rollout resume ai-summary\n"), "\(calm)")
    let others = try await shown("plan", "list", plan: plan, events: lunch)
    #expect(!others.contains("needs you"), "\(others)")
  }

  @Test func `why tells the last thing that went wrong, whose fault it was, within 80 columns`()
    async throws
  {
    let reason = "shared outage: provider openai does not answer a neutral question either."
    let events = [
      Self.event("paused", by: "token:anna", "lunch"), Self.event("held", by: "monitor", reason),
    ]
    let page = try await shown("why", "ai-summary", plan: Self.plan("paused"), events: events)
    let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("does not answer a neutral question either."), "\(page)")
    #expect(!page.contains("lunch"), "\(page)")
    #expect(words.contains("req_0123456789abcdef01234567_0123456789ab"), "\(page)")
    #expect(page.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(page)")
    let only = try await shown(
      "why", "ai-summary", plan: Self.plan("paused"), events: [events[0]])
    #expect(only.contains("paused at beta"), "\(only)")
  }

  @Test(
    arguments: [
      ("healthy evidence: 41 of 77 samples", "gathering", "why"),
      ("healthy evidence: no guard watches this plan", "unwatched", "why"),
      ("healthy evidence: latency_mean is not below its limit", "not well", "why"),
      ("error_rate: 9 of the last 10 requests failed.", "not well", "why"),
      (
        "healthy evidence: the guards of this plan only tell, and none acts", "nothing acts", "why"
      ),
      (
        "cost_per_request: no outcome carries cost_usd; report it or remove the guard. Unavailable "
          + "is not healthy.", "a guard is unfed", "why"
      ),
      ("approval: 1 more person must approve", "waits for approval", "approve"),
    ])
  func `what is waited for has its word, and a command to go on with`(
    gate: String, word: String, command: String
  ) async throws {
    let plan = Self.plan("active", next: Self.waits(gate))
    let list = try await shown("plan", "list", plan: plan)
    #expect(list.contains("ai-summary  \(word) "), "\(list)")
    let page = try await shown("plan", "show", "ai-summary", plan: plan)
    #expect(page.hasSuffix("\n\nNext: rollout \(command) ai-summary\n"), "\(page)")
    #expect(page.contains("about: p50 3 ms, p95 26 s, p99 26 s"), "\(page)")
  }

  @Test(
    arguments: [
      (
        "failing", "over a limit (only told)", "healthy evidence: 41 of 77 samples",
        "over a limit (only told) "
      ),
      ("failing", "failing", "soak: 1 h left", "soaking, failing "),
      ("pending", "going bad", "error_rate: 9 of the last 10 requests failed.", "going bad "),
      (
        "unavailable", "nothing heard", "approval: 1 more person must approve",
        "waits for approval, nothing"
      ),
      ("healthy", "well", "healthy evidence: 41 of 77 samples", "gathering "),
      ("inconclusive", "gathering", "soak: 1 h left", "soaking "),
    ])
  func `the state of a plan says how its feature does`(
    verdict: String, words: String, gate: String, state: String
  ) async throws {
    let health = #""health":{"verdict":"\#(verdict)","words":"\#(words)","sentence":"Said."},"#
    let plan = Self.plan("active", more: health, next: Self.waits(gate))
    let list = try await shown("plan", "list", plan: plan)
    #expect(list.contains("ai-summary  \(state)"), "\(list)")
    let page = try await shown("plan", "show", "ai-summary", plan: plan)
    #expect(page.contains("health      \(words): Said."), "\(page)")
  }

  @Test func `a plan that is unwell comes before those that only wait`() async throws {
    let upstream = ScriptedUpstream()
    let sick = #""health":{"verdict":"failing","words":"failing","sentence":"Said."},"#
    let gate = Self.waits("healthy evidence: 41 of 77 samples")
    let plans = [
      ("a-gathers", Self.plan("active", next: gate)),
      ("b-sick", Self.plan("completed", more: sick)),
      ("c-sick", Self.plan("active", more: sick, next: gate)),
    ].map { $1.replacing("ai-summary", with: $0) }
    upstream.always { _ in
      [.answer(200, #"{"plans":[\#(plans.joined(separator: ","))],"next":null}"#)]
    }
    let list = try await run(
      "rollout", ["plan", "list"], environment: ["ROLLOUT_URL": upstream.url])
    #expect(
      list.output == """
        ROLLOUT    STATE               HAVE IT  NEXT
        b-sick     completed, failing    100 %
        c-sick     failing               100 %  25: 41 of 77 clean
        a-gathers  gathering             100 %  25: 41 of 77 clean

        2 need you: rollout plan show b-sick

        """, "\(list.output)")
  }

  @Test func `a plan whose automation is off until somebody advances it needs them`() async throws {
    let gate = "automatic advance: off after two rollbacks in a day"
    let list = try await shown(
      "plan", "list", plan: Self.plan("active", next: Self.waits(gate)))
    #expect(list.contains("1 needs you"), "\(list)")
  }
}
