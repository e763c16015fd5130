import DocumentKit
import PlatformKit
import RolloutAPI
import RolloutCore

/// `rollout rehearse FEATURE`
enum RehearseCommand {
  static let command = Subcommand(
    "rehearse", ["FEATURE"], "its route under the load of a launch, before the launch",
    options: [
      .init("--users", "N", "so many made-up people (default 100)"),
      .init("--for", "60s", "for so long (default 30s)"),
      .init("--rate", "N", "requests a second, of all together (default: one per 10 users)"),
      .init("--prompt", "TEXT", "what they ask (default: a short sentence)"),
      .init("--max-cost", "USD", "stop once so much is spent (default 1)"),
      .init("--yes", nil, "do not ask before real providers are called"),
    ],
    examples: [
      "rollout rehearse ai-summary --users 500 --for 60s",
      "rollout rehearse ai-summary --rate 20 --max-cost 0.50 --yes",
    ]
  ) { session in
    var rehearsal = try Rehearsal(session)
    try await rehearsal.run()
  }
}

/// Synthetic users who ask a copy of the feature, which all of them have: its route, fallback and
/// guards are the feature's, nothing is counted for the feature, and no guard of the copy acts.
private struct Rehearsal {
  private static let inFlightMax = 200
  private static let suffix = "-rehearsal"

  /// What one request met with.
  private struct Result: Sendable {
    var status: Int
    var milliseconds: Int
    var servedBy = ""
    var reason = ""
    var tokens = 0
    var dollars = 0.0
  }

  private let session: Session
  private let feature: String
  private let copy: String
  private let users: Int
  private let seconds: Int
  private let rate: Int
  private let dollarsMax: Double
  private var results: [Result] = []

  init(_ session: Session) throws {
    self.session = session
    feature = session.operand(0)
    copy = feature + Self.suffix
    users = try Self.number("--users", session, 100, 1...100_000)
    rate = try Self.number("--rate", session, max(1, users / 10), 1...1000)
    let text = session.arguments.value("--for") ?? "30s"
    guard let span = TimeSpan(text), span >= .seconds(1), span <= .hours(1) else {
      throw CLIFailure(.usage, "--for is from 1s to 1h, not \(text).")
    }
    seconds = Int(span.milliseconds / 1000)
    let cost = session.arguments.value("--max-cost") ?? "1"
    guard let dollars = Double(cost), dollars > 0, dollars.isFinite else {
      throw CLIFailure(.usage, "--max-cost is an amount in dollars such as 0.50, not \(cost).")
    }
    dollarsMax = dollars
  }

  private static func number(
    _ name: String, _ session: Session, _ usual: Int, _ range: ClosedRange<Int>
  ) throws -> Int {
    guard let text = session.arguments.value(name) else { return usual }
    guard let number = Int(text), range.contains(number) else {
      throw CLIFailure(
        .usage, "\(name) is from \(range.lowerBound) to \(range.upperBound), not \(text).")
    }
    return number
  }

  mutating func run() async throws {
    let plan = try await session.get(PlanView.self, APIPath.plan(feature))
    guard plan.definition["route"] != nil else {
      throw CLIFailure(.conflict, "\(feature) has no route: there is nothing to be asked.")
    }
    try await consent()
    try await begin(plan)
    do { try await ask() } catch {
      try? await putAway()
      throw error
    }
    let health = try await session.get(HealthView.self, APIPath.health(copy))
    try await putAway()
    tell(plan, health)
  }

  /// Real providers cost money: somebody must want that.
  private func consent() async throws {
    let list = try await session.get(ProviderList.self, "/v1/providers")
    let real = list.providers.filter { $0.kind != "echo" }.map { clean($0.name) }
    guard !real.isEmpty, !session.arguments.has("--yes") else { return }
    try session.terminal.confirm(
      "This may call \(real.joined(separator: ", ")) and spend up to \(Figures.money(dollarsMax)). "
        + "Go on?")
  }

  // MARK: The copy

  private func begin(_ plan: PlanView) async throws {
    var definition = plan.definition
    for name in ["salt", "bucketing", "eligible", "force_on", "force_off", "holdout", "values"] {
      definition.remove(name)
    }
    definition.set("feature", .string(copy))
    definition.set("description", .string("A rehearsal of \(feature)"))
    definition.set("dry_run", .bool(true))
    definition.set("advance", .string("manual"))
    let stage = Document.object(["name": .string("all"), "percent": .int(100)])
    definition.set("stages", .array([stage]))
    let found = try await session.exchange("GET", APIPath.plan(copy))
    var headers = [(name: "if-none-match", value: "*")]
    if found.status == 200 {
      let old = try session.decode(PlanView.self, found)
      guard old.description == "A rehearsal of \(feature)" else {
        throw CLIFailure(.conflict, "\(copy) is a rollout of somebody's; archive it first.")
      }
      var version = old.version
      if old.status == "archived" { version = try await command("unarchive").version }
      headers = [("if-match", "\"\(version)\"")]
    }
    _ = try await session.send(
      "PUT", APIPath.plan(copy), body: definition.json, headers: headers)
    let now = try await session.get(PlanView.self, APIPath.plan(copy))
    if now.status == "draft" { try await command("start") }
    if now.status == "killed" { try await command("resume") }
  }

  @discardableResult
  private func command(_ name: String) async throws -> PlanView {
    let now = try await session.get(PlanView.self, APIPath.plan(copy))
    let body = CommandBody(
      reason: "a rehearsal of \(feature)", confirm: name == "archive" ? copy : nil)
    let answer = try await session.send(
      "POST", APIPath.command(copy, name), body: try WireEncoder.json(body),
      headers: [("if-match", "\"\(now.version)\"")])
    return try session.decode(PlanView.self, answer)
  }

  private func putAway() async throws {
    try await command("kill")
    try await command("archive")
  }

  // MARK: Asking

  private mutating func ask() async throws {
    let total = rate.multiplied(by: seconds)
    let began = MachineClock.now
    let clock = MachineClock()
    let bar = ProgressBar(session.terminal, total: total)
    let (session, copy) = (session, copy)
    let prompt = session.arguments.value("--prompt") ?? "Say in one sentence what a rollout is."
    var spent = 0.0
    var all: [Result] = []
    try await withThrowingTaskGroup(of: Result.self) { group in
      var (sent, open) = (0, 0)
      func take(_ result: Result) {
        open -= 1
        spent += result.dollars
        all.append(result)
      }
      while sent < total, spent < dollarsMax {
        let due = began.after(milliseconds: sent * 1000 / rate)
        let wait = due.milliseconds(since: MachineClock.now)
        if wait > 0 { try await clock.sleep(milliseconds: wait) }
        let user = "rehearsal-\(sent % users)"
        group.addTask { try await Self.request(user, prompt, copy, session) }
        (sent, open) = (sent + 1, open + 1)
        while open >= Self.inFlightMax, let result = try await group.next() { take(result) }
        if sent % max(1, rate) == 0 {
          // What is answered is counted, so that spending ends in time.
          while open > rate, let result = try await group.next() { take(result) }
          bar.show(sent)
        }
      }
      while let result = try await group.next() { take(result) }
    }
    bar.end()
    results = all
  }

  private static func request(
    _ user: String, _ prompt: String, _ feature: String, _ session: Session
  ) async throws -> Result {
    let body = Document.object(["user": .string(user), "prompt": .string(prompt)])
    let began = MachineClock.now
    let answer = try await session.exchange(
      "POST", "/v1/features/\(APIPath.segment(feature))/complete", body: body.json)
    var result = Result(
      status: answer.status, milliseconds: MachineClock.now.milliseconds(since: began))
    let document = (try? session.document(answer)) ?? .null
    // A token that may not is no result of the route.
    if answer.status == 401 || answer.status == 403 { throw session.failure(answer) }
    result.servedBy = document["served_by"]?.string ?? ""
    result.reason = document["reason"]?.string ?? document["code"]?.string ?? ""
    let usage = document["usage"]
    result.tokens = (usage?["prompt_tokens"]?.int ?? usage?["input_tokens"]?.int ?? 0)
      .adding(usage?["completion_tokens"]?.int ?? usage?["output_tokens"]?.int ?? 0)
    result.dollars = document["cost_usd"]?.double ?? 0
    return result
  }

  // MARK: Telling

  private func tell(_ plan: PlanView, _ health: HealthView) {
    let times = results.map(\.milliseconds).sorted()
    func quantile(_ part: Double) -> Double {
      times.isEmpty ? 0 : Double(times[min(times.count - 1, Int(part * Double(times.count)))])
    }
    let good = results.filter { $0.status == 200 && $0.servedBy != "fallback" }
    let fallback = results.filter { $0.status == 200 && $0.servedBy == "fallback" }
    let failed = results.filter { $0.status != 200 }
    let dollars = results.reduce(0) { $0 + $1.dollars }
    let tokens = results.reduce(0) { $0.adding($1.tokens) }
    let count = max(1, results.count)
    if session.printsJSON {
      return session.terminal.print(
        .object([
          "feature": .string(feature), "requests": .int(results.count),
          "answered": .int(good.count), "fallback": .int(fallback.count),
          "failed": .int(failed.count), "p50_ms": .double(quantile(0.5)),
          "p95_ms": .double(quantile(0.95)), "p99_ms": .double(quantile(0.99)),
          "tokens": .int(tokens), "cost_usd": .double(dollars),
          "guards": .array(health.guards.map { .string($0.sentence) }),
        ]))
    }
    let terminal = session.terminal
    let head =
      "\(clean(feature))  \(results.count) \(results.count == 1 ? "request" : "requests") of \(Figures.people(users)), \(rate) a second"
    var lines = [terminal.style(head, .bold), ""]
    let share = Figures.share(Double(good.count) / Double(count))
    lines += terminal.row(
      "answered",
      "\(good.count) (\(share)), \(fallback.count) by the fallback, "
        + "\(failed.count) not at all", failed.isEmpty && fallback.isEmpty ? .green : .yellow)
    lines += reasons(failed + fallback).flatMap { terminal.item($0) }
    lines += terminal.row(
      "took",
      "p50 \(Figures.time(quantile(0.5))), p95 \(Figures.time(quantile(0.95))), "
        + "p99 \(Figures.time(quantile(0.99)))")
    lines += terminal.row(
      "cost",
      "\(Figures.cost(dollars / Double(count))) a request, \(Figures.money(dollars)) in all, "
        + "\(Figures.about(Double(tokens))) tokens")
    lines += terminal.row("guards", "what they would have said:")
    for item in health.guards {
      let isBad = ["firing", "pending", "investigate"].contains(item.state)
      let mark = isBad ? "✗" : item.state == "quiet" ? "✓" : "◷"
      lines += terminal.item(Words.reason(item.sentence), isBad ? .red : nil, mark: mark)
    }
    if let projection = plan.next.value?.projection {
      lines += terminal.row("next stage", clean(projection.sentence))
      lines += projection.exceeded.flatMap { terminal.item(clean($0), .red, mark: "✗") }
    }
    let isFine = failed.isEmpty && fallback.isEmpty
    lines += [
      "", isFine ? "Next: rollout plan show \(clean(feature))" : "Next: rollout providers",
    ]
    terminal.print(lines.joined(separator: "\n"))
  }

  /// Why requests were not answered, the most frequent first.
  private func reasons(_ results: [Result]) -> [String] {
    var counts: [String: Int] = [:]
    for result in results {
      let status = result.status == 200 ? "" : "\(result.status) "
      counts[status + result.reason.replacing("_", with: " "), default: 0] += 1
    }
    return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(5)
      .map { "\($0.value) × \(clean($0.key))" }
  }
}
