import DocumentKit
import Glibc
import PlatformKit
import RolloutAPI
import RolloutCore

/// A watch on a whole terminal: draws what is known, hears keys, and asks again.
struct WatchLive {
  private static let tickMilliseconds = 200
  private static let pollMilliseconds = 5000

  /// What is shown.
  private enum View {
    case list(chosen: Int)
    case plan(String)
    case history(String)
  }

  /// A command that waits for its reason.
  private struct Question {
    var command: String
    var words: String
    var typed = ""
  }

  private let session: Session
  private let wish: WatchWish
  private var terminal: Terminal
  private var rows = Terminal.rows ?? 24
  private var view: View
  private var range: WatchPage.Range
  private var list: ListPage?
  private var known: WatchKnown?
  private var question: Question?
  /// What came of the last command.
  private var message: (text: String, style: Terminal.Style)?
  /// Since when nobody answers.
  private var silentSince: String?
  private var isLive = false
  private var isLoading = false
  private var isDue = true
  private var isOver = false
  private var lastLoad = MonotonicInstant.beginning
  private var lastDraw = MonotonicInstant.beginning

  init(_ session: Session, _ wish: WatchWish) {
    self.session = session
    self.wish = wish
    terminal = session.terminal
    range = wish.range
    view = session.arguments.operands.first.map { .plan($0) } ?? .list(chosen: 0)
  }

  mutating func run() async throws {
    // A server that is not there, or a feature, is said on the usual screen.
    if let feature {
      known = try await WatchKnown.load(feature, hours: range.rawValue, session)
      if !session.arguments.isGiven("--range"), isYoung {
        range = .hour
        known = try await WatchKnown.load(feature, hours: range.rawValue, session)
      }
    }
    if feature == nil { list = try await ListCommand.load(session) }
    let (news, continuation) = AsyncStream.makeStream(of: WatchNews.self)
    let tell: @Sendable (WatchNews) -> Void = { continuation.yield($0) }
    let screen = WatchScreen(terminal)
    WatchScreen.readKeys(tell)
    let feed = WatchFeed(session: session, tell: tell)
    let tasks = [
      Task { await feed.run() },
      Task { await WatchClock.tick(Self.tickMilliseconds, continuation) },
    ]
    defer {
      for task in tasks { task.cancel() }
      screen.leave()
    }
    lastLoad = MachineClock.now
    isDue = false
    draw(screen)
    for await item in news {
      try take(item, tell)
      if try isReached() || isOver { return }
      if try wish.checkTime(known?.plan) { return }
      if isDue || MachineClock.now.milliseconds(since: lastLoad) >= Self.pollMilliseconds {
        load(tell)
      }
      draw(screen, isForced: !item.isTick)
    }
  }

  /// Whether all that happened lies within an hour.
  private var isYoung: Bool {
    guard let created = known.flatMap({ Instant(rfc3339: $0.plan.createdAt) }) else { return false }
    return LocalTime.now.since(created) < .hours(1)
  }

  private var feature: String? {
    switch view {
    case .list: nil
    case .plan(let feature), .history(let feature): feature
    }
  }

  private func isReached() throws -> Bool {
    guard let plan = known?.plan, let until = wish.until else { return false }
    return try until.isReached(by: plan)
  }

  // MARK: What comes

  private mutating func take(
    _ news: WatchNews, _ tell: @escaping @Sendable (WatchNews) -> Void
  ) throws {
    switch news {
    case .key(let key): press(key, tell)
    case .tick: break
    case .happened(let happening):
      if feature == nil || happening.feature == feature { isDue = true }
    case .live(let isLive):
      if isLive, !self.isLive { isDue = true }
      self.isLive = isLive
    case .loaded(let known):
      isLoading = false
      silentSince = nil
      if known.plan.feature == feature { self.known = known }
    case .listed(let list):
      isLoading = false
      silentSince = nil
      self.list = list
    case .failed(let failure):
      isLoading = false
      guard failure.exitCode == .unreachable || failure.exitCode == .failed else { throw failure }
      silentSince = silentSince ?? LocalTime.clock(LocalTime.now.rfc3339)
    case .answered(let text, let isDone):
      message = (text, isDone ? .green : .red)
      isDue = true
    }
  }

  /// Beside everything else: a server that hangs must not keep keys from being heard.
  private mutating func load(_ tell: @escaping @Sendable (WatchNews) -> Void) {
    guard !isLoading else { return }
    isDue = false
    lastLoad = MachineClock.now
    isLoading = true
    let (feature, hours, session) = (feature, range.rawValue, session)
    Task {
      do {
        if let feature {
          tell(.loaded(try await WatchKnown.load(feature, hours: hours, session)))
        } else {
          tell(.listed(try await ListCommand.load(session)))
        }
      } catch {
        tell(.failed(error as? CLIFailure ?? CLIFailure(.failed, "\(error)")))
      }
    }
  }

  // MARK: Keys

  private mutating func press(
    _ key: WatchKey, _ tell: @escaping @Sendable (WatchNews) -> Void
  ) {
    message = nil
    if key == .interrupt { isOver = true }
    if var question {
      switch key {
      case .escape: self.question = nil
      case .enter:
        // A reason is asked for, so that history says why.
        guard !question.typed.allSatisfy(\.isWhitespace) else { return }
        self.question = nil
        send(question, tell)
      case .backspace:
        _ = question.typed.popLast()
        self.question = question
      case .character(let character):
        if question.typed.count < 200 { question.typed.append(character) }
        self.question = question
      case .up, .down, .interrupt: break
      }
      return
    }
    switch view {
    case .list(let chosen): choose(key, chosen)
    case .history(let feature):
      if [.escape, .character("h"), .character("q")].contains(key) { view = .plan(feature) }
    case .plan: act(key)
    }
  }

  private mutating func choose(_ key: WatchKey, _ chosen: Int) {
    let last = max(0, (list?.entries.count ?? 1) - 1)
    switch key {
    case .up, .character("k"): view = .list(chosen: max(0, chosen - 1))
    case .down, .character("j"): view = .list(chosen: min(last, chosen + 1))
    case .enter:
      guard let entries = list?.entries, entries.indices.contains(chosen) else { return }
      view = .plan(entries[chosen].plan.feature)
      known = nil
      isDue = true
    case .character("q"), .escape: isOver = true
    default: break
    }
  }

  private mutating func act(_ key: WatchKey) {
    guard case .character(let character) = key else {
      if key == .escape { leave() }
      return
    }
    if let range = WatchPage.Range.allCases.first(where: { $0.key == character }) {
      self.range = range
      isDue = true
      return
    }
    guard let plan = known?.plan else {
      if character == "q" { leave() }
      return
    }
    switch character {
    case "q": leave()
    case "h": view = .history(plan.feature)
    case "a":
      guard plan.hold.value.map(Words.isToBeAcknowledged) == true else { return }
      question = Question(command: "acknowledge", words: "Acknowledge")
    case "r":
      guard ["active", "paused", "completed"].contains(plan.status), plan.stageIndex >= 0 else {
        return
      }
      let index = plan.stageIndex - 1
      let to =
        plan.stages.indices.contains(index)
        ? Words.stage(plan.stages[index].name, of: plan.stages) : "nobody"
      question = Question(command: "rollback", words: "Roll back to \(to)")
    case "k":
      guard ["active", "paused", "completed"].contains(plan.status) else { return }
      question = Question(command: "kill", words: "KILL: take it from everyone")
    default: break
    }
  }

  /// Back to the list where the watch began there; else it ends.
  private mutating func leave() {
    guard session.arguments.operands.isEmpty else {
      isOver = true
      return
    }
    view = .list(chosen: 0)
    isDue = true
  }

  /// Sends a command about the version that is on the screen.
  private mutating func send(
    _ question: Question, _ tell: @escaping @Sendable (WatchNews) -> Void
  ) {
    guard let plan = known?.plan else { return }
    message = ("\(question.words) …", .dim)
    let session = session
    Task {
      do {
        let body = try WireEncoder.json(CommandBody(reason: question.typed))
        let answer = try await session.send(
          "POST", APIPath.command(plan.feature, question.command), body: body,
          headers: [("if-match", "\"\(plan.version)\"")])
        let after = try session.decode(PlanView.self, answer)
        tell(.answered("\(question.words): done, version \(after.version).", isDone: true))
      } catch {
        let text = (error as? CLIFailure)?.message.text ?? "\(error)"
        tell(.answered(text.onOneLine, isDone: false))
      }
    }
  }

  // MARK: Drawing

  private mutating func draw(_ screen: WatchScreen, isForced: Bool = true) {
    let size = (columns: Terminal.columns, rows: Terminal.rows ?? 24)
    let isResized = size.columns != terminal.columns || size.rows != rows
    // The clock is shown to the second.
    let isDue = MachineClock.now.milliseconds(since: lastDraw) >= 1000
    guard isForced || isResized || isDue else { return }
    lastDraw = MachineClock.now
    terminal.columns = size.columns
    rows = size.rows
    screen.show(lines)
  }

  private var lines: [String] {
    if case .list(let chosen) = view { return listLines(chosen) }
    guard let known else {
      return ["", "  …"] + Array(repeating: "", count: max(0, rows - 3)) + footer
    }
    let page = WatchPage(
      known: known, range: range, terminal: terminal, rows: rows, connection: connection)
    if case .history = view { return page.history(footer: footer) }
    return page.lines(footer: footer)
  }

  private var connection: (text: String, style: Terminal.Style) {
    if let silentSince { return ("○ silent since \(silentSince)", .red) }
    return isLive ? ("● live", .green) : ("○ asking every 5 s", .yellow)
  }

  private func listLines(_ chosen: Int) -> [String] {
    var narrow = terminal
    narrow.columns -= 2
    let page = list?.lines(narrow) ?? []
    let count = list?.entries.count ?? 0
    let title = terminal.style("rollout", .bold)
    let right = "\(connection.text)  \(LocalTime.clockNow())"
    let gap = String(repeating: " ", count: max(1, terminal.columns - 7 - right.count))
    let head = "\(title)\(gap)\(terminal.style(connection.text, connection.style))  "
    var lines = [head + LocalTime.clockNow(), ""]
    let room = max(1, rows - footer.count - lines.count - 3)
    // The chosen one stays in sight.
    let first = max(0, min(chosen - room + 1, count - room))
    for (index, line) in page.enumerated() {
      let entry = index - 1
      let isHidden = entry >= 0 && entry < count && (entry < first || entry >= first + room)
      guard !isHidden else { continue }
      lines.append((entry == chosen ? terminal.style("▶", .cyan) : " ") + " " + line)
    }
    if count == 0 {
      lines.append("  There are no plans yet. Apply one: rollout plan apply -f FILE")
    }
    lines = Array(lines.prefix(max(1, rows - footer.count)))
    lines += Array(repeating: "", count: max(0, rows - footer.count - lines.count))
    return lines + footer
  }

  /// The last lines: a question, what came of one, or the keys.
  private var footer: [String] {
    let width = terminal.columns - 1
    if let question {
      let ask = " \(question.words). Why? "
      let room = max(8, width - ask.count - 2)
      let typed = String(question.typed.suffix(room))
      let hint = " Enter does it, Esc leaves everything as it is"
      return [
        terminal.style(String(ask.prefix(width)), .yellow) + typed + "█",
        terminal.style(String(hint.prefix(width)), .dim),
      ]
    }
    if let message {
      var told = terminal
      told.columns = width
      return told.wrapped(" \(message.text)", indent: 1).prefix(3).map {
        terminal.style($0, message.style)
      } + [keys]
    }
    return [keys]
  }

  /// The keys with what they do, in as many words as there is room for.
  private var keys: String {
    [true, false].lazy.map { keys(inWords: $0) }.first {
      Terminal.width(of: $0) <= terminal.columns
    }
      ?? ""
  }

  private func keys(inWords: Bool) -> String {
    let names: [(key: String, what: String)]
    switch view {
    case .list: names = [("↑↓", "choose"), ("Enter", "open"), ("q", "quit")]
    case .history: names = [("h", "back")]
    case .plan:
      let isHeld = known?.plan.hold.value.map(Words.isToBeAcknowledged) == true
      names =
        (isHeld ? [("a", inWords ? "acknowledge" : "ack")] : [])
        + [("r", inWords ? "roll back" : "back"), ("k", "kill"), ("h", "history")]
    }
    var line = names.map { " \(terminal.style($0.key, .bold)) \($0.what)" }.joined(separator: " ")
    guard case .plan = view else { return line }
    let ranges = WatchPage.Range.allCases.map { range in
      terminal.style(String(range.key), range == self.range ? .cyan : .bold)
    }
    line += "  \(ranges.joined(separator: " ")) \(inWords ? "range " : "")"
    return "\(line) \(terminal.style("q", .bold)) quit"
  }
}

extension WatchNews {
  fileprivate var isTick: Bool {
    if case .tick = self { true } else { false }
  }
}
