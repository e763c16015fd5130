import Glibc
import PlatformKit
import RolloutAPI

@main
enum CommandLineProgram {
  static func main() async {
    let terminal = Terminal(arguments: words)
    // Writing to a pipe that nobody reads fails with a word, not by a signal.
    signal(SIGPIPE, SIG_IGN)
    do {
      guard ProcessArguments.words != nil else {
        throw CLIFailure(
          .failed,
          "The arguments cannot be read from /proc/self/cmdline, or are not those of this process; "
            + "mount /proc. Nothing was done.")
      }
      try await run(Array(words.dropFirst()), terminal)
    } catch let failure as CLIFailure {
      end(failure, terminal)
    } catch {
      end(CLIFailure(.failed, "\(error)"), terminal)
    }
  }

  private static let words = ProcessArguments.words ?? []

  /// People read why on standard error; programs get it as the one document they asked for.
  private static func end(_ failure: CLIFailure, _ terminal: Terminal) -> Never {
    terminal.complain(failure.message)
    let isAsked = OutputForm(words) != .table
    if isAsked, !failure.isTold { terminal.print(failure.document) }
    exit(failure.exitCode.rawValue)
  }

  private static func run(_ arguments: [String], _ terminal: Terminal) async throws {
    // What follows `--` are operands, however they look.
    let asked = arguments.prefix { $0 != "--" }
    if asked.contains("--version") {
      terminal.print(Program.version)
      return
    }
    let line = CommandTable.split(arguments)
    let wantsHelp = asked.contains("--help") || asked.contains("-h")
    guard let command = line.command else {
      guard let help = try help(line, wantsHelp) else {
        throw CLIFailure(.usage, CommandTable.unknown(line))
      }
      terminal.print(help)
      return
    }
    guard !wantsHelp else {
      terminal.print(command.help)
      return
    }
    let parsed = try Arguments(line.rest, command)
    try await command.run(Session(parsed, terminal))
  }

  /// What explains the commands below some words; nil where these are none.
  private static func help(_ line: CommandTable.Line, _ wantsHelp: Bool) throws -> String? {
    let operands = line.rest.filter { !$0.hasPrefix("-") }
    if line.words.isEmpty, operands.first == "help" {
      let named = CommandTable.split(Array(operands.dropFirst()))
      if let command = named.command { return command.help }
      guard named.rest.isEmpty else { throw CLIFailure(.usage, CommandTable.unknown(named)) }
      return CommandTable.help(under: named.words)
    }
    guard operands.isEmpty, wantsHelp || line.words.isEmpty && line.rest.isEmpty else { return nil }
    return CommandTable.help(under: line.words)
  }
}
