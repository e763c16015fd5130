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
        ListCommand.command, ShowCommand.command, WatchCommand.command, WhyCommand.command,
        HistoryCommand.command, CheckCommand.command,
      ]),
    Group(title: "Move a rollout", commands: LifecycleCommands.all),
    Group(
      title: "Write plans",
      commands: PlanCommands.all + [
        BacktestCommand.command, RehearseCommand.command, ImportCommand.command,
      ]),
    Group(title: "Say who is in", commands: CohortCommands.all + [PreviewCommand.command]),
    Group(title: "Providers and money", commands: [ProvidersCommand.command] + BudgetCommand.all),
    Group(
      title: "Requests that are kept", commands: JobCommands.all + CaptureCommands.all),
    Group(title: "Access", commands: TokenCommands.all + [AuditCommand.command]),
    Group(
      title: "The server",
      commands: [DoctorCommand.command, BackupCommand.command, DemoCommand.command]),
    Group(title: "This program", commands: [LoginCommand.command, CompletionCommand.command]),
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

  // MARK: What was meant

  /// What others call a command, in reading order: words that read, then words that change.
  private static let others: KeyValuePairs = [
    "list": "plan list", "ls": "plan list", "plans": "plan list", "ps": "plan list",
    "overview": "plan list", "all": "plan list", "features": "plan list",
    "status": "plan show", "stat": "plan show", "state": "plan show", "stats": "plan show",
    "get": "plan show", "show": "plan show", "view": "plan show", "describe": "plan show",
    "inspect": "plan show", "info": "plan show", "health": "plan show",
    "logs": "history", "log": "history", "events": "history", "activity": "history",
    "reason": "why", "explain": "why", "evaluate": "check", "eval": "check",
    "decide": "check", "export": "plan export", "dump": "plan export", "diff": "plan diff",
    "lint": "plan lint", "validate": "plan lint", "verify": "plan lint", "init": "plan init",
    "preview": "plan preview", "backtest": "plan backtest", "cohorts": "cohort list",
    "members": "cohort list", "users": "cohort list", "tokens": "token list",
    "keys": "token list", "provider": "providers", "budgets": "budget", "cost": "budget",
    "costs": "budget", "spend": "budget", "man": "help", "top": "watch", "tail": "watch",
    "follow": "watch",
    "migrate": "import", "apply": "plan apply", "push": "plan apply", "create": "plan apply",
    "deploy": "plan apply",
    "promote": "advance", "next": "advance", "widen": "advance", "release": "advance",
    "abort": "rollback", "undo": "rollback", "revert": "rollback", "back": "rollback",
    "stop": "pause", "hold": "pause", "continue": "resume", "unpause": "resume",
    "acknowledge": "ack", "disable": "kill", "launch": "start", "enable": "start",
    "finish": "complete", "done": "complete", "delete": "archive", "remove": "archive",
    "rm": "archive", "auth": "login", "signin": "login",
  ]

  /// The same below a word: what is called otherwise there.
  private static let othersBelow: KeyValuePairs = [
    "plan ls": "plan list", "plan get": "plan show", "plan status": "plan show",
    "plan describe": "plan show", "plan view": "plan show", "plan logs": "history",
    "plan events": "history", "plan validate": "plan lint", "plan new": "plan init",
    "plan create": "plan init", "plan push": "plan apply", "plan delete": "archive",
    "plan remove": "archive", "plan rm": "archive", "plan promote": "advance",
    "plan abort": "rollback", "plan undo": "rollback",
    "cohort ls": "cohort list", "cohort show": "cohort list", "cohort get": "cohort list",
    "cohort members": "cohort list", "cohort rm": "cohort remove",
    "token ls": "token list", "token show": "token list", "token get": "token list",
    "token new": "token create", "token make": "token create", "token delete": "token revoke",
    "token rm": "token revoke", "token remove": "token revoke",
    "budget list": "budget", "budget show": "budget", "budget ls": "budget",
  ]

  /// The command that was meant, as far as that can be told. A word that may mean one that only
  /// reads never leads to one that changes something.
  private static func meant(_ words: [String], _ word: String) -> String? {
    let whole = (words + [word]).joined(separator: " ")
    func isThere(_ name: String) -> Bool { all.contains { $0.name == name } || name == "help" }
    let table = (words.isEmpty ? others : othersBelow).filter { isThere($0.value) }
    if let exact = table.first(where: { $0.key == whole }) { return exact.value }
    // `plan advance`, `cohort kill`: the word is right where it stands alone.
    if !words.isEmpty, isThere(word) { return word }
    let own = all.filter { $0.path.count > words.count && $0.path.starts(with: words) }
      .map { ($0.path[words.count], $0.name, $0.changes) }
    let foreign = table.map { key, value in
      (
        key.split(separator: " ").last.map(String.init) ?? key, value,
        all.first { $0.name == value }?.changes ?? false
      )
    }
    for changes in [false, true] {
      let names = (own + foreign).filter { $0.2 == changes }
      guard let near = Suggestions.near(word, names.map(\.0)) else { continue }
      let found = names.filter { $0.0 == near }
      // `plan`: which of its commands is not said.
      return found.count > 1 && words.isEmpty && Set(found.map(\.1)).count > 1
        ? near : found.first?.1
    }
    return nil
  }

  static func unknown(_ line: Line) -> OwnWords {
    let words = line.words.joined(separator: " ")
    let names = all.filter { $0.path.starts(with: line.words) }.map(\.name)
    let list = "there are: \(names.joined(separator: ", "))."
    guard let word = line.rest.first(where: { !$0.hasPrefix("-") }) else {
      return words.isEmpty
        ? "Unknown option \(line.rest.first ?? "").\nSee: rollout --help"
        : "Unknown command \(words); \(list)"
    }
    let hint = meant(line.words, word).map { "Did you mean rollout \($0)?" }
    guard words.isEmpty else {
      let more = hint ?? list.prefix(1).uppercased() + list.dropFirst()
      return "Unknown command \(words) \(word). \(more)"
    }
    return "Unknown command \(word).\(hint.map { " \($0)" } ?? "")\nSee: rollout --help"
  }
}
