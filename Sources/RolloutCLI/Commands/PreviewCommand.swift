import DocumentKit
import RolloutAPI
import RolloutCore

/// `rollout preview FEATURE [-f users.csv]`
enum PreviewCommand {
  static let command = Subcommand(
    "preview", ["FEATURE"],
    "how many have a feature at each stage and what the next costs; of a list, who",
    options: [
      .init(
        "--file", "FILE", "users: ids, a table (other columns are attributes) or JSON lines (-f)")
    ] + shared + [
      .init("--format", "table|csv|ndjson", "how to print it (default table)"),
      .init("--column", "NAME", "the column with the ids (default: user, user_id, id or email)"),
      .init("--no-header", nil, "the first line is a user too"),
    ],
    examples: [
      "rollout preview ai-summary --population 100000",
      "rollout preview ai-summary --with ai-reply --stage 50",
      "rollout preview ai-summary -f users.csv",
      "rollout preview ai-summary -f - --format csv < users.ndjson > who.csv",
    ], run: run)

  /// Of `plan preview` too.
  static let shared: [Subcommand.Option] = [
    .init("--stage", "STAGE", "the stage (default: the next)"),
    .init("--population", "N", "so many users there are in all (default: from those seen)"),
    .init("--with", "FEATURE", "another feature: who has both, and who has one of them"),
    .init("--with-stage", "STAGE", "its stage (default: as it stands)"),
  ]

  /// Users of one call.
  private static let portionMax = 5000

  enum Format: String {
    case table, csv, ndjson
  }

  /// What is asked of the server about the stage and the other feature.
  static func query(_ session: Session) -> [(String, String)] {
    [("--stage", "stage"), ("--with", "with"), ("--with-stage", "with_stage")].compactMap {
      option, name in session.arguments.value(option).map { (name, $0) }
    }
  }

  private static func run(_ session: Session) async throws {
    let text = session.arguments.value("--format") ?? "table"
    guard let format = Format(rawValue: text) else {
      throw CLIFailure(.usage, "--format is table, csv or ndjson, not \(text).")
    }
    guard session.arguments.value("--file") != nil else {
      return try await PreviewSizes.run(session, format)
    }
    let population = try population(session)
    let users = try read(session)
    let path = APIPath.preview(session.operand(0)) + APIPath.query(query(session))
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
    let counts = PreviewCounts(found, last, population: population)
    if session.printsJSON {
      var whole = last
      whole.users = found
      var document = try JSONReader.read(WireEncoder.json(whole))
      for member in counts.members { document.set(member.key, member.value) }
      return session.terminal.printJSON(document.json)
    }
    session.terminal.print(shown(found, last, counts, format, session.terminal))
    if format != .table { session.terminal.note(counts.sentences.joined(separator: "\n")) }
  }

  private static func population(_ session: Session) throws -> Int? {
    guard let text = session.arguments.value("--population") else { return nil }
    guard let count = Int(text), (1...10_000_000_000).contains(count) else {
      throw CLIFailure(.usage, "--population is a whole number of users, not \(text).")
    }
    return count
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
    _ users: [UserPreviewView.User], _ view: UserPreviewView, _ counts: PreviewCounts,
    _ format: Format, _ terminal: Terminal
  ) -> String {
    switch format {
    case .csv:
      let rows = users.map { user in
        let other = user.other.map { [word($0)] } ?? []
        let fields =
          [user.user, user.cohort, "\(user.bucket)", word(user.now), word(user.then)] + other
          + [user.because]
        return fields.map(cell).joined(separator: ",")
      }
      let other = view.other == nil ? "" : "other,"
      return (["user,cohort,bucket,now,then,\(other)because"] + rows).joined(separator: "\n")
    case .ndjson:
      return users.map { user in
        String(decoding: (try? WireEncoder.json(user)) ?? [], as: UTF8.self).asciiControls
      }.joined(separator: "\n")
    case .table:
      let other = view.other.map { _ in [Grid.Column("OTHER")] } ?? []
      let columns =
        [
          Grid.Column("USER", widthMin: 16), .init("COHORT", widthMin: 8), .init("NOW"),
          .init("AT \(clean(view.stage))"),
        ] + other + [.init("BECAUSE", widthMin: 12)]
      let rows = users.map { user in
        let style: Terminal.Style? = user.then == user.now ? nil : user.then ? .green : .red
        let other = view.other == nil ? [] : [Grid.Cell(word(user.other ?? false))]
        return [
          Grid.Cell(user.user, style), .init(user.cohort), .init(word(user.now)),
          .init(word(user.then), style),
        ] + other + [.init(user.because, .dim)]
      }
      let lines = Grid(columns: columns, rows: rows).lines(terminal)
      return (lines + [""] + counts.sentences.flatMap { terminal.wrapped($0, indent: 0) })
        .joined(separator: "\n")
    }
  }

  private static func word(_ has: Bool) -> String { has ? "on" : "off" }

  /// As spreadsheets read it; what they would take for a formula is text.
  static func cell(_ text: String) -> String {
    let text = clean(text)
    let isFormula = text.first.map { "=+-@".contains($0) } ?? false
    let plain = isFormula ? "'" + text : text
    guard plain.contains(where: { ",\"\n".contains($0) }) else { return plain }
    return "\"" + plain.replacing("\"", with: "\"\"") + "\""
  }
}
