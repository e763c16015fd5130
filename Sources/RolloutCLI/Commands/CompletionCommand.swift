/// `rollout completion bash|zsh|fish`
enum CompletionCommand {
  static let command = Subcommand(
    "completion", ["SHELL"], "completion for bash, zsh or fish: source its output"
  ) { session in
    switch session.operand(0) {
    case "bash": session.terminal.print(bash)
    case "zsh": session.terminal.print("autoload -U +X bashcompinit && bashcompinit\n" + bash)
    case "fish": session.terminal.print(fish)
    case let other:
      throw CLIFailure(.usage, "There is completion for bash, zsh and fish, not \(other).")
    }
  }

  private static var bash: String {
    let cases = CommandTable.all.map { command in
      "    \"\(command.name)\"*) words=\"\(command.allOptions.map(\.name).joined(separator: " "))\" ;;"
    }
    let firsts = Set(CommandTable.all.map { $0.path[0] }).sorted()
    let groups = firsts.compactMap { first -> String? in
      let seconds = CommandTable.all.filter { $0.path[0] == first && $0.path.count > 1 }.map {
        $0.path[1]
      }
      return seconds.isEmpty
        ? nil : "    \"\(first)\") words=\"\(seconds.joined(separator: " "))\" ;;"
    }
    return """
      _rollout() {
        local current="${COMP_WORDS[COMP_CWORD]}" words=""
        local line="${COMP_WORDS[*]:1:COMP_CWORD-1}"
        case "$line" in
          "") words="\(firsts.joined(separator: " "))" ;;
      \(groups.joined(separator: "\n"))
      \(cases.joined(separator: "\n"))
        esac
        COMPREPLY=($(compgen -W "$words" -- "$current"))
      }
      complete -o default -F _rollout rollout
      """
  }

  private static var fish: String {
    var lines: [String] = []
    for command in CommandTable.all {
      let first = command.path[0]
      if command.path.count == 1 {
        lines.append(
          "complete -c rollout -n __fish_use_subcommand -a \(first) -d '\(command.summary)'")
      } else {
        lines.append("complete -c rollout -n __fish_use_subcommand -a \(first)")
        lines.append(
          "complete -c rollout -n '__fish_seen_subcommand_from \(first)' -a \(command.path[1]) "
            + "-d '\(command.summary)'")
      }
      for option in command.options {
        lines.append(
          "complete -c rollout -n '__fish_seen_subcommand_from \(command.path.last ?? first)' "
            + "-l \(option.name.dropFirst(2)) -d '\(option.help.filter { $0 != "'" })'")
      }
    }
    return lines.joined(separator: "\n")
  }
}
