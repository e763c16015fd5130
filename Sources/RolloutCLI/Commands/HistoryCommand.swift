import DocumentKit
import RolloutAPI

/// `rollout history FEATURE`
enum HistoryCommand {
  static let command = Subcommand(
    "history", ["FEATURE"], "what happened to a plan, newest first",
    options: [
      .init("--limit", "N", "so many lines (default 20)"),
      .init("--evidence", nil, "with the numbers behind automatic changes"),
      .init("--verify", nil, "whether all of history is as it was written, of every plan"),
    ],
    examples: [
      "rollout history ai-summary", "rollout history ai-summary --limit 100 --evidence",
      "rollout history ai-summary --verify",
    ],
    run: run)

  private static func run(_ session: Session) async throws {
    guard !session.arguments.has("--verify") else { return try await verify(session) }
    let limit = session.arguments.value("--limit") ?? "20"
    let answer = try await session.send(
      "GET", APIPath.events(session.operand(0)) + APIPath.query([("limit", limit)]))
    let list = try session.decode(EventList.self, answer)
    try session.show(answer) {
      var text = table(list.events, session.terminal)
      if session.arguments.has("--evidence") {
        for event in list.events {
          guard let evidence = event.evidence else { continue }
          text += "\nversion \(event.version): \(clean(evidence.jsonText))\n"
        }
      }
      let unwritten = list.events.count { $0.durable == false }
      if unwritten > 0 {
        let which = unwritten == 1 ? "The newest line is" : "The newest \(unwritten) lines are"
        text += "\(which) in force and not on disk yet: \(Undurable.consequence).\n"
      }
      if list.next.value != nil { text += "There is more: --limit takes up to 1000.\n" }
      return text
    }
  }

  /// Follows the chain of hashes; what is broken is a failure.
  private static func verify(_ session: Session) async throws {
    let answer = try await session.send("GET", "/v1/history/check")
    let check = try session.decode(HistoryCheckView.self, answer)
    guard check.intact else {
      var document = try session.document(answer)
      document.set("detail", .string("History was changed."))
      let place = check.firstBroken.value.map { "event \($0)" } ?? "an event"
      throw CLIFailure(
        .failed,
        "History was changed: \(place) does not fit those before it, after "
          + "\(check.events.adding(-1)) that do. Compare with a back-up.",
        problem: document)
    }
    try session.show(answer) {
      "✓ \(check.events) changes of all plans are as they were written: every hash fits."
    }
  }

  /// `beta → 25`, or the status where that is what changed.
  static func move(_ event: EventView) -> String {
    guard let from = event.from.value else { return event.to.status }
    if from.stage != event.to.stage { return "\(from.stage) → \(event.to.stage)" }
    if from.status != event.to.status { return "\(from.status) → \(event.to.status)" }
    return event.to.stage
  }

  /// Columns from which on the reasons have one of their own; below they stand under their line.
  private static let wideFrom = 132

  private static func table(_ events: [EventView], _ terminal: Terminal) -> String {
    let header = ["VERSION", "TIME", "WHAT", "FROM → TO", "WHO"]
    let rows = events.map { event in
      [
        "\(event.version)", Words.time(event.at), event.type.replacing("_", with: " "),
        move(event), Words.actor(event.actor),
      ]
    }
    if terminal.columns >= wideFrom {
      let reasons = zip(rows, events).map { $0 + [$1.reason] }
      return terminal.table(header + ["WHY"], reasons)
    }
    let lines = terminal.table(header, rows).split(separator: "\n").map(String.init)
    let told = zip(lines.dropFirst(), events).flatMap { line, event -> [String] in
      guard !event.reason.isEmpty else { return [line] }
      let margin = String(repeating: " ", count: header[0].count + 2)
      return [line] + terminal.wrapped(margin + clean(event.reason), indent: margin.count)
    }
    return (lines.prefix(1) + told).joined(separator: "\n") + "\n"
  }
}
