import DocumentKit
import PlatformKit
import RolloutAPI

/// `rollout demo`
enum DemoCommand {
  static let command = Subcommand(
    "demo", [], "a whole story in a minute, with a feature of its own, on a running server",
    options: [
      .init("--feature", "NAME", "the feature's name (default rollout-demo); it is archived after"),
      .init("--fast", nil, "without the pauses that are for reading"),
    ],
    examples: ["rollout demo", "rollout demo --fast"]
  ) { session in
    var story = DemoStory(session)
    try await story.run()
  }
}

/// The story: traffic, stages, a regression, the step back, the acknowledgement.
private struct DemoStory {
  private static let description = "The story that rollout demo tells"
  private static let people = 400
  /// What is waited for is there within this time, or never.
  private static let patienceMilliseconds = 30_000
  private static let names = [
    "anna", "bob", "carla", "dan", "eva", "finn", "gina", "hugo", "ida", "jan", "kim", "lou",
    "mira", "nils", "olga", "paul", "rosa", "sven", "tina", "uwe",
  ]

  private let session: Session
  private let terminal: Terminal
  private let feature: String
  private let pauseMilliseconds: Int
  private var version = 0
  private var chapter = 0
  private var served = 0

  init(_ session: Session) {
    self.session = session
    terminal = session.terminal
    feature = session.arguments.value("--feature") ?? "rollout-demo"
    pauseMilliseconds = session.arguments.has("--fast") ? 0 : 2500
  }

  mutating func run() async throws {
    try await begin()
    // What is half told is put away all the same.
    do { try await tell() } catch {
      try? await putAway()
      throw error
    }
  }

  private mutating func tell() async throws {
    try await command("advance", "the team found nothing", force: true)
    let (lucky, other) = try await twoPeople()
    try await say(
      "10 % have it, always the same ones.",
      "\(lucky) has it, \(other) has not. Ask again in a week, on another server: the same.")

    try await traffic(rounds: 6, failing: 0.005)
    try await say(
      "All is well.",
      "\(served) requests were reported, with the feature and without it; hardly any failed.")

    try await command("advance", "10 % were fine", force: true)
    try await say("Half of all people now.", "Whoever had it keeps it; others join.")

    let began = MachineClock.now
    try await traffic(rounds: 1, failing: 0.01)
    terminal.print(terminal.style("   Then somebody changes the prompt …", .yellow))
    let hold = try await regress()
    let seconds = MachineClock.now.seconds(since: began)
    try await say(
      "It steps back by itself, after \(Figures.time(seconds * 1000)) of trouble.",
      "\(LocalTime.brief(hold.since))  \(Words.reason(hold.reason))",
      "Who joined last left first: 10 % have it, as before. Nobody was woken up for it.",
      style: .red)

    try await refused()
    try await command("acknowledge", "the old prompt is back", force: true)
    try await say(
      "A person looks, and says so.", "Only then may it go on. History keeps who, when and why:")
    try await history()
    try await putAway()
    terminal.print("")
    terminal.print("That was \(feature); it is put away. Now yours:")
    terminal.print("   rollout plan init FEATURE > plan.yaml    and then    rollout watch FEATURE")
  }

  // MARK: Beginning and end

  private mutating func begin() async throws {
    let found = try await session.exchange("GET", APIPath.plan(feature))
    if found.status == 200 {
      let plan = try session.decode(PlanView.self, found)
      guard plan.description == Self.description else {
        throw CLIFailure(
          .conflict, "\(feature) is a rollout of somebody's; give the demo another --feature.")
      }
      try await wake(plan)
    } else if found.status == 404 {
      let answer = try await session.send(
        "PUT", APIPath.plan(feature), body: definition.json, headers: [("if-none-match", "*")])
      version = try session.decode(PlanView.self, answer).version
      try await command("start", "the demo begins")
    } else {
      throw session.failure(found)
    }
    try await say(
      "A plan: the team, then 10 %, 50 %, everyone.",
      "Errors may be 5 % at most; if they are more, it goes one stage back by itself.",
      "It starts: the team has it.")
  }

  /// Brings back what an earlier demo left, wherever that ended.
  private mutating func wake(_ plan: PlanView) async throws {
    version = plan.version
    var plan = plan
    if plan.status == "archived" { plan = try await command("unarchive", "another demo") }
    if plan.status == "draft" {
      try await command("start", "the demo begins")
      return
    }
    if plan.status == "killed" || plan.status == "paused" {
      plan = try await command("resume", "another demo")
    }
    if let hold = plan.hold.value, Words.isToBeAcknowledged(hold) {
      plan = try await command("acknowledge", "of an earlier demo", force: true)
    }
    if plan.stageIndex > 0 { try await command("rollback", "from the beginning", to: "team") }
    if plan.stageIndex < 0 { try await command("advance", "from the beginning", force: true) }
  }

  private mutating func putAway() async throws {
    try await command("kill", "the demo is over")
    try await command("archive", "the demo is over", confirm: feature)
  }

  private var definition: Document {
    let stages: [Document] = [
      .object(["name": .string("team"), "cohort": .string("internal")]),
      .object(["name": .string("10"), "percent": .int(10)]),
      .object(["name": .string("50"), "percent": .int(50)]),
      .object(["name": .string("100"), "percent": .int(100)]),
    ]
    let rule = Document.object([
      "metric": .string("error_rate"), "max": .string("5%"), "action": .string("rollback"),
    ])
    return .object([
      "feature": .string(feature), "description": .string(Self.description),
      "stages": .array(stages), "guards": .array([rule]),
    ])
  }

  // MARK: Steps

  @discardableResult
  private mutating func command(
    _ name: String, _ reason: String, to: String? = nil, force: Bool = false,
    confirm: String? = nil
  ) async throws -> PlanView {
    // Nobody else has a reason to change it, but the monitor may.
    let now = try await session.get(PlanView.self, APIPath.plan(feature))
    let body = CommandBody(reason: reason, to: to, force: force ? true : nil, confirm: confirm)
    let answer = try await session.send(
      "POST", APIPath.command(feature, name), body: try WireEncoder.json(body),
      headers: [("if-match", "\"\(now.version)\"")])
    let plan = try session.decode(PlanView.self, answer)
    version = plan.version
    return plan
  }

  /// Somebody who has the feature, and somebody who has not.
  private func twoPeople() async throws -> (lucky: String, other: String) {
    var (lucky, other) = ("Somebody", "somebody else")
    for name in Self.names {
      let path = APIPath.decision(feature) + APIPath.query([("user", name)])
      let answer = try await session.document(session.send("GET", path))
      if answer["enabled"]?.bool == true { lucky = name } else { other = name }
    }
    return (lucky, other)
  }

  /// Reports so many rounds of requests, of both arms.
  private mutating func traffic(rounds: Int, failing share: Double) async throws {
    for _ in 0..<rounds {
      try await report(60, failing: share, arm: "treatment")
      try await report(30, failing: 0.005, arm: "control")
      terminal.redraw("   \(served) requests …")
      try await pause(pauseMilliseconds / 8)
    }
    terminal.redraw("")
  }

  private mutating func report(_ count: Int, failing share: Double, arm: String) async throws {
    let outcomes = (0..<count).map { _ -> Document in
      let isBad = Double.random(in: 0..<1) < share
      return .object([
        "feature": .string(feature), "arm": .string(arm), "ok": .bool(!isBad),
        "user": .string("person-\(Int.random(in: 0..<Self.people))"),
        "latency_ms": .int(Int.random(in: 400...1800)),
        "id": .string(String(UInt64.random(in: 0...UInt64.max), radix: 36)),
        "kind": isBad ? .string("timeout") : nil,
      ])
    }
    let body = Document.object(["outcomes": .array(outcomes)])
    _ = try await session.send("POST", "/v1/outcomes", body: body.json)
    served += count
  }

  /// Fails more and more until the plan has stepped back; returns its hold.
  private mutating func regress() async throws -> HoldView {
    let deadline = MachineClock.now.after(milliseconds: Self.patienceMilliseconds)
    var share = 0.2
    while MachineClock.now < deadline {
      try await report(40, failing: share, arm: "treatment")
      share = min(0.9, share + 0.1)
      terminal.redraw("   \(served) requests, \(Figures.share(share)) of them failing …")
      try await pause(max(200, pauseMilliseconds / 8))
      let plan = try await session.get(PlanView.self, APIPath.plan(feature))
      guard let hold = plan.hold.value, hold.cause == "rollback" else { continue }
      terminal.redraw("")
      return hold
    }
    terminal.redraw("")
    throw CLIFailure(
      .failed, "It did not step back within 30 s. Is another guard configured? See rollout doctor.")
  }

  /// Going on without a look is refused.
  private mutating func refused() async throws {
    do { try await command("advance", "on with it") } catch let failure as CLIFailure {
      let gate = failure.message.text.split(separator: "\n").dropFirst().first ?? ""
      let why = gate.trimmingPrefix(#/[ -]*/#)
      return try await say("Going on as if nothing had been is refused.", clean(String(why)))
    }
  }

  private func history() async throws {
    let events = try await session.get(
      EventList.self, APIPath.events(feature) + APIPath.query([("limit", "4")]))
    for event in events.events.reversed() {
      let line =
        "   \(LocalTime.brief(event.at))  \(Words.actor(event.actor)) \(Words.deed(event.type)) "
        + clean(HistoryCommand.move(event))
      terminal.print(terminal.style(line, .dim))
    }
  }

  // MARK: Telling

  private mutating func say(
    _ title: String, _ lines: String..., style: Terminal.Style? = nil
  ) async throws {
    chapter += 1
    let head = "\(chapter)  \(title)"
    terminal.print(terminal.style(head, style ?? .bold))
    for line in lines {
      for part in terminal.wrapped("   \(line)", indent: 3) { terminal.print(part) }
    }
    try await pause(pauseMilliseconds)
  }

  private func pause(_ milliseconds: Int) async throws {
    // What began before a stage is not counted for it.
    try await MachineClock().sleep(milliseconds: max(60, milliseconds))
  }
}
