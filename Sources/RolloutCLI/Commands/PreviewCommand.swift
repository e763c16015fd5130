import DocumentKit
import RolloutAPI

/// `rollout preview FEATURE -f users.csv`
enum PreviewCommand {
  static let command = Subcommand(
    "preview", ["FEATURE"], "who of a list has the feature now, and at a stage",
    options: [
      .init(
        "--file", "FILE", "users: ids, a table (other columns are attributes) or JSON lines (-f)",
        required: true),
      .init("--stage", "STAGE", "the stage (default: the next)"),
      .init("--format", "table|csv|ndjson", "how to print them (default table)"),
      .init("--column", "NAME", "the column with the ids (default: user, user_id, id or email)"),
      .init("--no-header", nil, "the first line is a user too"),
    ],
    examples: [
      "rollout preview ai-summary -f users.csv",
      "rollout preview ai-summary -f users.csv --stage 50",
      "rollout preview ai-summary -f - --format csv < users.ndjson > who.csv",
    ], run: run)

  /// Users of one call.
  private static let portionMax = 5000

  private enum Format: String {
    case table, csv, ndjson
  }

  private static func run(_ session: Session) async throws {
    let text = session.arguments.value("--format") ?? "table"
    guard let format = Format(rawValue: text) else {
      throw CLIFailure(.usage, "--format is table, csv or ndjson, not \(text).")
    }
    let users = try read(session)
    let stage = session.arguments.value("--stage").map { [("stage", $0)] } ?? []
    let path = APIPath.preview(session.operand(0)) + APIPath.query(stage)
    var found: [UserPreviewView.User] = []
    var last: UserPreviewView?
    let bar = ProgressBar(session.terminal, total: users.count)
    for start in stride(from: 0, to: users.count, by: portionMax) {
      let portion = users[start..<min(users.count, start + portionMax)].map { user in
        Document.object([
          "id": .string(user.id), "attributes": Document(.object(user.attributes)),
        ])
      }
      let answer = try await session.send(
        "POST", path, body: Document.object(["users": .array(portion)]).json)
      let view = try session.decode(UserPreviewView.self, answer, exactly: true)
      found += view.users
      last = view
      if users.count > portionMax { bar.show(found.count) }
    }
    bar.end()
    guard let last else { return }
    if session.printsJSON {
      var whole = last
      whole.users = found
      return session.terminal.printJSON(try WireEncoder.json(whole))
    }
    session.terminal.print(shown(found, last, format, session.terminal))
    if format != .table { session.terminal.note(summary(found, last)) }
  }

  private static func read(_ session: Session) throws -> [UserFile.User] {
    let name = session.arguments.value("--file") ?? "-"
    let bytes = try readFile(name)
    let isJSON =
      [".json", ".ndjson", ".jsonl"].contains(where: name.hasSuffix)
      || bytes.first { $0 > 0x20 } == UInt8(ascii: "{")
    var options = MemberFile.Options(column: session.arguments.value("--column"))
    if session.arguments.has("--no-header") { options.hasHeader = false }
    let users: [UserFile.User]
    do throws(MemberFile.Unreadable) {
      users = try UserFile(bytes, isJSON ? .json : .table, options).users
    } catch {
      let place = error.line == 0 ? name : "\(name):\(error.line)"
      throw CLIFailure(.failed, "\(place): \(error.message)")
    }
    guard !users.isEmpty else { throw CLIFailure(.failed, "\(name): there are no users in it.") }
    return users
  }

  // MARK: Printing

  private static func shown(
    _ users: [UserPreviewView.User], _ view: UserPreviewView, _ format: Format,
    _ terminal: Terminal
  ) -> String {
    switch format {
    case .csv:
      let rows = users.map { user in
        [user.user, user.cohort, "\(user.bucket)", word(user.now), word(user.then), user.because]
          .map(cell).joined(separator: ",")
      }
      return (["user,cohort,bucket,now,then,because"] + rows).joined(separator: "\n")
    case .ndjson:
      return users.map { user in
        String(decoding: (try? WireEncoder.json(user)) ?? [], as: UTF8.self).asciiControls
      }.joined(separator: "\n")
    case .table:
      let columns = [
        Grid.Column("USER", widthMin: 16), .init("COHORT", widthMin: 8), .init("NOW"),
        .init("AT \(clean(view.stage))"), .init("BECAUSE", widthMin: 12),
      ]
      let rows = users.map { user in
        let style: Terminal.Style? = user.then == user.now ? nil : user.then ? .green : .red
        return [
          Grid.Cell(user.user, style), .init(user.cohort), .init(word(user.now)),
          .init(word(user.then), style), .init(user.because, .dim),
        ]
      }
      let lines = Grid(columns: columns, rows: rows).lines(terminal)
      return (lines + [""] + terminal.wrapped(summary(users, view), indent: 0))
        .joined(separator: "\n")
    }
  }

  private static func word(_ has: Bool) -> String { has ? "on" : "off" }

  /// As spreadsheets read it; what they would take for a formula is text.
  private static func cell(_ text: String) -> String {
    let text = clean(text)
    let isFormula = text.first.map { "=+-@".contains($0) } ?? false
    let plain = isFormula ? "'" + text : text
    guard plain.contains(where: { ",\"\n".contains($0) }) else { return plain }
    return "\"" + plain.replacing("\"", with: "\"\"") + "\""
  }

  private static func summary(_ users: [UserPreviewView.User], _ view: UserPreviewView) -> String {
    let then = users.count { $0.then }
    let joins = users.count { $0.then && !$0.now }
    let leaves = users.count { $0.now && !$0.then }
    let share = Figures.share(Double(then) / Double(max(1, users.count)))
    return "\(then) of \(users.count) (\(share)) have \(clean(view.feature)) at stage "
      + "\(clean(view.stage)): \(joins) join, \(leaves) leave."
  }
}
