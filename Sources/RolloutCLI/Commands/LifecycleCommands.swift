import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore

/// `rollout start|advance|rollback|… FEATURE`
enum LifecycleCommands {
  private static let force = Subcommand.Option(
    "--force", nil, "past gates, not past holds or approvals; needs a reason, and is recorded")
  private static let ifVersion = Subcommand.Option(
    "--if-version", "N", "only if the plan is still at this version")

  static let all = [
    make("start", "serve the first stage", examples: ["--reason 'first people'"]),
    make(
      "advance", "serve the next stage",
      options: [.init("--to", "STAGE", "which stage you expect to be next"), force],
      examples: ["--reason 'a week without complaints'", "--to 25 --if-version 7"]),
    make(
      "rollback", "back to an earlier stage, at once",
      options: [.init("--to", "STAGE|off", "which one (default: the stage before)")],
      examples: ["--reason 'odd answers'", "--to off --reason 'wrong prompt'"]),
    make(
      "restore", "back to the stage before an incident, in one step; needs a reason",
      options: [force], examples: ["--reason 'the prompt is mended'"]),
    make(
      "pause", "keep serving, stop advancing", examples: ["--reason 'until the release is out'"]),
    make("resume", "go on after a pause or a kill", examples: ["--reason 'the release is out'"]),
    make(
      "ack", "you have seen why it is held; it may advance again after its cooldown",
      options: [force],
      examples: ["--reason 'looking into it'", "--force --reason 'found and fixed'"]),
    make(
      "approve", "approve entering the next stage, a way back, or a plan file",
      options: [
        .init("--to", "STAGE", "which: the next (default), or the one of rollout restore"),
        .init("--file", "FILE", "approve applying this plan file (-f; see rollout plan diff)"),
      ], examples: ["--reason 'numbers looked at'", "-f ai-summary.yaml"]),
    make("kill", "serve nobody, at once", examples: ["--reason 'enough for today' --yes"]),
    make(
      "complete", "the feature is for everyone now", options: [force],
      examples: ["--reason 'everybody likes it'"]),
    make(
      "archive", "put the plan away; it answers for a week as before, then as off",
      options: [
        .init("--confirm", "FEATURE", "although it is still asked for: say its name again")
      ], examples: ["--reason 'in the product now' --confirm ai-summary"]),
    make(
      "unarchive", "bring an archived plan back as it was",
      examples: ["--reason 'needed again'"]),
  ]

  private static func make(
    _ name: String, _ summary: String, options: [Subcommand.Option] = [], examples: [String]
  ) -> Subcommand {
    Subcommand(
      name, ["FEATURE"], summary, options: Subcommand.changing + options + [ifVersion],
      examples: examples.map { "rollout \(name) ai-summary \($0)" }
    ) { session in
      try await run(name == "ack" ? "acknowledge" : name, session)
    }
  }

  private static func run(_ name: String, _ session: Session) async throws {
    let feature = session.operand(0)
    let before = try await session.get(PlanView.self, APIPath.plan(feature))
    let version = try expectedVersion(session) ?? before.version
    if name == "advance", let projection = before.next.value?.projection, !session.printsJSON {
      session.terminal.note("Projected for \(projection.sentence).")
    }
    try confirm(name, before, session)
    let reason = try reason(name, before, session)
    var body = CommandBody(
      reason: reason, to: session.arguments.value("--to"),
      force: session.arguments.has("--force") ? true : nil,
      definition: try session.arguments.value("--file").map { try ApplyCommand.read($0).document },
      confirm: session.arguments.value("--confirm"))
    var answer = try await send(name, feature, body, version, session)
    if answer.status == 409, body.confirm == nil, session.terminal.isInteractive,
      let problem = try? session.document(answer).cleaned,
      problem["code"]?.string == ProblemCode.inUse.rawValue
    {
      session.terminal.note(problem["detail"]?.string ?? "")
      body.confirm = session.terminal.ask("Type \(feature) to archive it all the same:")
      guard body.confirm == feature else { throw CLIFailure(.failed, "Nothing was changed.") }
      answer = try await send(name, feature, body, version, session)
    }
    guard (200..<300).contains(answer.status) else {
      throw await refusal(answer, version, feature, session)
    }
    let plan = try session.decode(PlanView.self, answer)
    try session.show(answer) {
      sentence(name, before, plan, session.terminal) + Undurable.note(plan)
    }
    if let warnings = plan.warnings, !session.printsJSON {
      session.terminal.note("Passed over, although not open:")
      for warning in warnings { session.terminal.note("  - \(warning)") }
    }
  }

  private static func send(
    _ name: String, _ feature: String, _ body: CommandBody, _ version: Int, _ session: Session
  ) async throws -> Session.Answer {
    try await session.exchange(
      "POST", APIPath.command(feature, name), body: try WireEncoder.json(body),
      headers: [("if-match", "\"\(version)\"")])
  }

  private static func expectedVersion(_ session: Session) throws -> Int? {
    guard let text = session.arguments.value("--if-version") else { return nil }
    guard let version = Int(text), version > 0 else {
      throw CLIFailure(.usage, "--if-version is a whole number, not \(text).")
    }
    return version
  }

  /// What is not open is said before it is passed over, and asked why.
  private static func reason(
    _ name: String, _ plan: PlanView, _ session: Session
  ) throws -> String? {
    let given = session.arguments.value("--reason")
    // What comes next is another step: the server says so, and nothing is asked before.
    guard ["advance", "complete"].contains(name), plan.next.value?.action == name, given == nil,
      session.terminal.isInteractive,
      !session.arguments.has("--yes"), let gates = plan.next.value?.warnings,
      // Hours keep automation, and ask nobody for a reason.
      !gates.allSatisfy(Gate.isSchedule)
    else { return given }
    session.terminal.note("Not open yet:")
    for gate in gates { session.terminal.note("  - \(gate)") }
    let reason = session.terminal.ask("Why go on all the same?")
    guard !reason.allSatisfy(\.isWhitespace) else {
      throw CLIFailure(.failed, "Nothing was changed.")
    }
    return reason
  }

  private static func confirm(_ name: String, _ plan: PlanView, _ session: Session) throws {
    guard !session.arguments.has("--yes") else { return }
    let (index, overflow) = plan.stageIndex.addingReportingOverflow(1)
    let next = !overflow && plan.stages.indices.contains(index) ? plan.stages[index] : nil
    switch name {
    case "advance" where plan.status == "active" && next?.percent == 100:
      try session.terminal.confirm("Give \(plan.feature) to everyone?")
    case "kill" where !["draft", "killed"].contains(plan.status):
      try session.terminal.confirm("Take \(plan.feature) from everyone, at once?")
    case "archive" where ["draft", "completed", "killed"].contains(plan.status):
      try session.terminal.confirm("Archive \(plan.feature)?")
    default: break
    }
  }

  /// A refusal in words; when somebody else was first, with what they did.
  private static func refusal(
    _ answer: Session.Answer, _ version: Int, _ feature: String, _ session: Session
  ) async -> CLIFailure {
    let failure = session.failure(answer)
    guard let problem = try? session.document(answer),
      problem["code"]?.string == ProblemCode.staleVersion.rawValue,
      let list = try? await session.get(
        EventList.self, APIPath.events(feature) + APIPath.query([("limit", "20")]))
    else { return failure }
    let changes = list.events.filter { $0.version > version }.reversed().map { event in
      "  version \(event.version): \(Words.actor(event.actor)) \(event.type.replacing("_", with: " ")) "
        + "\(HistoryCommand.move(event))\(event.reason.isEmpty ? "" : " (\(event.reason))")"
    }
    return CLIFailure(
      failure.exitCode,
      OwnWords(
        lines: ["Somebody was faster: \(feature) has changed since version \(version)."] + changes
          + ["Nothing of yours was done. Look again, and repeat it if you still want it."]),
      problem: problem.cleaned)
  }

  private static func sentence(
    _ name: String, _ before: PlanView, _ plan: PlanView, _ terminal: Terminal
  ) -> String {
    let stage = plan.stages.indices.contains(plan.stageIndex) ? plan.stages[plan.stageIndex] : nil
    let share =
      stage?.percent.map { " (\(shortestText(of: $0)) %)" } ?? ""
    let what: String
    switch name {
    case "start": what = "serves stage \(plan.stage)\(share)"
    case "advance": what = "went from \(before.stage) to \(plan.stage)\(share)"
    case "rollback":
      what = "went back from \(before.stage) to \(plan.stage)\(share); who joined last left first"
    case "restore": what = "is back from \(before.stage) at \(plan.stage)\(share)"
    case "approve": what = approval(before, plan)
    case "acknowledge":
      let gate = plan.next.value?.waitingOn.first.map { " (\(clean($0)))" } ?? ""
      what =
        !["active", "paused"].contains(plan.status)
        ? "is acknowledged, and stays \(plan.status)"
        : plan.hold.value == nil
          ? "is released and may advance again"
          : "is acknowledged, and released by itself\(gate)"
    case "kill": what = "is killed: nobody has it now"
    case "archive":
      let until = plan.answersUntil.map {
        "; it answers as before until \(Words.time($0)), then as off"
      }
      what = "is archived\(until ?? ": nobody has it")"
    case "unarchive": what = "is back, \(plan.status) at \(plan.stage)"
    default: what = "is \(plan.status) at \(plan.stage)"
    }
    let text = terminal.told(
      "\(plan.feature) \(what). Version \(plan.version).", on: STDOUT_FILENO)
    guard text.hasPrefix("\(plan.feature) ") else { return text }
    return terminal.style(plan.feature, .bold) + text.dropFirst(plan.feature.count)
  }

  private static func approval(_ before: PlanView, _ plan: PlanView) -> String {
    if plan.approvals != before.approvals {
      return "is approved by \(clean(plan.approvals.joined(separator: ", ")))"
    }
    guard let restore = plan.restore, restore.approvals != before.restore?.approvals else {
      return "has the approval of this file; another person may apply it now"
    }
    let names = clean(restore.approvals.joined(separator: ", "))
    return "is approved to go back to \(clean(restore.to)) by \(names)"
  }
}
