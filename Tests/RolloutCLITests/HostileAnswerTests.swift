import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// Answers no Rollout server would give, to the real command line: whatever comes, it ends with an
/// exit code and a sentence, never by a signal.
@Suite struct HostileAnswerTests {
  /// One command and the call of it whose answer is spoiled; its other calls get good ones.
  private struct Subject: Sendable {
    var words: [String]
    /// Begins the request line of the spoiled call.
    var call: String

    init(_ words: String, _ call: String) {
      self.words = words.split(separator: " ").map(String.init)
      self.call = call
    }
  }

  private let folder = TemporaryFolder()

  private var subjects: [Subject] {
    let plan = folder.write(
      #"{"feature":"f","stages":[{"name":"all","percent":100}]}"#, to: "plan.json")
    let users = folder.write("anna\nbob\n", to: "users.txt")
    let flags = folder.write(
      #"{"flags":{"g":{"state":"ENABLED","variants":{"on":true},"defaultVariant":"on"}}}"#,
      to: "flags.json")
    let lifecycle = [
      "start", "rollback", "pause", "resume", "approve", "kill", "complete", "archive",
      "unarchive", "restore",
    ].map { Subject("\($0) f --yes --reason r", "POST /v1/plans/f/\($0)") }
    return lifecycle + [
      Subject("ack f --yes --reason r", "POST /v1/plans/f/acknowledge"),
      Subject("advance f --yes", "GET /v1/plans/f "),
      Subject("advance f --yes", "POST /v1/plans/f/advance"),
      Subject("plan list", "GET /v1/plans"),
      Subject("watch f --until held --timeout 100ms", "GET /v1/plans/f "),
      Subject("plan show f", "GET /v1/plans/f "),
      Subject("plan show f", "GET /v1/plans/f/health"),
      Subject("plan show f --output json", "GET /v1/plans/f "),
      Subject("plan apply -f \(plan)", "GET /v1/plans/f "),
      Subject("plan apply -f \(plan)", "PUT /v1/plans/f"),
      Subject("plan diff -f \(plan)", "PUT /v1/plans/f"),
      Subject("plan diff -f \(plan)", "GET /v1/plans/f "),
      Subject("plan apply -f \(plan) --prune --yes", "GET /v1/plans"),
      Subject("plan apply -f \(plan) --prune --yes", "POST /v1/plans "),
      Subject("import flagd \(flags) --apply", "GET /v1/plans"),
      Subject("import flagd \(flags) --apply", "POST /v1/plans "),
      Subject("plan export f", "GET /v1/plans/f "),
      Subject("plan preview f", "GET /v1/plans/f/preview"),
      Subject("preview f --with g", "GET /v1/plans/f/preview"),
      Subject("preview f -f \(users)", "POST /v1/plans/f/preview"),
      Subject("plan backtest f", "POST /v1/plans/f/backtest"),
      Subject("history f --evidence", "GET /v1/plans/f/events"),
      Subject("why f --verbose", "GET /v1/plans/f/events"),
      Subject("why f", "GET /v1/plans/f/failures"),
      Subject("why f", "GET /v1/plans/f/series"),
      Subject("why f --output json", "GET /v1/plans/f/failures"),
      Subject("check f --user u", "GET /v1/features/f/decision"),
      Subject("cohort list", "GET /v1/cohorts"),
      Subject("cohort list beta", "GET /v1/cohorts/beta"),
      Subject("cohort add beta u", "PUT /v1/cohorts/beta/members/u"),
      Subject("cohort add beta u v", "POST /v1/cohorts/beta/members"),
      Subject("cohort list beta --output json", "GET /v1/cohorts/beta"),
      Subject("plan list --output yaml", "GET /v1/plans"),
      Subject("cohort remove beta u", "DELETE /v1/cohorts/beta/members/u"),
      Subject("cohort import beta \(users)", "POST /v1/cohorts/beta/members"),
      Subject("cohort delete beta --yes", "DELETE /v1/cohorts/beta"),
      Subject("jobs list --status failed", "GET /v1/jobs?"),
      Subject("jobs show j", "GET /v1/jobs/j"),
      Subject("jobs cancel j", "DELETE /v1/jobs/j"),
      Subject("captures list f", "GET /v1/captures"),
      Subject("captures delete f --yes", "DELETE /v1/captures"),
      Subject("history f --verify", "GET /v1/history/check"),
      Subject("token create --name n --scope view", "POST /v1/tokens"),
      Subject("token list", "GET /v1/tokens"),
      Subject("token revoke id", "DELETE /v1/tokens/id"),
      Subject("providers", "GET /v1/providers"),
      Subject("budget", "GET /v1/budgets"),
      Subject("audit", "GET /v1/audit"),
      Subject("budget accept --reason r", "POST /v1/budgets/accept"),
      Subject("__complete -- advance f", "GET /v1/plans"),
      Subject("__complete -- advance f --to a", "GET /v1/plans/f "),
      Subject("__complete -- cohort list b", "GET /v1/cohorts"),
      Subject("__complete -- token revoke i", "GET /v1/tokens"),
    ]
  }

  /// Commands that ask no server, or have no home to keep anything in; one whose answer is no JSON
  /// (`BackupTests`), and those that make a whole of many answers
  /// (`DoctorTests`, `PreviewTests`).
  private static let offline: Set<String> = [
    "completion", "login", "plan lint", "plan init", "plan schema", "backup", "demo", "doctor",
    "rehearse",
  ]

  // MARK: Good answers

  private static let plan = """
    {"feature":"f","description":"d","status":"active","stage":"beta","stage_index":0,\
    "stage_entered_at":"2026-11-23T10:00:00.000Z","hold":{"cause":"rollback","reason":"r",\
    "since":"2026-11-23T10:00:00.000Z","acknowledged_by":"token:anna",\
    "acknowledged_at":"2026-11-23T10:01:00.000Z"},"restore":{"to":"all","ready":true,\
    "ready_for":"anybody","waiting_on":["r"],"approvals":["bob"]},\
    "next":{"action":"advance","to":"all","ready":false,"ready_for":"anybody",\
    "waiting_on":["soak: 1 h left"],"warnings":["w"],"projection":{"stage":"all","growth":4,\
    "cost_usd_per_hour":1.5,"tokens_per_minute":10,"requests_per_minute":2,"now":\
    {"cost_usd_per_hour":1,"tokens_per_minute":5,"requests_per_minute":1},"exceeded":["e"],\
    "sentence":"s","cost_usd_per_hour_low":1,"cost_usd_per_hour_high":2,"cost_known":true,\
    "budgets":[{"budget":"b","window":"day","limit_usd":9,"share":0.5,"share_low":0.4,\
    "share_high":0.6,"sentence":"s"}],"assumes":"a"}},"warnings":["passed"],\
    "approvals":["anna"],"version":7,\
    "health":{"verdict":"failing","words":"w","sentence":"s"},"stages":[\
    {"name":"beta","percent":12.5,"cohort":"beta","rules":1,"approvals":2,"soak":"1d"},\
    {"name":"all","percent":100,"rules":0,"approvals":0,"soak":"0s"}],\
    "created_at":"2026-11-23T10:00:00.000Z","updated_at":"2026-11-23T10:00:00.000Z",\
    "durable":false,"degraded":"d","definition":{"feature":"f","stages":[]}}
    """

  private static let health = """
    {"feature":"f","stage":"beta","verdict":"failing","sentence":"s","guards":[\
    \(["error_rate", "latency_mean", "cost_per_request", "tokens_per_request", "prometheus"].map {
      """
      {"metric":"\($0)","limit":"5 %","action":"rollback","rate":0.5,"low":0.1,"high":0.9,\
      "requests":100,"errors":50,"affected_users":9,"effective_users":8.5,"score":1e20,\
      "threshold":1000000,"state":"firing","sentence":"s","healthy_evidence":1.5,\
      "comparison_score":2.5,"dry_run":true,"query":"q"}
      """
    }.joined(separator: ","))],"arms":{"treatment":\(arm),"control":\(arm)},"waiting_on":["w"],\
    "notes":["n"],"unattributed":3}
    """

  private static let arm = """
    {"requests":100,"failed":50,"share":0.5,"outcomes":{"ok":1},"feedback":{"up":1},\
    "latency_ms_p50":1.5,"latency_ms_p95":2.5,"latency_ms_p99":3.5,"input_tokens":1,\
    "output_tokens":2,"cost_usd":0.5}
    """

  private static let event = """
    {"id":1,"feature":"f","at":"2026-11-23T10:00:00.000Z","version":8,"type":"rolled_back",\
    "actor":"monitor","reason":"r","from":{"stage":"all","status":"active"},\
    "to":{"stage":"beta","status":"active"},"evidence":{"rate":0.5}}
    """

  private static let token = """
    {"id":"i","name":"n","scopes":["view"],"features":["f"],"token":"t",\
    "expires_at":"2027-11-23T10:00:00.000Z","last_used_at":"2026-11-23T10:00:00.000Z",\
    "created_at":"2026-11-23T10:00:00.000Z","revoked_at":null}
    """

  private static let provider = """
    {"name":"p","kind":"openai","keys":[{"name":"K","state":"limited","in_flight":1,\
    "requests":2}],"in_flight":1,"queued":2,"rejected":{"quota":3},"requests_per_minute":60.5,\
    "tokens_per_minute":1000.5,"requests":2,"failures":1,"models":[{"model":"m",\
    "breaker":"half_open","in_flight":1,"requests":2,"failures":1,"latency_ms_p50":1.5,\
    "latency_ms_p95":2.5,"latency_ms_p99":3.5}]}
    """

  private static let job = """
    {"job_id":"j","feature":"f","status":"cancelled","position":2,"attempts":1,\
    "created_at":"2026-11-23T10:00:00.000Z","started_at":"2026-11-23T10:00:01.000Z",\
    "finished_at":"2026-11-23T10:00:02.000Z","expires_at":"2026-11-24T10:00:00.000Z",\
    "result":{"content":"c"},"error":{"detail":"d"}}
    """

  /// The good answer to a request, by the start of its request line; the longest counts.
  private static let answers: [String: String] = [
    "POST /v1/plans ": #"{"plans":[\#(plan)],"next":null}"#,
    "GET /v1/plans?": #"{"plans":[\#(plan)],"next":null}"#,
    "GET /v1/plans/f ": plan,
    "GET /v1/overview": """
    {"at":"2026-11-23T10:00:00.000Z","counts":{"all":1,"needs_you":1,"waits":0,"goes_on":0,\
    "rests":0,"archived":0},"matching":1,"plans":[{"feature":"f","description":"d",\
    "attention":"needs_you","status":"active","stage":"beta","stage_index":0,"stages":[],\
    "hold":null,"next":null,"approvals":[],"automatic":false,"dry_run":false,"version":7,\
    "verdict":"failing","sentence":"s","limit":0.05,"now":{"requests":100,"failed":7,\
    "latency_ms_p95":812.5,"cost_usd_per_hour":1.5,"users":40},"last_day":\
    {"from":"2026-11-22T10:00:00.000Z","step_s":1800,"rates":[null,0.01,0.5]},\
    "last":\(event)}],"next":null}
    """,
    "POST /v1/plans/f/": plan,
    "PUT /v1/plans/f": plan,
    "PUT /v1/plans/f?dry_run": """
    {"changes":[{"path":"stages[0].percent","from":1,"to":[2]},{"path":"a","from":null,"to":{}}],\
    "joins_per_100000":5,"leaves_per_100000":6,"file":"sha256:0","approved_by":["anna"],"held":true}
    """,
    "GET /v1/plans/f/health": health,
    "GET /v1/plans/f/events": #"{"events":[\#(event)],"next":"1"}"#,
    "GET /v1/plans/f/failures": """
    {"from":"2026-11-23T09:45:00.000Z","to":"2026-11-23T10:02:00.000Z","step_s":10,"failures":[\
    {"at":"2026-11-23T10:00:00.000Z","arm":"treatment","kind":"timeout","provider":"p",\
    "model":"m","segment":null,"count":7}],"recent":[{"at":"2026-11-23T10:00:00.000Z",\
    "request_id":"r","arm":"treatment","kind":"timeout","provider":"p","model":"m","status":504,\
    "latency_ms":1500}],"next":null}
    """,
    "GET /v1/plans/f/series": """
    {"from":"2026-11-23T09:45:00.000Z","to":"2026-11-23T10:02:00.000Z","step_s":10,"marks":[],\
    "columns":["at","arm","requests","failed","degraded_fallback","p95_ms"],"rows":[\
    ["2026-11-23T10:00:00.000Z","treatment",10,7,1,812.5],\
    ["2026-11-23T10:00:00.000Z","control",10,0,0,null]]}
    """,
    "GET /v1/plans/f/preview": """
    {"feature":"f","stage":"all","served_per_100000":1,"joins_per_100000":2,\
    "leaves_per_100000":3,"members":4,"projection":{"stage":"all","growth":4,\
    "cost_usd_per_hour":1.5,"tokens_per_minute":10,"requests_per_minute":2,"now":\
    {"cost_usd_per_hour":1,"tokens_per_minute":5,"requests_per_minute":1},"exceeded":["e"],\
    "sentence":"s"},"population":{"about":9,"low":8,"high":10,"sentence":"p"},\
    "sizes":[{"stage":"beta","per_100000":1,"named":2,"users":{"about":3,"low":2,"high":4}},\
    {"stage":"all","per_100000":1,"named":0}],"notes":["n"],"overlap":{"feature":"g",\
    "stage":"all","nested":false,"both":{"per_100000":1,"named":2},\
    "only":{"per_100000":1,"named":2},"only_other":{"per_100000":1,"named":2},\
    "neither":{"per_100000":1,"named":2},"sentence":"o"}}
    """,
    "POST /v1/plans/f/preview": """
    {"feature":"f","stage":"all","plan_version":7,"stages":["beta","all"],\
    "users":[{"user":"anna","bucket":5,\
    "cohort":"beta","now":false,"then":true,"because":"b"}]}
    """,
    "POST /v1/plans/f/backtest": """
    {"feature":"f","stage":"beta","outcomes":100,"from":"2026-11-23T10:00:00.000Z",\
    "to":"2026-11-23T11:00:00.000Z","alarms":[{"at":"2026-11-23T10:30:00.000Z","guard":"g",\
    "sentence":"s","requests":5,"false_alarm":false,"users_spared":6}],"false_alarms":0,\
    "users_spared":6,"actual":[{"at":"2026-11-23T10:30:00.000Z","actor":"monitor",\
    "reason":"r"}],"not_replayed":["prometheus"]}
    """,
    "GET /v1/features/f/decision": """
    {"feature":"f","user":"u","enabled":true,"variant":"on","cohort":"beta","stage":"beta",\
    "bucket":5,"reason":"SPLIT","plan_version":7,"because":"b"}
    """,
    "GET /v1/cohorts": #"{"cohorts":[{"name":"beta","members":2}],"next":null}"#,
    "GET /v1/cohorts/beta": #"{"members":["anna","bob"],"next":null}"#,
    "PUT /v1/cohorts/": "{}",
    "DELETE /v1/cohorts/": "{}",
    "POST /v1/cohorts/beta/members":
      #"{"added":1,"already_members":1,"duplicates":0,"empty":0,"members":2}"#,
    "DELETE /v1/cohorts/beta": #"{"removed":2}"#,
    "GET /v1/jobs?": #"{"jobs":[\#(job)],"next":"1"}"#,
    "GET /v1/jobs/j": job,
    "DELETE /v1/jobs/j": job,
    "GET /v1/captures": """
    {"captures":[{"id":"1","request_id":"r","feature":"f","stage":"beta",\
    "at":"2026-11-23T10:00:00.000Z","expires_at":"2026-11-24T10:00:00.000Z","provider":"p",\
    "model":"m","prompt":"a","answer":"b","input_tokens":1,"output_tokens":2}],"next":null}
    """,
    "DELETE /v1/captures": "{}",
    "GET /v1/history/check": #"{"events":7,"intact":true,"first_broken":null}"#,
    "POST /v1/tokens": token,
    "GET /v1/tokens": #"{"tokens":[\#(token)],"next":null}"#,
    "DELETE /v1/tokens/": "{}",
    "GET /v1/providers": #"{"providers":[\#(provider)]}"#,
    "GET /v1/audit": """
    {"audit":[{"id":7,"at":"2026-11-23T10:00:00.000Z","last_at":"2026-11-23T10:30:00.000Z",\
    "type":"cohort_members_added","actor":"token:a","target":"beta","reason":"r",\
    "sentence":"let 5 users into the cohort beta","count":2,"users":5,"details":{"id":"i"}}],\
    "next":"7"}
    """,
    "GET /v1/budgets": """
    {"budgets":[{"name":"b","scope":"s","limit_usd":10.5,"spent_usd":1.5,"reserved_usd":0.5,\
    "window_start":"2026-11-23T10:00:00.000Z","window_end":"2026-11-24T10:00:00.000Z"}]}
    """,
  ]

  private static func good(_ request: String) -> String {
    answers.filter { request.hasPrefix($0.key) }.max { $0.key.count < $1.key.count }?.value ?? "{}"
  }

  // MARK: Spoiling

  private static let problem = """
    {"type":"about:blank","title":"t","status":409,"code":"stale_version","detail":"What to do.",\
    "plan":\(plan),"waiting_on":["w"],"hold":{"cause":"alert","reason":"r","since":"s"}}
    """

  private static let numbers = [
    "1e308", "-1e308", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "-1", "0", "0.5", "1e400",
  ]
  private static let texts = [
    "", "\u{1B}[2J\n\u{85}\u{9B}31m", String(repeating: "x", count: 100_000), "cost_per_request",
    "9999-99-99T99:99:99Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:60+23:59",
  ]
  private static let bodies = [
    "", "{", "[]", "null", "1", #"{"next":7}"#, "<html>no</html>",
    String(repeating: "[", count: 5000), #"{"plans":[],"events":[],"members":[],"next":"again"}"#,
  ]
  private static let wrong: [Document] = [
    .null, .string("7"), .int(7), .array([]), .object([:]), .bool(true), .double(1e300),
  ]

  /// Every number or every text of a document replaced.
  private static func replacing(
    _ document: Document, _ leaf: (Document) -> Document
  ) -> Document {
    switch document.value {
    case .array(let elements): .array(elements.map { replacing($0, leaf) })
    case .object(let members):
      Document(.object(members.map { .init(key: $0.key, value: replacing($0.value, leaf)) }))
    default: leaf(document)
    }
  }

  /// The document with one of its nodes replaced, or missing (nil): one for each node.
  private static func spoilt(_ document: Document, _ next: () -> Document?) -> [Document] {
    switch document.value {
    case .array(let elements):
      return elements.indices.flatMap { index -> [Document] in
        var whole = elements
        if let new = next() { whole[index] = new } else { whole.remove(at: index) }
        return [.array(whole)]
          + spoilt(elements[index], next).map { inner in
            var whole = elements
            whole[index] = inner
            return .array(whole)
          }
      }
    case .object(let members):
      return members.flatMap { member -> [Document] in
        var whole = document
        if let new = next() { whole.set(member.key, new) } else { whole.remove(member.key) }
        return [whole]
          + spoilt(member.value, next).map { inner in
            var whole = document
            whole.set(member.key, inner)
            return whole
          }
      }
    default: return []
    }
  }

  private static func variants(of text: String, everyNode: Bool) throws -> [String] {
    let document = try JSONReader.read(Array(text.utf8))
    var all = bodies
    for number in numbers {
      all.append(
        replacing(document) {
          if case .number = $0.value { Document(.number(number)) } else { $0 }
        }.jsonText)
    }
    for text in texts {
      all.append(replacing(document) { $0.string == nil ? $0 : .string(text) }.jsonText)
    }
    guard everyNode else { return all }
    var turn = 0
    let nodes = spoilt(document) {
      turn += 1
      let index = turn % (wrong.count + 1)
      return index == wrong.count ? nil : wrong[index]
    }
    return all + nodes.map(\.jsonText)
  }

  // MARK: Running

  private func check(
    _ subject: Subject, _ upstream: ScriptedUpstream, status: Int, _ body: String
  ) async throws {
    upstream.always { [call = subject.call] request in
      request.hasPrefix(call)
        ? [.answer(status, body)] : [.answer(200, Self.good(request), headers: "ETag: \"7\"\r\n")]
    }
    let finished = try await run(
      "rollout", subject.words, environment: ["ROLLOUT_URL": upstream.url])
    let context = Comment(
      rawValue: "\(subject.words) with \(status) \(body.prefix(2000)) to \(subject.call): "
        + "\(finished.status) \(finished.errors.prefix(2000))")
    #expect((0...6).contains(finished.status), context)
    let complaints = finished.errors.split(separator: "\n").filter { $0.hasPrefix("rollout: ") }
    #expect(complaints.count == (finished.status == 0 ? 0 : 1), context)
    #expect(complaints.allSatisfy { $0.count > 20 }, context)
    #expect(!finished.errors.contains("\u{1B}"), context)
    if !subject.words.contains("json") { #expect(!finished.output.contains("\u{1B}"), context) }
    if status >= 300 { #expect(finished.status != 0, context) }
  }

  /// The subjects, two at a time, each with its own server.
  private func forEach(
    _ body: @escaping @Sendable (Subject, ScriptedUpstream) async throws -> Void
  ) async throws {
    let all = subjects
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<2 {
        group.addTask {
          let upstream = ScriptedUpstream()
          for index in stride(from: worker, to: all.count, by: 2) {
            try await body(all[index], upstream)
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func `no answer ends a command by a signal or without a word`() async throws {
    try await forEach { subject, upstream in
      let isOneOfMany = subject.call.hasPrefix("POST /v1/plans/f/") && subject.words[0] != "plan"
      let good = Self.good(subject.call.hasSuffix("plans") ? subject.call + "?" : subject.call)
      for body in try Self.variants(of: good, everyNode: !isOneOfMany) {
        try await check(subject, upstream, status: 200, body)
      }
    }
  }

  @Test func `figures that cannot be read leave the list as it is without them`() async throws {
    let upstream = ScriptedUpstream()
    let good = Self.good("GET /v1/overview")
    for body in try Self.variants(of: good, everyNode: true) {
      upstream.always { request in
        [.answer(200, request.hasPrefix("GET /v1/overview") ? body : Self.good(request))]
      }
      let list = try await run(
        "rollout", ["plan", "list"], environment: ["ROLLOUT_URL": upstream.url])
      let context = Comment(rawValue: "\(body.prefix(2000)): \(list.output)\(list.errors)")
      #expect(list.status == 0 && list.output.hasPrefix("ROLLOUT  STATE"), context)
      #expect(!list.output.contains("\u{1B}"), context)
    }
  }

  @Test func `a refusal that cannot be read has its exit code all the same`() async throws {
    let refusals = try Self.variants(of: Self.problem, everyNode: false)
    try await forEach { subject, upstream in
      for (status, code) in [(302, 1), (400, 1), (401, 5), (403, 5), (409, 4), (428, 4), (503, 1)] {
        upstream.always { [call = subject.call] request in
          request.hasPrefix(call) ? [.answer(status, "")] : [.answer(200, Self.good(request))]
        }
        let finished = try await run(
          "rollout", subject.words, environment: ["ROLLOUT_URL": upstream.url])
        #expect(finished.status == code, "\(subject) \(status): \(finished.errors)")
        #expect(finished.errors.contains("rollout: The server answered \(status)."))
      }
      // Their reader is the same for all.
      guard subject.words[0] == "advance" || subject.words[0] == "providers" else { return }
      for body in refusals { try await check(subject, upstream, status: 409, body) }
    }
  }

  @Test func `good answers to all of them succeed, and no command is missing here`() async throws {
    try await forEach { subject, upstream in
      upstream.always { [.answer(200, Self.good($0), headers: "ETag: \"7\"\r\n")] }
      let finished = try await run(
        "rollout", subject.words, environment: ["ROLLOUT_URL": upstream.url])
      #expect(finished.status == 0, "\(subject.words): \(finished.errors)")
      #expect(upstream.requests.contains { $0.hasPrefix(subject.call) }, "\(subject)")
    }
    let help = try await run("rollout", ["--help"]).output
    // What is further in goes on with the line before.
    let listed = help.split(separator: "\n").filter { line in
      line.hasPrefix("  ") && line.dropFirst(2).first != " "
    }.map { line in
      line.trimmingCharacters(in: .whitespaces).components(separatedBy: "  ")[0]
        .split(separator: " ").prefix { $0.allSatisfy(\.isLowercase) }.joined(separator: " ")
    }
    let known = subjects.map { $0.words.joined(separator: " ") }
    for name in listed where !Self.offline.contains(name) {
      #expect(
        known.contains { $0.hasPrefix(name + " ") || $0 == name },
        "rollout \(name) is not among the subjects of this test; add it, with a good answer")
    }
    #expect(listed.count > 20)
  }
}
