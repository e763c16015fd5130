import Glibc
import RolloutAPI

@main
enum CommandLineProgram {
  static func main() async {
    let terminal = Terminal(arguments: CommandLine.arguments)
    do {
      // Swift reads them from /proc/self/cmdline: even the program's own name is missing then.
      guard !CommandLine.arguments.isEmpty else {
        throw CLIFailure(
          .failed,
          "The arguments cannot be read from /proc/self/cmdline; mount /proc. Nothing was done.")
      }
      try await run(Array(CommandLine.arguments.dropFirst()), terminal)
    } catch let failure as CLIFailure {
      terminal.complain(failure.message)
      exit(failure.exitCode.rawValue)
    } catch {
      terminal.complain("\(error)")
      exit(ExitCode.failed.rawValue)
    }
  }

  private static func run(_ arguments: [String], _ terminal: Terminal) async throws {
    let arguments = optionsLast(arguments)
    let words = Array(arguments.prefix { !$0.hasPrefix("-") })
    guard let command = CommandTable.find(words) else {
      if arguments.isEmpty || arguments.contains("--help") || arguments.contains("-h")
        || words.first == "help"
      {
        terminal.print(CommandTable.help(under: words.filter { $0 != "help" }))
        return
      }
      throw CLIFailure(.usage, CommandTable.unknown(words, arguments))
    }
    let rest = Array(arguments.dropFirst(command.path.count))
    if rest.contains("--help") || rest.contains("-h") {
      terminal.print(command.help)
      return
    }
    let parsed = try Arguments(rest, command)
    try await command.run(Session(parsed, terminal))
  }
}

/// `--url X plan list` means what `plan list --url X` means.
private func optionsLast(_ arguments: [String]) -> [String] {
  var leading: [String] = []
  var rest = arguments[...]
  while let word = rest.first, word.hasPrefix("-") {
    leading.append(rest.removeFirst())
    let takesValue = Subcommand.globalOptions.contains { $0.name == word && $0.value != nil }
    if takesValue, let value = rest.popFirst() { leading.append(value) }
  }
  return rest + leading
}
