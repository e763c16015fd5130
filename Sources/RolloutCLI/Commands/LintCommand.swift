import DocumentKit

/// `rollout plan lint FILE|FOLDER…`
enum LintCommand {
  static let command = Subcommand(
    "plan lint", ["FILE|FOLDER…"],
    "check plan files without a server: everything that is wrong with them, line by line",
    options: [
      .init("--format", "text|github", "for people (default), or as annotations of a pull request")
    ],
    examples: [
      "rollout plan lint ai-summary.yaml", "rollout plan lint plans/ --format github",
    ], run: run)

  private static func run(_ session: Session) async throws {
    let format = session.arguments.value("--format") ?? "text"
    guard ["text", "github"].contains(format) else {
      throw CLIFailure(.usage, "--format is text or github, not \(format).")
    }
    let files = try PlanFile.named(session)
    let count = files.reduce(0) { $0 + $1.problems.count }
    if session.printsJSON {
      session.terminal.print(
        .object([
          "files": .int(files.count), "problems": .array(files.flatMap(documents)),
        ]))
    } else {
      let lines = files.flatMap { file in
        file.problems.map { problem in
          format == "github"
            ? annotation(problem, file) : text(problem, file, session.terminal)
        }
      }
      if !lines.isEmpty { session.terminal.print(lines.joined(separator: "\n")) }
      if count == 0, format == "text" {
        session.terminal.print(
          files.count == 1 ? "1 file is fine" : "\(files.count) files are fine")
      }
    }
    let unchecked = files.reduce(into: Set<String>()) { $0.formUnion($1.uncheckedZones) }.sorted()
    if !unchecked.isEmpty {
      session.terminal.note(
        "This machine has no tzdata, so these time zones are for the server to check: "
          + "\(unchecked.joined(separator: ", ")).")
    }
    guard count > 0 else { return }
    let broken = files.filter { !$0.problems.isEmpty }.count
    throw CLIFailure(
      toldAlready: .failed,
      "\(count) problem\(count == 1 ? "" : "s") in \(broken) of \(files.count) "
        + "file\(files.count == 1 ? "" : "s").")
  }

  private static func documents(_ file: PlanFile) -> [Document] {
    file.problems.map { problem in
      .object([
        "file": .string(file.name), "line": .int(problem.error.position.line),
        "column": .int(problem.error.position.column), "path": .string(problem.error.path),
        "message": .string(problem.error.message), "found": problem.value.map { .string($0) },
      ])
    }
  }

  /// The message, with what was found where it does not say so.
  private static func message(_ problem: PlanFile.Problem) -> String {
    let message = problem.error.message
    guard let value = problem.value, !value.isEmpty, !message.contains(value) else {
      return message
    }
    return "\(message) Found: \(value.count > 60 ? value.prefix(60) + "…" : value[...])"
  }

  /// The place, the line and a mark below it.
  private static func text(
    _ problem: PlanFile.Problem, _ file: PlanFile, _ terminal: Terminal
  ) -> String {
    let error = problem.error
    let place = error.position == .unknown ? "" : "\(error.position): "
    let path = error.path.isEmpty ? "" : "\(error.path): "
    let head = terminal.told(
      clean("\(file.name):\(place)\(path)\(message(problem))"), on: 1)
    guard error.position != .unknown, let line = file.line(error.position.line) else { return head }
    // Marks stand below what they mark, whatever is as wide as several columns.
    let number = "\(error.position.line)"
    let gap = String(repeating: " ", count: number.count)
    let scalars = Array(line.unicodeScalars)
    let before = scalars.prefix(error.position.column - 1).map { $0 == "\t" ? "\t" : " " }.joined()
    let start = error.position.column - 1
    let isWhole = problem.value.map { value in
      scalars.dropFirst(start).starts(with: value.unicodeScalars)
    }
    let length = isWhole == true ? problem.value?.unicodeScalars.count : nil
    let width = max(1, min(length ?? marked(scalars, start), 60))
    let mark = terminal.style("^" + String(repeating: "~", count: width - 1), .red)
    return """
      \(head)
        \(number) | \(clean(line.replacing("\t", with: " ")))
        \(gap) | \(before.replacing("\t", with: " "))\(mark)
      """
  }

  /// How many characters from `start` on are one value or key.
  private static func marked(_ line: [Unicode.Scalar], _ start: Int) -> Int {
    guard line.indices.contains(start) else { return 1 }
    let first = line[start]
    if first == "\"" || first == "'" {
      let end = line[(start + 1)...].firstIndex(of: first)
      return (end ?? line.count - 1) - start + 1
    }
    let ends: Set<Unicode.Scalar> = [",", "}", "]", ":", "#", " ", "{", "["]
    return max(1, line[start...].prefix { !ends.contains($0) }.count)
  }

  /// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
  private static func annotation(_ problem: PlanFile.Problem, _ file: PlanFile) -> String {
    func escaped(_ text: String, isValue: Bool) -> String {
      let plain = text.replacing("%", with: "%25").replacing("\r", with: "%0D")
        .replacing("\n", with: "%0A")
      return isValue ? plain : plain.replacing(":", with: "%3A").replacing(",", with: "%2C")
    }
    let error = problem.error
    var fields = "file=\(escaped(clean(file.name), isValue: false))"
    if error.position != .unknown {
      fields += ",line=\(error.position.line),col=\(error.position.column)"
    }
    if !error.path.isEmpty { fields += ",title=\(escaped(clean(error.path), isValue: false))" }
    return "::error \(fields)::\(escaped(clean(message(problem)), isValue: true))"
  }
}
