import DocumentKit
import Glibc
import PlatformKit
import RolloutAPI
import RolloutCore

/// `rollout watch [FEATURE]`
enum WatchCommand {
  static let command = Subcommand(
    "watch", ["feature"], "rollouts as they happen, live on a terminal, in lines elsewhere",
    options: [
      .init(
        "--until", "stage=STAGE|held|done",
        "end with 0 once that is so; with 4 when it steps back, is killed, or after --timeout"),
      .init("--timeout", "2h", "end after so long"),
      .init("--range", "1h|6h|1d|1w", "the time that figures show (default 6h)"),
      .init("--lines", nil, "lines, although this is a terminal"),
    ],
    examples: [
      "rollout watch", "rollout watch ai-summary --range 1d",
      "rollout watch ai-summary --until stage=50 --timeout 2h",
    ], run: run)

  private static func run(_ session: Session) async throws {
    let wish = try WatchWish(session.arguments)
    let isLive =
      session.terminal.isInteractive && isatty(STDOUT_FILENO) == 1 && !session.printsJSON
      && !session.arguments.has("--lines")
    if let feature = session.arguments.operands.first, let until = wish.until {
      // What can never come is said at once, before the screen is cleared.
      let plan = try await session.get(PlanView.self, APIPath.plan(feature))
      try until.check(plan)
    }
    if isLive {
      var live = WatchLive(session, wish)
      try await live.run()
    } else {
      var lines = WatchLines(session, wish)
      try await lines.run()
    }
  }
}

/// A watch without a screen: a line for everything that happens.
private struct WatchLines {
  /// Asked this often, whatever the stream says.
  private static let pollMilliseconds = 5000
  private static let tickMilliseconds = 200

  private let session: Session
  private let wish: WatchWish
  private let feature: String?
  private var state = ""
  private var plan: PlanView?
  private var isConnected = true
  private var isDue = true

  init(_ session: Session, _ wish: WatchWish) {
    self.session = session
    self.wish = wish
    feature = session.arguments.operands.first
  }

  mutating func run() async throws {
    let (news, continuation) = AsyncStream.makeStream(of: WatchNews.self)
    let feed = WatchFeed(session: session) { continuation.yield($0) }
    let tasks = [
      Task { await feed.run() },
      Task { await WatchClock.tick(Self.tickMilliseconds, continuation) },
    ]
    defer { for task in tasks { task.cancel() } }
    try await look(isFirst: true)
    if try isReached() { return }
    var lastLook = MachineClock.now
    for await item in news {
      switch item {
      case .happened(let happening) where feature == nil || happening.feature == feature:
        tell(happening)
        isDue = true
      case .live(true): isDue = true
      default: break
      }
      if try wish.checkTime(plan) { return }
      let isLate = MachineClock.now.milliseconds(since: lastLook) >= Self.pollMilliseconds
      guard case .tick = item, isDue || isLate else { continue }
      isDue = false
      lastLook = MachineClock.now
      try await look(isFirst: false)
      if try isReached() { return }
    }
  }

  private func isReached() throws -> Bool {
    guard let plan, let until = wish.until else { return false }
    return try until.isReached(by: plan)
  }

  /// Asks how it stands, and says so where that has changed.
  private mutating func look(isFirst: Bool) async throws {
    guard let feature else {
      if isFirst {
        _ = try await session.send("GET", APIPath.plans + APIPath.query([("limit", "1")]))
      }
      return
    }
    do {
      let plan = try await session.get(PlanView.self, APIPath.plan(feature))
      if !isConnected { session.terminal.note("The server answers again.") }
      isConnected = true
      self.plan = plan
    } catch let failure as CLIFailure where failure.exitCode == .unreachable && !isFirst {
      if isConnected { session.terminal.note("The server does not answer; trying again.") }
      isConnected = false
      return
    }
    guard let plan, !session.printsJSON else { return }
    let state = "\(plan.stageIndex) \(Words.state(plan))"
    guard state != self.state else { return }
    self.state = state
    let sentence = plan.hold.value == nil ? plan.health?.sentence : nil
    let more = sentence.map { ": \(Words.reason($0))" } ?? ""
    let place = plan.stageIndex < 0 ? "" : ", at \(Words.stage(plan.stage, of: plan.stages))"
    session.terminal.print(
      "\(LocalTime.clockNow())  \(plan.feature)  \(Words.state(plan))\(place)\(more)")
  }

  private func tell(_ happening: WatchNews.Happening) {
    guard !session.printsJSON else { return session.terminal.printJSON(happening.json) }
    let what: String
    if let event = happening.event {
      let reason = event.reason.isEmpty ? "" : ": \(Words.reason(event.reason))"
      let who = event.actor == "monitor" ? "by itself" : "by \(Words.actor(event.actor))"
      what = "\(Words.deed(event.type)) \(clean(HistoryCommand.move(event))), \(who)\(reason)"
    } else {
      let kind = happening.kind.replacing("_", with: " ")
      what = kind + (happening.sentence.map { ": \(Words.reason($0))" } ?? "")
    }
    session.terminal.print(
      "\(LocalTime.clock(happening.at)) \(LocalTime.zone(happening.at))  "
        + "\(clean(happening.feature))  \(what)")
  }
}

/// Time that goes by while something is watched.
enum WatchClock {
  static func tick(
    _ milliseconds: Int, _ continuation: AsyncStream<WatchNews>.Continuation
  ) async {
    while !Task.isCancelled {
      try? await MachineClock().sleep(milliseconds: milliseconds)
      continuation.yield(.tick)
    }
  }
}
