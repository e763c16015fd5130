import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore
import RolloutImport
import YAMLKit

/// `rollout import SYSTEM FILE`
enum ImportCommand {
  static let command = Subcommand(
    "import", ["SYSTEM", "FILE"],
    "make plans of the flags of flagd, unleash, goff or growthbook, for the same people",
    options: [
      .init("--apply", nil, "make the plans, as drafts, all of them or none"),
      .init("--out", "FOLDER", "write plan files into it; asks no server"),
      .init("--only", "KEY", "only the flag of this key", repeatable: true),
      .init("--user", "ATTRIBUTE", "what the user's id is called there (default: as usual there)"),
      .init("--environment", "NAME", "whose state counts, in a file of several (Unleash)"),
      .init("--at", "TIME", "when dates and growing shares are looked at (default: now)"),
      .init("--exit-code", nil, "exit 6 where something cannot be kept"),
    ] + Subcommand.changing,
    examples: [
      "unleash export.json", "flagd flags.json --out plans/",
      "growthbook sdk.json --only search --apply --reason 'moving in'",
    ].map { "rollout import \($0)" }, run: run)

  private static func run(_ session: Session) async throws {
    guard let system = ForeignSystem(rawValue: session.operand(0)) else {
      let names = ForeignSystem.allCases.map(\.rawValue).joined(separator: ", ")
      throw CLIFailure(.usage, "There are \(names), not \(session.operand(0)).")
    }
    let name = session.operand(1)
    var file = try read(name, system, try settings(session))
    try narrow(&file, session)
    let report = ImportReport(file: file, name: name, system: system)
    let definitions = file.plans.compactMap(\.definition)
    var folder: String?
    if let chosen = session.arguments.value("--out") {
      try report.write(to: chosen)
      folder = chosen
    }
    let isApplied = session.arguments.has("--apply")
    if isApplied { try await apply(definitions, session) }
    if session.printsJSON {
      session.terminal.print(report.document(isApplied: isApplied))
    } else {
      session.terminal.print(
        report.text(session.terminal, isApplied: isApplied, folder: folder))
    }
    let isWhole = file.plans.allSatisfy { $0.definition != nil && $0.remarks.isEmpty }
    if session.arguments.has("--exit-code"), !isWhole {
      throw CLIFailure(toldAlready: .differs, "Not everything can be kept.")
    }
  }

  private static func settings(_ session: Session) throws(CLIFailure) -> ImportSettings {
    var settings = ImportSettings(time: LocalTime.now)
    if let text = session.arguments.value("--at") {
      guard let time = Instant(rfc3339: text) else {
        throw CLIFailure(.usage, "--at is a time such as 2026-11-27T10:00:00Z, not \(text).")
      }
      settings.time = time
    }
    settings.userAttribute = session.arguments.value("--user")
    settings.environment = session.arguments.value("--environment")
    return settings
  }

  private static func read(
    _ name: String, _ system: ForeignSystem, _ settings: ImportSettings
  ) throws(CLIFailure) -> FlagFile {
    let bytes = try readFile(name)
    // JSON may be larger than YAML, and says more exactly where it is wrong.
    let start = bytes.first { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    let isJSON = name.hasSuffix(".json") || start == UInt8(ascii: "{")
    do throws(DocumentError) {
      let document = isJSON ? try JSONReader.read(bytes) : try YAMLReader.read(bytes)
      return try FlagFile(document, of: system, settings)
    } catch {
      throw CLIFailure(.failed, "\(name):\(error)")
    }
  }

  /// Leaves the flags that `--only` names, if it does.
  private static func narrow(_ file: inout FlagFile, _ session: Session) throws(CLIFailure) {
    let wanted = session.arguments.all("--only")
    guard !wanted.isEmpty else { return }
    let keys = file.plans.map(\.key)
    if let stranger = wanted.first(where: { !keys.contains($0) }) {
      let hint: OwnWords = Suggestions.near(stranger, keys).map { "Did you mean \($0)?" } ?? ""
      throw CLIFailure(.failed, "There is no flag \(stranger) in the file. \(hint)")
    }
    file.keep(wanted)
  }

  /// New plans only: one that is there may have moved on, and its people with it.
  private static func apply(_ definitions: [PlanDefinition], _ session: Session) async throws {
    guard !definitions.isEmpty else {
      throw CLIFailure(.failed, "No plan can be made of these flags; see why without --apply.")
    }
    let known = try await FolderApply.known(session)
    let taken = definitions.map(\.feature).filter { known[$0] != nil }
    guard taken.isEmpty else {
      throw CLIFailure(
        .conflict,
        "Nothing was made: \(taken.joined(separator: ", ")) "
          + "\(taken.count == 1 ? "has a plan" : "have plans") already. Name the other flags with "
          + "--only, or write files with --out and apply those you want.")
    }
    let answer = try await FolderApply.send(definitions, [], [:], session)
    // What is no list of plans did not come from a server that made them.
    _ = try session.decode(PlanList.self, answer)
  }
}
