import DocumentKit
import Glibc
import PlatformKit
import RolloutCore
import YAMLKit

/// A plan file, read as far as it can be.
struct PlanFile: Sendable {
  /// Where it stands, and what is wrong there.
  struct Problem: Sendable {
    var error: DocumentError
    /// What was found there; nil where that says nothing.
    var value: String?
  }

  let name: String
  private let text: [UInt8]
  /// nil for what is no YAML or JSON.
  let document: Document?
  private(set) var problems: [Problem]
  /// Time zones that only the server can check.
  private(set) var uncheckedZones: Set<String> = []

  /// Throws `CLIFailure` for a file that cannot be read at all.
  init(_ name: String) throws(CLIFailure) {
    self.name = name
    text = try readFile(name)
    do throws(DocumentError) {
      let document =
        name.hasSuffix(".json") ? try JSONReader.read(text) : try YAMLReader.read(text)
      self.document = document
      problems = PlanDefinition.problems(of: document).map { error in
        Problem(error: error, value: Self.value(at: error.position, in: document))
      }
      addUnknownZones(OpeningHours.zones(in: document))
    } catch {
      document = nil
      problems = [Problem(error: error, value: nil)]
    }
  }

  /// Zones that the server could not take: the same package knows them here. Where it is missing,
  /// nothing can be said of them.
  private mutating func addUnknownZones(_ mentions: [ZoneMention]) {
    let folder = ZoneFolder()
    for mention in mentions where mention.name != "UTC" {
      guard folder.isThere else {
        uncheckedZones.insert(mention.name)
        continue
      }
      guard folder.file(of: mention.name).flatMap({ ZoneRules(file: $0) }) == nil else { continue }
      problems.append(
        Problem(
          error: DocumentError(
            OpeningHours.unknownZone(mention.name, isMachineEmpty: false), at: mention.position,
            path: mention.path),
          value: mention.name))
    }
    problems = problems.enumerated().sorted { a, b in
      let (one, other) = (a.element.error.position, b.element.error.position)
      return (one.line, one.column, a.offset) < (other.line, other.column, b.offset)
    }.map(\.element)
  }

  /// The server's own file often lies beside the plans.
  var isConfiguration: Bool {
    guard let document else { return false }
    return document["feature"] == nil
      && (document["providers"] != nil || document["routes"] != nil)
  }

  var feature: String? { document?["feature"]?.scalarText }

  /// The plan; throws what is wrong first.
  func definition() throws(CLIFailure) -> PlanDefinition {
    guard let document, problems.isEmpty else {
      let first = problems.first.map { "\($0.error)" } ?? ""
      let more: OwnWords =
        problems.count > 1 ? "\n\(problems.count - 1) more: rollout plan lint \(name)" : ""
      throw CLIFailure(.failed, "\(name):\(first)\(more)")
    }
    do throws(DocumentError) { return try PlanDefinition(document) } catch {
      throw CLIFailure(.failed, "\(name):\(error)")
    }
  }

  /// Another file is about the same feature.
  mutating func add(twin: String) {
    let position = document?["feature"]?.position ?? .unknown
    problems.append(
      Problem(
        error: DocumentError(
          "\(twin) is about the same feature; one file for each.", at: position, path: "feature"),
        value: nil))
  }

  /// The line of a problem as it stands in the file; nil where there is none.
  func line(_ number: Int) -> String? {
    let lines = text.split(separator: 0x0A, omittingEmptySubsequences: false)
    guard lines.indices.contains(number - 1) else { return nil }
    var line = String(decoding: lines[number - 1], as: UTF8.self)
    if line.hasSuffix("\r") { line.removeLast() }
    return line
  }

  /// The scalar at a place.
  private static func value(at position: Position, in document: Document) -> String? {
    switch document.value {
    case .array(let elements):
      return elements.lazy.compactMap { value(at: position, in: $0) }.first
    case .object(let members):
      return members.lazy.compactMap { value(at: position, in: $0.value) }.first
    case .string, .number, .bool: return document.position == position ? document.scalarText : nil
    case .null: return nil
    }
  }

  // MARK: Finding them

  /// The plan files of paths: a folder stands for all in it, in order of their names; a server's
  /// configuration is left out of one, and schemas are. Throws where there is none.
  static func all(_ paths: [String], _ terminal: Terminal) throws(CLIFailure) -> [PlanFile] {
    var files: [PlanFile] = []
    for path in paths {
      guard let names = try names(path) else {
        files.append(try PlanFile(path))
        continue
      }
      var own: [PlanFile] = []
      for name in names {
        let file = try PlanFile(name)
        guard !file.isConfiguration else {
          terminal.note("\(name) is a server's configuration and no plan; it is left out.")
          continue
        }
        own.append(file)
      }
      guard !own.isEmpty else { throw CLIFailure(.failed, "\(path): no plan files.") }
      files += own
    }
    var first: [String: String] = [:]
    for index in files.indices {
      guard let feature = files[index].feature else { continue }
      if let twin = first[feature] {
        files[index].add(twin: twin)
      } else {
        first[feature] = files[index].name
      }
    }
    return files
  }

  /// The files of a folder; nil for what is none.
  private static func names(_ path: String) throws(CLIFailure) -> [String]? {
    guard path != "-", let folder = opendir(path) else { return nil }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard [".yaml", ".yml", ".json"].contains(where: name.hasSuffix),
        !name.hasSuffix(".schema.json"), !name.hasPrefix(".")
      else { continue }
      names.append(path.hasSuffix("/") ? path + name : "\(path)/\(name)")
    }
    guard !names.isEmpty else { throw CLIFailure(.failed, "\(path): no .yaml or .json files.") }
    return names.sorted()
  }

  /// The files that a line names, behind the command or with `--file`.
  static func named(_ session: Session) throws(CLIFailure) -> [PlanFile] {
    let paths = session.arguments.operands + session.arguments.all("--file")
    guard !paths.isEmpty else { throw CLIFailure(.usage, "Name a plan file or folder: -f FILE") }
    return try all(paths, session.terminal)
  }
}
