import DocumentKit
import RolloutAPI
import RolloutImport

/// `rollout __complete -- WORD…`: what the last word may become, a line each, what it means behind
/// a tab; `:files` where a path belongs. For the scripts of `rollout completion`.
enum CompleteCommand {
  static let command = Subcommand(
    "__complete", ["WORD…"], "what the last word may become",
    examples: ["rollout __complete -- plan sh"], run: run)

  private struct Candidate {
    var word: String
    var meaning = ""
  }

  private static func run(_ session: Session) async throws {
    let words = session.arguments.operands
    let found = try await candidates(Array(words.dropLast()), words.last ?? "", session)
    let lines = found.filter { $0.word.hasPrefix(words.last ?? "") || $0.word == files.word }
      .map { $0.meaning.isEmpty ? $0.word : "\($0.word)\t\($0.meaning)" }
    if !lines.isEmpty { session.terminal.print(lines.joined(separator: "\n")) }
  }

  private static let files = Candidate(word: ":files")

  private static func candidates(
    _ before: [String], _ current: String, _ session: Session
  ) async throws -> [Candidate] {
    let line = CommandTable.split(before)
    guard let command = line.command else {
      return current.hasPrefix("-") ? options(Subcommand.globalOptions) : next(line.words)
    }
    var operands: [String] = []
    var globals: [String] = []
    var given: Set<String> = []
    var rest = line.rest[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      let name = Subcommand.shortOptions[word] ?? word
      given.insert(name)
      let option = command.allOptions.first { $0.name == name }
      guard let placeholder = option?.value else { continue }
      guard let value = rest.popFirst() else {
        return try await values(placeholder, operands, globals, session)
      }
      if Subcommand.globalOptions.contains(where: { $0.name == name }) { globals += [name, value] }
    }
    if current.hasPrefix("-") {
      return options(command.allOptions.filter { $0.isRepeatable || !given.contains($0.name) })
    }
    // A command that others begin with: `budget`, `budget accept`.
    let further = operands.isEmpty ? next(command.path) : []
    let index = min(operands.count, command.operands.count - 1)
    guard index >= 0, index == operands.count || command.operands[index].hasSuffix("…") else {
      return further
    }
    let placeholder = command.operands[index].filter { $0 != "…" }.uppercased()
    return further + (try await values(placeholder, operands, globals, session))
  }

  private static func options(_ options: [Subcommand.Option]) -> [Candidate] {
    options.map { Candidate(word: $0.name, meaning: $0.explained) }
  }

  /// The words that may follow `words`.
  private static func next(_ words: [String]) -> [Candidate] {
    var found: [Candidate] = []
    for command in CommandTable.all where command.path.starts(with: words) {
      guard command.path.count > words.count else { continue }
      let word = command.path[words.count]
      let isWhole = command.path.count == words.count + 1
      guard !found.contains(where: { $0.word == word }) else { continue }
      found.append(Candidate(word: word, meaning: isWhole ? command.summary : "…"))
    }
    return found
  }

  /// What a placeholder of the table stands for; `operands` are those before it.
  private static func values(
    _ placeholder: String, _ operands: [String], _ globals: [String], _ session: Session
  ) async throws -> [Candidate] {
    let words = placeholder.split(separator: "|").map(String.init)
    let fixed = words.filter { $0 == $0.lowercased() }.map { Candidate(word: $0) }
    guard let kind = words.first(where: { $0 != $0.lowercased() }) else { return fixed }
    func asked() throws -> Session {
      try session.hurried(Arguments(globals, command(asking: kind)))
    }
    switch kind {
    case "SHELL": return ["bash", "zsh", "fish"].map { Candidate(word: $0) }
    case "SYSTEM": return ForeignSystem.allCases.map { Candidate(word: $0.rawValue) }
    case "FILE", "FOLDER": return [files]
    case "FEATURE":
      var found: [Candidate] = []
      try await asked().pages(PlanList.self, APIPath.plans) { page, _ in
        found += page.plans.map { Candidate(word: $0.feature, meaning: Words.state($0)) }
        return page.next.value
      }
      return found
    case "STAGE":
      guard let feature = operands.first else { return fixed }
      let plan = try await asked().get(PlanView.self, APIPath.plan(feature))
      return fixed + plan.stages.map { Candidate(word: clean($0.name)) }
    case "COHORT":
      let list = try await asked().get(CohortList.self, "/v1/cohorts")
      return list.cohorts.map { Candidate(word: $0.name, meaning: "\($0.members) members") }
    case "TOKEN":
      let list = try await asked().get(TokenList.self, APIPath.tokens)
      return list.tokens.filter { $0.revokedAt == nil }
        .map { Candidate(word: $0.id, meaning: $0.name) }
    default: return []
    }
  }

  /// A command without operands, to read the options of every command by.
  private static func command(asking kind: String) -> Subcommand {
    Subcommand("__complete", [], kind) { _ in }
  }
}
