import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore

/// `rollout plan apply -f FILE|FOLDER` and `rollout plan diff`
enum ApplyCommand {
  static func run(_ session: Session) async throws {
    if session.arguments.has("--dry-run") { return try await diff(session) }
    let definitions = try definitions(session)
    if definitions.count > 1 || session.arguments.has("--prune") {
      return try await FolderApply.run(definitions, session)
    }
    let definition = definitions[0]
    let path = APIPath.plan(definition.feature)
    let before = try await session.exchange("GET", path)
    guard before.status == 200 || before.status == 404 else { throw session.failure(before) }
    let headers: [(name: String, value: String)] =
      before.etag.map { [("if-match", $0)] } ?? [("if-none-match", "*")]
    let reason = session.arguments.value("--reason").map { [(name: "reason", value: $0)] } ?? []
    let answer = try await session.send(
      "PUT", path + APIPath.query(reason), body: definition.document.json, headers: headers)
    let plan = try session.decode(PlanView.self, answer)
    try session.show(answer) { sentence(plan, before: before.etag, session.terminal) }
  }

  /// What became of a plan; `before` is its quoted version so far, nil for a new one.
  static func sentence(_ plan: PlanView, before: String?, _ terminal: Terminal) -> String {
    switch before {
    case nil:
      return "\(plan.feature): created, version \(plan.version), draft. Next: rollout start "
        + plan.feature
    case "\"\(plan.version)\"": return "\(plan.feature): unchanged, version \(plan.version)"
    default:
      let lines =
        ["\(plan.feature): changed, version \(plan.version)"]
        + DiffWords.audience(plan.audience).map { "  \($0)" }
      return lines.map { terminal.told($0, on: STDOUT_FILENO) }.joined(separator: "\n")
        + Undurable.note(plan)
    }
  }

  static func diff(_ session: Session) async throws {
    let definitions = try definitions(session)
    var documents: [Document] = []
    var differs = false
    for definition in definitions {
      let before = try await session.exchange("GET", APIPath.plan(definition.feature))
      guard before.status == 200 || before.status == 404 else { throw session.failure(before) }
      let answer = try await session.send(
        "PUT", APIPath.plan(definition.feature) + "?dry_run=true", body: definition.document.json)
      let diff = try session.decode(PlanDiff.self, answer)
      differs = differs || !diff.changes.isEmpty
      if session.printsJSON {
        var document = try session.document(answer)
        if definitions.count > 1 { document.set("feature", .string(definition.feature)) }
        documents.append(document)
        continue
      }
      let old =
        before.status == 200
        ? try session.decode(PlanView.self, before, exactly: true).definition : .null
      session.terminal.print(text(diff, old, definition, session.terminal))
    }
    if session.printsJSON {
      session.terminal.print(
        documents.count == 1 ? documents[0] : .object(["plans": .array(documents)]))
    }
    if differs, session.arguments.has("--exit-code") {
      throw CLIFailure(toldAlready: .differs, "There are differences.")
    }
  }

  private static func text(
    _ diff: PlanDiff, _ old: Document, _ definition: PlanDefinition, _ terminal: Terminal
  ) -> String {
    let feature = terminal.style(definition.feature, .bold)
    guard !diff.changes.isEmpty else { return "\(feature): no change" }
    let isNew = old.isNull
    var told = DiffWords(old, definition.document).lines.map { "  \(clean($0))" }
    told += DiffWords.audience(diff.audience).map { "  \($0)" }
    if diff.joinsPer100000 > 0 || diff.leavesPer100000 > 0 {
      let parts = [(diff.joinsPer100000, "join"), (diff.leavesPer100000, "leave")]
        .filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: " and ")
      told.append("  of 100,000 users \(parts) by their bucket")
    }
    if diff.held { told.append("  the plan is held: only what narrows it is taken now") }
    if let needed = diff.audience?.approvalsNeeded, needed > 0 {
      let by = diff.approvedBy.isEmpty ? "nobody" : diff.approvedBy.joined(separator: ", ")
      told.append(
        "  needs the approval of \(needed) other than who applies it; approved by \(clean(by)) "
          + "(\(clean(diff.file)))")
    }
    let lines = told.flatMap { line -> [String] in
      let broken = terminal.told(line, on: STDOUT_FILENO, indent: 2).split(separator: "\n")
      return broken.map { style(String($0), of: line, terminal) }
    }
    return (["\(feature):\(isNew ? " a new plan" : "")"] + lines).joined(separator: "\n")
  }

  /// Broken before it is styled: what styles a line takes no room.
  private static func style(_ part: String, of line: String, _ terminal: Terminal) -> String {
    if line.hasPrefix("  join ") || line.contains(": + ") { return terminal.style(part, .green) }
    if line.hasPrefix("  leave ") || line.contains(": − ") || line.contains(" is gone") {
      return terminal.style(part, .red)
    }
    return part
  }

  /// All are read before the first is sent; what is wrong with any of them is said at once.
  private static func definitions(_ session: Session) throws -> [PlanDefinition] {
    let files = try PlanFile.named(session)
    let broken = files.filter { !$0.problems.isEmpty }
    guard broken.count > 1 else { return try files.map { try $0.definition() } }
    let lines = broken.flatMap { file in file.problems.map { "\(file.name):\($0.error)" } }
    throw CLIFailure(.failed, OwnWords(lines: lines + ["Nothing was changed."]))
  }

  /// Reads and checks a plan file; errors as `file:line:column: message`.
  static func read(_ file: String) throws -> PlanDefinition { try PlanFile(file).definition() }
}
