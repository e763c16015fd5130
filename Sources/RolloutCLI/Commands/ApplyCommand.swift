import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore
import YAMLKit

/// `rollout plan apply -f FILE|FOLDER` and `rollout plan diff`
enum ApplyCommand {
  static func run(_ session: Session) async throws {
    if session.arguments.has("--dry-run") { return try await diff(session) }
    // All are read, and asked about where there are several, before the first is sent.
    let definitions = try definitions(session)
    if definitions.count > 1 {
      for definition in definitions { _ = try await dryRun(definition, session) }
    }
    for definition in definitions {
      let path = APIPath.plan(definition.feature)
      let before = try await session.exchange("GET", path)
      guard before.status == 200 || before.status == 404 else {
        throw session.failure(before)
      }
      let headers: [(name: String, value: String)] =
        before.etag.map { [("if-match", $0)] } ?? [("if-none-match", "*")]
      let reason = session.arguments.value("--reason").map { [(name: "reason", value: $0)] } ?? []
      let answer = try await session.send(
        "PUT", path + APIPath.query(reason), body: definition.document.json, headers: headers)
      let plan = try session.decode(PlanView.self, answer)
      try session.show(answer) {
        switch before.etag {
        case nil:
          "\(plan.feature): created, version \(plan.version), draft. Next: rollout start \(plan.feature)"
        case "\"\(plan.version)\"": "\(plan.feature): unchanged, version \(plan.version)"
        default:
          (["\(plan.feature): changed, version \(plan.version)"] + sentences(plan.audience))
            .map { session.terminal.told($0, on: STDOUT_FILENO) }.joined(separator: "\n")
            + Undurable.note(plan)
        }
      }
    }
  }

  static func diff(_ session: Session) async throws {
    for definition in try definitions(session) {
      let answer = try await dryRun(definition, session)
      let diff = try session.decode(PlanDiff.self, answer)
      try session.show(answer) { text(diff, definition.feature, session.terminal) }
    }
  }

  private static func dryRun(
    _ definition: PlanDefinition, _ session: Session
  ) async throws -> Session.Answer {
    try await session.send(
      "PUT", APIPath.plan(definition.feature) + "?dry_run=true", body: definition.document.json)
  }

  private static func text(_ diff: PlanDiff, _ feature: String, _ terminal: Terminal) -> String {
    guard !diff.changes.isEmpty else { return "\(feature): no change" }
    var lines = ["\(feature):"]
    for change in diff.changes {
      lines.append("  \(clean(change.path))")
      if let from = change.from.value {
        lines += styled("    - \(clean(from.jsonText))", .red, terminal)
      }
      if let to = change.to.value {
        lines += styled("    + \(clean(to.jsonText))", .green, terminal)
      }
    }
    var told = sentences(diff.audience)
    told.append(
      "of 100,000 users \(diff.joinsPer100000) join and \(diff.leavesPer100000) leave by bucket")
    if diff.held { told.append("the plan is held: only what narrows it is taken now") }
    if let needed = diff.audience?.approvalsNeeded, needed > 0 {
      let by = diff.approvedBy.isEmpty ? "nobody" : diff.approvedBy.joined(separator: ", ")
      told.append(
        "needs the approval of \(needed) other than who applies it; approved by \(by) "
          + "(\(diff.file))")
    }
    return (lines + told.map { terminal.told($0, on: STDOUT_FILENO) }).joined(separator: "\n")
  }

  /// Broken before it is styled: what styles a line takes no room.
  private static func styled(
    _ line: String, _ style: Terminal.Style, _ terminal: Terminal
  ) -> [String] {
    terminal.told(line, on: STDOUT_FILENO).split(separator: "\n").map {
      terminal.style(String($0), style)
    }
  }

  /// Who joins and who leaves, a line each.
  private static func sentences(_ audience: AudienceView?) -> [String] {
    guard let audience else { return [] }
    func line(_ verb: String, _ part: AudienceView.Part) -> String {
      let place = part.stage.map { " of stage \($0)" } ?? ""
      return "  \(verb) by \(part.by.replacing("_", with: " "))\(place): \(clean(part.what))"
    }
    return audience.joins.map { line("join", $0) } + audience.leaves.map { line("leave", $0) }
  }

  /// The plan of the file, or all plans of the folder in order of their names.
  private static func definitions(_ session: Session) throws -> [PlanDefinition] {
    guard let path = session.arguments.value("--file") ?? session.arguments.operands.first else {
      throw CLIFailure(.usage, "Name a plan file: -f FILE")
    }
    guard let files = try files(path) else { return [try read(path)] }
    let definitions = try files.compactMap { file -> PlanDefinition? in
      guard try !isConfiguration(document(file)) else {
        session.terminal.note("\(file) is a server's configuration and no plan; it is left out.")
        return nil
      }
      return try read(file)
    }
    guard !definitions.isEmpty else { throw CLIFailure(.failed, "\(path): no plan files.") }
    let names = Dictionary(grouping: definitions, by: \.feature)
    if let twice = definitions.first(where: { (names[$0.feature] ?? []).count > 1 }) {
      throw CLIFailure(.failed, "\(path): two files are about \(twice.feature).")
    }
    return definitions
  }

  /// The server's own file often lies beside the plans.
  private static func isConfiguration(_ document: Document) -> Bool {
    document["feature"] == nil && (document["providers"] != nil || document["routes"] != nil)
  }

  /// The files of a folder, in order of their names; nil for what is none.
  private static func files(_ path: String) throws -> [String]? {
    guard path != "-", let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var files: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if [".yaml", ".yml", ".json"].contains(where: name.hasSuffix) {
        files.append("\(path)/\(name)")
      }
    }
    guard !files.isEmpty else { throw CLIFailure(.failed, "\(path): no .yaml or .json files.") }
    return files.sorted()
  }

  /// Reads and checks a plan file; errors as `file:line:column: message`.
  static func read(_ file: String) throws -> PlanDefinition {
    let document = try document(file)
    do throws(DocumentError) {
      let definition = try PlanDefinition(document)
      try definition.checkRuleCost()
      return definition
    } catch {
      throw CLIFailure(.failed, "\(file):\(error)")
    }
  }

  private static func document(_ file: String) throws -> Document {
    let bytes = try readFile(file)
    do throws(DocumentError) {
      return file.hasSuffix(".json") ? try JSONReader.read(bytes) : try YAMLReader.read(bytes)
    } catch { throw CLIFailure(.failed, "\(file):\(error)") }
  }
}
