/// `rollout __pages cli` and `rollout __pages man [COMMAND…]`: docs/CLI.md and the man pages. For
/// `script/pages`.
enum PagesCommand {
  static let command = Subcommand(
    "__pages", ["KIND", "words…"], "docs/CLI.md, or a man page",
    examples: ["rollout __pages cli", "rollout __pages man plan apply"]
  ) { session in
    let words = Array(session.arguments.operands.dropFirst())
    switch session.operand(0) {
    case "cli": session.terminal.print(markdown)
    case "names":
      session.terminal.print(CommandTable.all.map(\.name).joined(separator: "\n"))
    case "man" where words.isEmpty: session.terminal.print(overview)
    case "man":
      guard let command = CommandTable.split(words).command else {
        throw CLIFailure(.usage, "There is no command \(words.joined(separator: " ")).")
      }
      session.terminal.print(page(command))
    case let other: throw CLIFailure(.usage, "There are cli, names and man, not \(other).")
    }
  }

  // MARK: Markdown

  private static var markdown: String {
    var lines = [
      "# The command line", "",
      "Made by `script/pages` from the same table as `rollout --help`; a test compares them.", "",
    ]
    for group in CommandTable.groups {
      lines += ["## \(group.title)", ""]
      for command in group.commands {
        lines += ["### rollout \(command.name)", "", command.sentence, "", "```sh", command.usage]
        lines += ["```", ""]
        if !command.options.isEmpty { lines += table(command.options) + [""] }
        lines += ["```sh"] + command.examples + ["```", ""]
      }
    }
    lines += ["## Options of every command", ""] + table(Subcommand.globalOptions)
    lines += ["", "## Exit codes", "", "| code | means |", "|---|---|"]
    lines += ExitCode.allCases.map { "| \($0.rawValue) | \($0.meaning) |" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func table(_ options: [Subcommand.Option]) -> [String] {
    ["| option | means |", "|---|---|"]
      + options.map {
        "| `\($0.usage.replacing("|", with: "\\|"))` | \($0.explained.replacing("|", with: "\\|")) |"
      }
  }

  // MARK: Man

  private static var overview: String {
    var lines = header("rollout")
    lines += [".SH NAME", "rollout \\- staged rollouts of AI features"]
    lines += [".SH SYNOPSIS", ".B rollout", "COMMAND [options]"]
    for group in CommandTable.groups {
      lines.append(".SH \(roff(group.title.uppercased()))")
      for command in group.commands {
        lines += [".TP", ".B \(roff(command.name))", roff(command.sentence)]
      }
    }
    lines += [".SH OPTIONS OF EVERY COMMAND"] + options(Subcommand.globalOptions)
    lines.append(".SH EXIT STATUS")
    lines += ExitCode.allCases.flatMap { [".TP", ".B \($0.rawValue)", roff($0.meaning)] }
    lines += [".SH ENVIRONMENT"] + environmentNames.flatMap { [".TP", ".B \($0)", roff($1)] }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let environmentNames: KeyValuePairs = [
    "ROLLOUT_URL": "The server.",
    "ROLLOUT_TOKEN": "The token, before any file.",
    "ROLLOUT_TOKEN_FILE": "The file with the token.",
    "NO_COLOR": "No colours, if it is not empty.",
  ]

  private static func page(_ command: Subcommand) -> String {
    let name = "rollout-" + command.path.joined(separator: "-")
    var lines = header(name)
    lines += [".SH NAME", "\(roff(name)) \\- \(roff(command.summary))"]
    lines += [".SH SYNOPSIS", roff(command.usage)]
    if !command.options.isEmpty { lines += [".SH OPTIONS"] + options(command.options) }
    lines += [".SH EXAMPLES", ".nf"] + command.examples.map(roff) + [".fi"]
    lines += [".SH SEE ALSO", ".BR rollout (1)"]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func header(_ name: String) -> [String] {
    [".TH \"\(roff(name.uppercased()))\" 1 \"\" \"\(Program.version)\" \"Rollout\""]
  }

  private static func options(_ options: [Subcommand.Option]) -> [String] {
    options.flatMap { [".TP", ".B \(roff($0.usage))", roff($0.explained)] }
  }

  /// A text as roff reads it: nothing of it is a request.
  private static func roff(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\e").replacing("-", with: "\\-")
      .replacing("…", with: "...").replacing("\"", with: "\\(dq")
    return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
  }
}
