import DocumentKit

/// Every command there is. Help, completion, man pages and docs/CLI.md are made of it.
enum CommandTable {
  /// Commands that people look for together.
  struct Group: Sendable {
    var title: String
    var commands: [Subcommand]
  }

  static let groups = [
    Group(
      title: "See how rollouts do",
      commands: [
        ListCommand.command, ShowCommand.command, WhyCommand.command, HistoryCommand.command,
        CheckCommand.command,
      ]),
    Group(title: "Move a rollout", commands: LifecycleCommands.all),
    Group(title: "Write plans", commands: PlanCommands.all + [BacktestCommand.command]),
    Group(title: "Say who is in", commands: CohortCommands.all),
    Group(title: "Providers and money", commands: [ProvidersCommand.command] + BudgetCommand.all),
    Group(title: "Access", commands: TokenCommands.all),
    Group(title: "This program", commands: [CompletionCommand.command]),
  ]

  /// What programs call, and no help shows.
  private static let hidden = [CompleteCommand.command, PagesCommand.command]

  static let all = groups.flatMap(\.commands)

  /// A line sorted into the words that name a command, and what follows them. Options that every
  /// command has may stand before and between these.
  struct Line {
    var words: [String] = []
    var rest: [String] = []
    /// The command of exactly these words.
    var command: Subcommand?
  }

  static func split(_ arguments: [String]) -> Line {
    var line = Line()
    var rest = arguments[...]
    let commands = all + hidden
    while let word = rest.first, word != "--" {
      if let option = globalOption(word) {
        line.rest.append(rest.removeFirst())
        if option.value != nil, !word.contains("="), let value = rest.popFirst() {
          line.rest.append(value)
        }
      } else if commands.contains(where: { $0.path.starts(with: line.words + [word]) }) {
        line.words.append(rest.removeFirst())
      } else {
        break
      }
    }
    line.rest += rest
    line.command = commands.first { $0.path == line.words }
    return line
  }

  private static func globalOption(_ word: String) -> Subcommand.Option? {
    let name = word.prefix { $0 != "=" }
    let long = Subcommand.shortOptions[String(name)] ?? String(name)
    return Subcommand.globalOptions.first { $0.name == long }
  }

  static func unknown(_ line: Line) -> String {
    guard let word = line.rest.first(where: { !$0.hasPrefix("-") }) else {
      if !line.words.isEmpty {
        let names = all.filter { $0.path.starts(with: line.words) }.map(\.name)
        let word = line.words.joined(separator: " ")
        return "Unknown command \(word); there are: \(names.joined(separator: ", "))."
      }
      return "Unknown option \(line.rest.first ?? "").\nSee: rollout --help"
    }
    if !line.words.isEmpty {
      let names = all.filter { $0.path.starts(with: line.words) }.map(\.name)
      let whole = (line.words + [word]).joined(separator: " ")
      return "Unknown command \(whole); there are: \(names.joined(separator: ", "))."
    }
    let near = all.min { editDistance($0.path[0], word) < editDistance($1.path[0], word) }
    let hint = near.map { "Did you mean rollout \($0.path[0])? " } ?? ""
    return "Unknown command \(word). \(hint)\nSee: rollout --help"
  }
}
