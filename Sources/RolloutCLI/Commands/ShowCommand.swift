import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout plan show FEATURE`
enum ShowCommand {
  static func run(_ session: Session) async throws {
    let answer = try await session.send("GET", APIPath.plan(session.operand(0)))
    let plan = try session.decode(PlanView.self, answer)
    guard !session.printsJSON else {
      session.terminal.printJSON(answer.body)
      return
    }
    let health = try await session.get(HealthView.self, APIPath.health(plan.feature))
    session.terminal.print(text(plan, health, session.terminal))
  }

  /// The plan for people: where it is, what comes next, how it is doing.
  static func text(_ plan: PlanView, _ health: HealthView, _ terminal: Terminal) -> String {
    var lines = [title(plan, terminal)]
    if !plan.description.isEmpty { lines.append(terminal.style(clean(plan.description), .dim)) }
    lines.append("")
    lines += stages(plan, terminal)
    lines.append("")
    if let hold = plan.hold.value {
      lines.append(
        row("hold", terminal.style("\(hold.cause), since \(hold.since)", .yellow)))
      lines.append(row("", clean(hold.reason)))
    }
    if let next = plan.next.value {
      let words = "\(next.action)\(next.to.map { " to \($0)" } ?? "")"
      lines.append(row("next", next.ready ? "\(words), ready" : "\(words), waits on"))
      lines += next.waitingOn.map { row("", "- \(clean($0))") }
      if !next.warnings.isEmpty, next.warnings.count == next.waitingOn.count {
        lines.append(
          row("", terminal.style("a person may advance all the same, with a warning", .dim)))
      }
    }
    if let projection = plan.next.value?.projection {
      lines.append(row("projected", clean(projection.sentence)))
    }
    if !plan.approvals.isEmpty {
      lines.append(row("approved by", clean(plan.approvals.joined(separator: ", "))))
    }
    lines.append(row("health", colored(health.verdict, terminal)))
    for item in health.guards {
      lines.append(row("", "- \(clean(item.sentence))"))
      if item.requests > 0 {
        lines.append(row("", terminal.style("  \(clean(numbers(item)))", .dim)))
      }
    }
    let arms = health.arms
    lines.append(
      row(
        "outcomes",
        "\(arms.treatment.requests) with the feature (\(arms.treatment.failed) bad), "
          + "\(arms.control.requests) without (\(arms.control.failed) bad)"))
    if let median = arms.treatment.latencyMsP50, let p95 = arms.treatment.latencyMsP95,
      let p99 = arms.treatment.latencyMsP99
    {
      lines.append(
        row(
          "latency",
          "p50 \(shortestText(of: median)) ms, p95 \(shortestText(of: p95)) ms, p99 \(shortestText(of: p99)) ms"
        ))
    }
    return lines.joined(separator: "\n")
  }

  /// The numbers behind a guard's sentence.
  private static func numbers(_ item: HealthView.GuardView) -> String {
    var words: [String] = []
    if let rate = item.rate, let low = item.low, let high = item.high {
      words.append("\(text(rate, item)) (\(text(low, item)) to \(text(high, item)))")
    }
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
    case "latency_mean": "\(shortestText(of: value.rounded())) ms"
    case "cost_per_request": "$\(shortestText(of: (value * 1e6).rounded() / 1e6))"
    case "tokens_per_request": shortestText(of: (value * 10).rounded() / 10)
    case "prometheus": shortestText(of: (value * 1e4).rounded() / 1e4)
    default: percent(value)
    }
  }

  private static func row(_ name: String, _ text: String) -> String { "\(padded(name, 12))\(text)" }

  private static func title(_ plan: PlanView, _ terminal: Terminal) -> String {
    let color: Terminal.Style =
      switch plan.status {
      case "active", "completed": plan.hold.value == nil ? .green : .yellow
      case "paused": .yellow
      case "killed": .red
      default: .dim
      }
    let place = plan.status == "draft" ? "draft" : "\(plan.status) at \(plan.stage)"
    return "\(terminal.style(plan.feature, .bold))  \(terminal.style(place, color))  "
      + "version \(plan.version)"
  }

  private static func stages(_ plan: PlanView, _ terminal: Terminal) -> [String] {
    let width = plan.stages.map(\.name.count).max() ?? 0
    let serves = ["active", "paused", "completed"].contains(plan.status)
    return plan.stages.enumerated().map { index, stage in
      let isHere = serves && index == plan.stageIndex
      let mark = isHere ? "▶" : serves && index < plan.stageIndex ? "✓" : "·"
      var audience: [String] = []
      if let percent = stage.percent { audience.append("\(shortestText(of: percent)) %") }
      if let cohort = stage.cohort { audience.append("cohort \(cohort)") }
      if stage.rules > 0 { audience.append("\(stage.rules) rule\(stage.rules == 1 ? "" : "s")") }
      if stage.soak != "0s" { audience.append("soak \(stage.soak)") }
      if stage.approvals > 0 { audience.append("approvals \(stage.approvals)") }
      let line = "  \(mark) \(padded(stage.name, width))  \(audience.joined(separator: ", "))"
      return isHere ? terminal.style(line, .cyan) : line
    }
  }

  private static func colored(_ verdict: String, _ terminal: Terminal) -> String {
    switch verdict {
    case "healthy": terminal.style(verdict, .green)
    case "failing": terminal.style(verdict, .red)
    case "pending": terminal.style(verdict, .yellow)
    default: verdict
    }
  }
}
