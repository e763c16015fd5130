import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout plan show FEATURE`
enum ShowCommand {
  static let command = Subcommand(
    "plan show", ["FEATURE"], "where a plan stands, what it waits for, how it is doing",
    options: [.init("--verbose", nil, "with the numbers behind each sentence (-v)")],
    examples: ["rollout plan show ai-summary", "rollout plan show ai-summary -v"], run: run)

  private static func run(_ session: Session) async throws {
    let answer = try await session.send("GET", APIPath.plan(session.operand(0)))
    let plan = try session.decode(PlanView.self, answer)
    guard !session.printsJSON else {
      session.terminal.printJSON(answer.body)
      return
    }
    let health = try await session.get(HealthView.self, APIPath.health(plan.feature))
    let pause = plan.status == "paused" ? await Pause.last(plan, session) : nil
    var terminal = session.terminal
    guard let width = Beside.width(terminal) else {
      let page = Page(plan: plan, health: health, pause: pause, terminal: terminal)
      return terminal.print(page.text(isVerbose: session.arguments.has("--verbose")))
    }
    let query = APIPath.query([("limit", "12")])
    let events = try? await session.get(EventList.self, APIPath.events(plan.feature) + query)
    terminal.columns = width.left
    let page = Page(plan: plan, health: health, pause: pause, terminal: terminal)
    terminal.columns = width.right
    let beside = Beside.lines(events?.events ?? [], terminal)
    terminal.print(
      Beside.joined(page.text(isVerbose: session.arguments.has("--verbose")), beside, width.left))
  }
}

/// What happened last, beside the page, where there is room for both.
private enum Beside {
  private static let wideFrom = 132
  private static let gap = 3

  static func width(_ terminal: Terminal) -> (left: Int, right: Int)? {
    guard terminal.columns >= wideFrom else { return nil }
    let left = Terminal.columnsUsual
    return (left, min(terminal.columns - left - gap, Terminal.columnsUsual))
  }

  static func lines(_ events: [EventView], _ terminal: Terminal) -> [String] {
    guard !events.isEmpty else { return [] }
    return [terminal.style("what happened", .dim)]
      + events.flatMap { event in
        let reason = event.reason.isEmpty ? "" : ": \(Words.reason(event.reason))"
        let text =
          "\(padded(LocalTime.brief(event.at), 11))\(Words.actor(event.actor)) "
          + "\(Words.deed(event.type)) \(clean(HistoryCommand.move(event)))\(reason)"
        return terminal.wrapped(text, indent: 11)
      }
  }

  /// The lines of both, the right ones as far as the left ones go.
  static func joined(_ page: String, _ right: [String], _ width: Int) -> String {
    page.split(separator: "\n", omittingEmptySubsequences: false).enumerated().map {
      index, line in
      guard right.indices.contains(index) else { return String(line) }
      let room = max(0, width - Terminal.width(of: String(line)))
      return line + String(repeating: " ", count: room + gap) + right[index]
    }.joined(separator: "\n")
  }
}

/// A plan for people: where it is, what comes next, how it is doing.
private struct Page {
  let plan: PlanView
  let health: HealthView
  /// Of a paused plan.
  let pause: Pause?
  let terminal: Terminal

  func text(isVerbose: Bool) -> String {
    var lines = title
    if !plan.description.isEmpty {
      lines += terminal.wrapped(clean(plan.description), indent: 0).map { terminal.style($0, .dim) }
    }
    lines += [""] + stages + [""]
    if let degraded = plan.degraded { lines += terminal.row("degraded", clean(degraded), .red) }
    lines += farewell + paused + hold + next + restore + hours
    if !plan.approvals.isEmpty {
      lines += terminal.row("approved by", clean(plan.approvals.joined(separator: ", ")))
    }
    lines += doing(isVerbose) + measured
    let command = isStillFiring ? "rollout why \(plan.feature)" : Suggestion.command(plan)
    let end = command.map { ["", "Next: \($0)"] } ?? []
    return ((isVerbose ? lines : folded(lines, end.count)) + end).joined(separator: "\n")
  }

  /// What a terminal shows at once, the prompt below it: the end gives way to the beginning.
  private func folded(_ lines: [String], _ endCount: Int) -> [String] {
    guard let rows = Terminal.rows, lines.count + endCount > rows - 1 else { return lines }
    let kept = rows - 2 - endCount
    return lines.prefix(kept)
      + [terminal.style("… \(lines.count - kept) more lines: plan show -v", .dim)]
  }

  /// Whether a guard that acts still says what it paused the plan for.
  private var isStillFiring: Bool {
    plan.status == "paused"
      && health.guards.contains {
        $0.state == "firing" && $0.action != "notify" && $0.dryRun != true
      }
  }

  // MARK: Where it is

  private var title: [String] {
    let color: Terminal.Style =
      switch plan.status {
      case "active", "completed": plan.hold.value == nil ? .green : .yellow
      case "paused": .yellow
      case "killed": .red
      default: .dim
      }
    let place =
      switch plan.status {
      case "draft", "archived": Words.state(plan)
      default:
        // A kill or a pause comes first: no acknowledgement ends it.
        plan.hold.value.map {
          (plan.status == "active" ? "" : "\(plan.status), ")
            + "held \(Words.hold($0.cause)), at \(plan.stage)"
        }
          ?? (plan.status == "active" && plan.stageIndex < 0
            ? "off: stepped back to nobody" : "\(plan.status) at \(plan.stage)")
      }
    let head = "\(plan.feature)  \(clean(place))  version \(plan.version)"
    let lines = terminal.wrapped(head, indent: 2)
    guard lines.count == 1 else { return lines }
    return [
      "\(terminal.style(plan.feature, .bold))  \(terminal.style(clean(place), color))  "
        + "version \(plan.version)"
    ]
  }

  private var stages: [String] {
    let width = min(20, plan.stages.map(\.name.count).max() ?? 0)
    let serves = ["active", "paused", "completed"].contains(plan.status)
    return plan.stages.enumerated().flatMap { index, stage -> [String] in
      let isHere = serves && index == plan.stageIndex
      let mark = isHere ? "▶" : serves && index < plan.stageIndex ? "✓" : "·"
      var audience: [String] = []
      if let percent = stage.percent { audience.append("\(shortestText(of: percent)) %") }
      if let cohort = stage.cohort { audience.append("cohort \(cohort)") }
      if stage.rules > 0 { audience.append("\(stage.rules) rule\(stage.rules == 1 ? "" : "s")") }
      if stage.soak != "0s" { audience.append("soak \(stage.soak)") }
      if stage.approvals > 0 { audience.append("approvals \(stage.approvals)") }
      if let time = stage.advanceAt { audience.append("not before \(time)") }
      let text = "  \(mark) \(padded(stage.name, width))  \(audience.joined(separator: ", "))"
      let lines = terminal.wrapped(text, indent: width + 6)
      return isHere ? lines.map { terminal.style($0, .cyan) } : lines
    }
  }

  // MARK: What it waits for

  private var hold: [String] {
    guard let hold = plan.hold.value else { return [] }
    var lines = terminal.row(
      "held", "\(Words.hold(hold.cause)), \(Words.since(hold.since))", .yellow)
    lines += terminal.row("", clean(hold.reason))
    if let person = hold.acknowledgedBy {
      let when = hold.acknowledgedAt.map { ", \(Words.since($0))" } ?? ""
      lines += terminal.row("", "seen by \(Words.actor(person))\(when)")
    }
    return lines
  }

  private var farewell: [String] {
    guard plan.status == "archived" else { return [] }
    let until = plan.answersUntil.map { "answers as before until \(Words.time($0)), then as off" }
    return terminal.row(
      "archived", "\(until ?? "nobody has it"); back with rollout unarchive \(plan.feature)")
  }

  private var paused: [String] {
    guard let pause else { return [] }
    let lines = terminal.row(
      "paused", "by \(Words.actor(pause.actor)), \(Words.since(pause.at))", .yellow)
    return lines + (pause.reason.isEmpty ? [] : terminal.row("", clean(pause.reason)))
  }

  private var next: [String] {
    guard let next = plan.next.value else { return [] }
    if isStillFiring {
      return terminal.row("next", "\(clean(next.action)) once its guard no longer fires")
    }
    let words = clean("\(next.action)\(next.to.map { " to \($0)" } ?? "")")
    var lines = step("next", words, next.ready, next.readyFor, next.waitingOn)
    lines += Gate.passed(plan).flatMap { Self.gate($0, terminal) }
    let isPassable = !next.warnings.isEmpty && next.warnings.count == next.waitingOn.count
    if isPassable {
      let reason = next.warnings.allSatisfy(Gate.isSchedule) ? "" : ", with a reason"
      lines += terminal.row("", "a person may go on all the same\(reason)", .dim)
    }
    if let projection = next.projection {
      lines += terminal.row("projected", clean(projection.sentence))
    }
    return lines
  }

  /// When it may go on by itself, a line for stages that differ.
  private var hours: [String] {
    var told: Set<String> = []
    let all = Set(plan.stages.dropFirst().map(\.hours)).count == 1
    return plan.stages.flatMap { stage -> [String] in
      guard let hours = stage.hours, told.insert(hours).inserted else { return [] }
      let place = all ? "" : " (\(clean(stage.name)))"
      return terminal.row(told.count == 1 ? "hours" : "", "\(clean(hours))\(place)")
    }
  }

  private var restore: [String] {
    guard let restore = plan.restore else { return [] }
    let words = "restore to \(clean(restore.to))"
    guard restore.ready || restore.waitingOn != plan.next.value?.waitingOn else {
      return terminal.row("way back", "\(words), waits on the same")
    }
    return step("way back", words, restore.ready, restore.readyFor, restore.waitingOn)
  }

  private func step(
    _ name: String, _ words: String, _ isReady: Bool, _ readyFor: String?, _ gates: [String]
  ) -> [String] {
    let whom = readyFor.map { $0 == "anybody" ? "" : " for \(clean($0))" } ?? ""
    guard !isReady else { return terminal.row(name, "\(words), ready\(whom)") }
    return terminal.row(name, "\(words), waits on")
      + gates.flatMap { Self.gate(Gate(waitingOn: $0), terminal) }
  }

  /// A gate with its mark, as an item.
  private static func gate(_ gate: Gate, _ terminal: Terminal) -> [String] {
    var lines = terminal.item(gate.text, mark: gate.mark)
    lines[0] = lines[0].replacing(
      "\(gate.mark) ", with: terminal.style(gate.mark, gate.style) + " ", maxReplacements: 1)
    return lines
  }

  // MARK: How it is doing

  private func doing(_ isVerbose: Bool) -> [String] {
    let word = plan.health.map { clean($0.words) } ?? Words.verdict(health.verdict)
    let color: Terminal.Style? =
      switch health.verdict {
      case "healthy": .green
      case "failing": .red
      case "pending", "investigate": .yellow
      default: nil
      }
    // Where it is one of the guards' sentences it follows below.
    let isBelow = health.guards.contains { $0.sentence == health.sentence }
    var lines = terminal.row(
      "health", isBelow ? word : "\(word): \(clean(health.sentence))", color)
    // Of who serves nobody none acts when it goes on.
    let isSilent = health.verdict == "not_serving" && !isVerbose
    for item in isSilent ? [] : health.guards {
      lines += terminal.item(clean(item.sentence))
      guard isVerbose, item.requests > 0 else { continue }
      lines += terminal.row("", "  \(clean(Self.numbers(item)))", .dim)
    }
    for note in health.notes { lines += terminal.item(clean(note)) }
    return lines
  }

  private var measured: [String] {
    let arms = health.arms
    var lines = terminal.row(
      "outcomes",
      "\(arms.treatment.requests) with the feature (\(arms.treatment.failed) bad), "
        + "\(arms.control.requests) without (\(arms.control.failed) bad)")
    if let median = arms.treatment.latencyMsP50, let p95 = arms.treatment.latencyMsP95,
      let p99 = arms.treatment.latencyMsP99
    {
      lines += terminal.row(
        "latency",
        "about: p50 \(Words.roughly(median)), p95 \(Words.roughly(p95)), "
          + "p99 \(Words.roughly(p99))")
    }
    return lines
  }

  /// The numbers behind a guard's sentence.
  private static func numbers(_ item: HealthView.GuardView) -> String {
    var words: [String] = []
    if let rate = item.rate, let low = item.low, let high = item.high {
      words.append("\(text(rate, item)) (\(text(low, item)) to \(text(high, item)))")
    }
    if let capped = item.cappedMean { words.append("\(text(capped, item)) counts") }
    words.append("\(item.errors) bad of \(item.requests), \(item.affectedUsers) users")
    if item.threshold > 0 {
      words.append(
        "score \(shortestText(of: (item.score * 10).rounded() / 10)) of \(shortestText(of: item.threshold))"
      )
    }
    return words.joined(separator: "; ")
  }

  /// A rate in the unit of its metric.
  private static func text(_ value: Double, _ item: HealthView.GuardView) -> String {
    switch item.metric {
    case "latency_mean": Words.duration(value)
    case "latency_p50", "latency_p95", "latency_p99": "\(percent(value)) slower"
    case "cost_per_request": "$\(shortestText(of: (value * 1e6).rounded() / 1e6))"
    case "tokens_per_request": shortestText(of: (value * 10).rounded() / 10)
    case "prometheus": shortestText(of: (value * 1e4).rounded() / 1e4)
    default: percent(value)
    }
  }
}
