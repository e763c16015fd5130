import DocumentKit

/// Every command there is.
enum CommandTable {
  static let all: [Subcommand] =
    PlanCommands.all + LifecycleCommands.all + [
      HistoryCommand.command, WhyCommand.command, CheckCommand.command,
    ]
    + CohortCommands.all + TokenCommands.all
    + BudgetCommand.all + [ProvidersCommand.command, CompletionCommand.command]

  /// The command whose words the line begins with; the longest wins.
  static func find(_ words: [String]) -> Subcommand? {
    all.filter { words.starts(with: $0.path) }.max { $0.path.count < $1.path.count }
  }

  static func help(under words: [String]) -> String {
    let shown = all.filter { $0.path.starts(with: words) }
    let rows = (shown.isEmpty ? all : shown).map { command in
      let operands = command.operands.map { $0 == $0.lowercased() ? "[\($0.uppercased())]" : $0 }
      return ((command.path + operands).joined(separator: " "), command.summary)
    }
    let width = rows.map(\.0.count).max() ?? 0
    return """
      Staged rollouts of AI features.

      usage: rollout COMMAND [options]

      \(rows.map { "  \(padded($0.0, width))  \($0.1)" }.joined(separator: "\n"))

      rollout COMMAND --help explains one of them.

      """
  }

  static func unknown(_ words: [String], _ arguments: [String]) -> String {
    guard let first = words.first else {
      return "Unknown option \(arguments.first ?? "").\nSee: rollout --help"
    }
    let word = words.prefix(2).joined(separator: " ")
    if all.contains(where: { $0.path.first == first && $0.path.count > 1 }) {
      let names = all.filter { $0.path.first == first }.map(\.name)
      return "Unknown command \(word); there are: \(names.joined(separator: ", "))."
    }
    let near = all.min { editDistance($0.path[0], first) < editDistance($1.path[0], first) }
    let hint = near.map { "Did you mean rollout \($0.path[0])? " } ?? ""
    return "Unknown command \(first). \(hint)\nSee: rollout --help"
  }
}
