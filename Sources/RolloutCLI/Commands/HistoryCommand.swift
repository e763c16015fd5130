import DocumentKit
import RolloutAPI

/// `rollout history FEATURE`
enum HistoryCommand {
  static let command = Command(
    "history", ["FEATURE"], "what happened to a plan, newest first",
    options: [
      .init("--limit", "N", "so many lines (default 20)"),
      .init("--evidence", nil, "with the numbers behind automatic changes"),
    ], run: run)

  private static func run(_ session: Session) async throws {
    let limit = session.arguments.value("--limit") ?? "20"
    let answer = try await session.send(
      "GET", APIPath.events(session.operand(0)) + APIPath.query([("limit", limit)]))
    let list = try session.decode(EventList.self, answer)
    try session.show(answer) {
      var text = session.terminal.table(
        ["VERSION", "TIME", "WHAT", "FROM → TO", "WHO", "WHY"],
        list.events.map { event in
          [
            "\(event.version)", time(event.at), event.type.replacing("_", with: " "), move(event),
            event.actor, event.reason,
          ]
        })
      if session.arguments.has("--evidence") {
        for event in list.events {
          guard let evidence = event.evidence else { continue }
          text += "\nversion \(event.version): \(clean(evidence.jsonText))\n"
        }
      }
      if list.next.value != nil { text += "There is more: --limit takes up to 1000.\n" }
      return text
    }
  }

  /// `beta → 25`, or the status where that is what changed.
  static func move(_ event: EventView) -> String {
    guard let from = event.from.value else { return event.to.status }
    if from.stage != event.to.stage { return "\(from.stage) → \(event.to.stage)" }
    if from.status != event.to.status { return "\(from.status) → \(event.to.status)" }
    return event.to.stage
  }

  /// `2026-11-23 10:00:00` of an RFC 3339 time.
  private static func time(_ text: String) -> String {
    String(text.prefix(19)).replacing("T", with: " ")
  }
}
