import DocumentKit
import RolloutAPI

/// `rollout captures …`
enum CaptureCommands {
  static let all = [
    Subcommand(
      "captures list", ["FEATURE"], "sampled prompts and answers, redacted, the last one first",
      options: [.init("--limit", "N", "so many at most (default 10)")],
      examples: ["rollout captures list ai-summary --limit 3"], run: list),
    Subcommand(
      "captures delete", ["FEATURE"], "forget all prompts and answers of a feature, for good",
      options: Subcommand.changing,
      examples: ["rollout captures delete ai-summary --yes"], run: delete),
  ]

  private static func path(_ session: Session, _ more: [(name: String, value: String)] = [])
    -> String
  {
    "/v1/captures" + APIPath.query([("feature", session.operand(0))] + more)
  }

  private static func list(_ session: Session) async throws {
    let limit = session.arguments.value("--limit") ?? "10"
    let answer = try await session.send("GET", path(session, [("limit", limit)]))
    let list = try session.decode(CaptureList.self, answer)
    try session.show(answer) {
      guard !list.captures.isEmpty else {
        return
          "No prompts are kept of \(clean(session.operand(0))). The server's rollout.yaml says which: capture."
      }
      var lines = list.captures.flatMap { block($0, session.terminal) }
      if list.next.value != nil { lines.append("There is more: --limit takes up to 1000.") }
      return lines.joined(separator: "\n")
    }
  }

  private static func block(_ capture: CaptureView, _ terminal: Terminal) -> [String] {
    let place = "\(capture.provider) \(capture.model), at \(capture.stage), \(capture.requestId)"
    let head = "\(Words.time(capture.at))  \(clean(place))"
    return terminal.wrapped(head, indent: 2).map { terminal.style($0, .dim) }
      + said(capture.prompt).flatMap { terminal.row($0.who, clean($0.text)) }
      + terminal.row("answered", clean(capture.answer))
      + [""]
  }

  /// A list of messages by who said them; whatever else was asked as it came.
  private static func said(_ prompt: String) -> [(who: String, text: String)] {
    let messages = (try? JSONReader.read(Array(prompt.utf8)))?.array ?? []
    let said = messages.compactMap { message in
      message["role"]?.string.flatMap { who in
        message["content"].map { (who: who, text: $0.string ?? $0.jsonText) }
      }
    }
    return said.isEmpty || said.count < messages.count ? [(who: "asked", text: prompt)] : said
  }

  private static func delete(_ session: Session) async throws {
    let feature = session.operand(0)
    if !session.arguments.has("--yes") {
      try session.terminal.confirm("Forget all prompts and answers of \(feature), for good?")
    }
    _ = try await session.send("DELETE", path(session, session.reason))
    session.terminal.note("No prompts or answers of \(feature) are kept any more.")
  }
}
