import DocumentKit
import HTTPKit
import RolloutAPI
import RolloutCore

/// `rollout audit`
enum AuditCommand {
  static let command = Subcommand(
    "audit", [], "who changed what beside the plans: tokens, cohorts, configuration, newest first",
    options: [
      .init("--since", "WHEN", "from then on: 7d, or a time such as 2026-11-27T09:00:00Z"),
      .init(
        "--type", "KIND",
        "of this kind only: " + AuditRecord.Kind.allCases.map(\.rawValue).joined(separator: ", ")),
      .init("--actor", "WHO", "of one only: token:NAME, server or anonymous"),
      .init("--limit", "N", "so many lines (default 20; with ndjson all)"),
      .init("--format", "table|ndjson", "how to print them (default table)"),
    ],
    examples: [
      "rollout audit", "rollout audit --since 7d --type token_created",
      "rollout audit --since 90d --format ndjson > audit.ndjson",
    ],
    run: run)

  private static let path = "/v1/audit"
  /// Bytes of one line of an export: more is no answer of a server.
  private static let lineSizeMax = 1 << 20

  private static func run(_ session: Session) async throws {
    var query = try filters(session)
    switch session.arguments.value("--format") ?? "table" {
    case "table": break
    case "ndjson":
      if let limit = session.arguments.value("--limit") { query.append(("limit", limit)) }
      return try await export(query + [("format", "ndjson")], session)
    case let other: throw CLIFailure(.usage, "--format is table or ndjson, not \(other).")
    }
    query.append(("limit", session.arguments.value("--limit") ?? "20"))
    let answer = try await session.send("GET", path + APIPath.query(query))
    let list = try session.decode(AuditList.self, answer)
    try session.show(answer) {
      guard !list.audit.isEmpty else { return "Nothing of that kind was changed." }
      var text = table(list.audit, session.terminal)
      if list.next.value != nil { text += "There is more: --limit takes up to 1000.\n" }
      return text
    }
  }

  private static func filters(_ session: Session) throws -> [(name: String, value: String)] {
    var query: [(name: String, value: String)] = []
    for name in ["type", "actor"] {
      if let value = session.arguments.value("--\(name)") { query.append((name, value)) }
    }
    guard let text = session.arguments.value("--since") else { return query }
    guard let since = TimeSpan(text).map({ LocalTime.now - $0 }) ?? Instant(rfc3339: text) else {
      throw CLIFailure(
        .usage,
        "--since is a time back such as 7d, or one such as 2026-11-27T09:00:00Z, not \(text).")
    }
    return query + [("since", since.rfc3339)]
  }

  /// Line by line as they come, each of which must be JSON.
  private static func export(
    _ query: [(name: String, value: String)], _ session: Session
  ) async throws {
    let stream = try await session.download("GET", path + APIPath.query(query))
    var rest: [UInt8] = []
    func printed(_ line: [UInt8]) throws {
      guard (try? JSONReader.read(line)) != nil else {
        throw CLIFailure(.failed, "The server's answer is not JSON. Is it a Rollout server?")
      }
      session.terminal.printJSON(line)
    }
    do {
      while let bytes = try await stream.next() {
        rest += bytes
        while let end = rest.firstIndex(of: 0x0A) {
          try printed(Array(rest[..<end]))
          rest.removeFirst(end + 1)
        }
        guard rest.count <= lineSizeMax else {
          throw CLIFailure(.failed, "The server's answer has no lines. Is it a Rollout server?")
        }
      }
    } catch let failure as HTTPFailure {
      throw CLIFailure(.unreachable, "The export broke off (\(failure)); it is not whole.")
    }
    guard rest.isEmpty else {
      throw CLIFailure(.failed, "The export broke off in the middle of a line; it is not whole.")
    }
  }

  /// Columns from which on the reasons have one of their own; below they stand under their line.
  private static let wideFrom = 132
  /// Columns of who did it, at most, where these are few.
  private static let whoMax = 18

  private static func table(_ entries: [AuditView], _ terminal: Terminal) -> String {
    if terminal.columns >= wideFrom {
      let columns = [
        Grid.Column("TIME"), .init("WHO", widthMin: 8), .init("WHAT", widthMin: 20),
        .init("WHY", widthMin: 12),
      ]
      let wide = entries.map { cells($0) + [Grid.Cell($0.reason)] }
      return Grid(columns: columns, rows: wide).lines(terminal).joined(separator: "\n") + "\n"
    }
    // What was done is a sentence: it is never cut, but goes on under its line, and so does why.
    let rows = entries.map(cells)
    let widths = [("TIME", 0), ("WHO", 1)].map { title, column in
      min(rows.map { $0[column].text.count }.reduce(title.count, max), whoMax)
    }
    func line(_ time: String, _ who: String, _ rest: String) -> String {
      let parts = zip([time, who], widths).map { text, width in
        let shown = text.count > width ? String(text.prefix(width - 1)) + "…" : text
        return shown + String(repeating: " ", count: width - shown.count + 2)
      }
      return parts.joined() + rest
    }
    let margin = widths.reduce(0) { $0 + $1 + 2 }
    let told = zip(entries, rows).flatMap { entry, row -> [String] in
      let first = line(row[0].text, row[1].text, row[2].text)
      guard !entry.reason.isEmpty else { return terminal.wrapped(first, indent: margin) }
      return terminal.wrapped(first, indent: margin)
        + terminal.wrapped(line("", "", clean(entry.reason)), indent: margin)
    }
    let header = terminal.style(line("TIME", "WHO", "WHAT"), .dim)
    return ([header] + told).joined(separator: "\n") + "\n"
  }

  private static func cells(_ entry: AuditView) -> [Grid.Cell] {
    [
      Grid.Cell(LocalTime.brief(entry.at)), .init(Words.actor(entry.actor), .bold),
      .init(what(entry)),
    ]
  }

  /// What was done, and how often until when.
  private static func what(_ entry: AuditView) -> String {
    let times =
      entry.count > 1 ? ", \(entry.count) times until \(LocalTime.brief(entry.lastAt))" : ""
    return clean(entry.sentence) + times
  }
}
