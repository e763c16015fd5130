import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout plan backtest FEATURE`
enum BacktestCommand {
  static let command = Subcommand(
    "plan backtest", ["FEATURE"], "what recorded outcomes would have done to other guards",
    options: [
      .init(
        "--guard", "METRIC=LIMIT", "a guard to try, such as error_rate=3%; instead of the plan's",
        repeatable: true),
      .init("--file", "FILE", "a plan file whose guards to try (-f)"),
      .init("--preset", "sensitive|normal|calm", "how soon they act"),
      .init("--stage", "STAGE", "replay as if at this stage (default: the present one)"),
      .init("--since", "SPAN|TIME", "only outcomes since then, such as 2h"),
    ],
    examples: [
      "rollout plan backtest ai-summary --guard error_rate=3% --since 2h",
      "rollout plan backtest ai-summary -f ai-summary.yaml --stage 25",
    ], run: run)

  private static func run(_ session: Session) async throws {
    let feature = session.operand(0)
    let body = Document.object([
      "guards": try guards(session).map { .array($0) },
      "preset": session.arguments.value("--preset").map { .string($0) },
      "stage": session.arguments.value("--stage").map { .string($0) },
      "since": session.arguments.value("--since").map { .string($0) },
    ])
    let answer = try await session.send("POST", APIPath.backtest(feature), body: body.json)
    let view = try session.decode(BacktestView.self, answer)
    try session.show(answer) { text(view, session.terminal) }
  }

  private static func guards(_ session: Session) throws -> [Document]? {
    if let file = session.arguments.value("--file") {
      let definition = try ApplyCommand.read(file)
      return definition.document["guards"]?.array ?? []
    }
    let texts = session.arguments.all("--guard")
    guard !texts.isEmpty else { return nil }
    return try texts.map { text in
      let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else {
        throw CLIFailure(.usage, "--guard is METRIC=LIMIT, such as error_rate=3%, not \(text).")
      }
      return .object(["metric": .string(parts[0]), "max": .string(parts[1])])
    }
  }

  private static func text(_ view: BacktestView, _ terminal: Terminal) -> String {
    guard let from = view.from.value, let to = view.to.value else {
      return "\(view.feature): no outcomes are recorded yet."
    }
    var lines = [
      "\(terminal.style(view.feature, .bold)): \(view.outcomes) outcomes at stage \(view.stage)",
      "  \(Words.time(from)) to \(Words.time(to))",
    ]
    if view.alarms.isEmpty { lines.append("These guards would not have acted.") }
    for alarm in view.alarms {
      let judgement = alarm.falseAlarm ? terminal.style("false alarm", .yellow) : "in time for"
      let users =
        alarm.falseAlarm ? "" : " \(alarm.usersSpared) user\(alarm.usersSpared == 1 ? "" : "s")"
      lines.append(
        "  \(Words.time(alarm.at))  after \(alarm.requests) requests, \(judgement)\(users)")
      lines += terminal.wrapped("    \(clean(alarm.sentence))", indent: 4)
    }
    for step in view.actual {
      lines.append("  \(Words.time(step.at))  really stepped back, by \(Words.actor(step.actor))")
    }
    if !view.alarms.isEmpty {
      lines.append(
        "\(view.alarms.count) rollbacks, \(view.falseAlarms) false alarms, "
          + "\(view.usersSpared) users spared")
    }
    if !view.notReplayed.isEmpty {
      lines.append("not replayed (not recorded): \(view.notReplayed.joined(separator: ", "))")
    }
    return lines.joined(separator: "\n")
  }
}
