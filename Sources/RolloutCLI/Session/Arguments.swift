import DocumentKit

/// The words after a command, sorted into operands and options.
struct Arguments: Sendable {
  private(set) var operands: [String] = []
  private var values: [String: [String]] = [:]
  private var switches: Set<String> = []

  /// Throws a usage failure that names what is wrong and what is right.
  init(_ words: [String], _ command: Subcommand) throws {
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" {
        operands += rest
        break
      }
      guard word.hasPrefix("-"), word != "-" else {
        operands.append(word)
        continue
      }
      let parts = word.split(
        separator: "=", maxSplits: 1, omittingEmptySubsequences: false
      ).map(String.init)
      let name = Subcommand.shortOptions[parts[0]] ?? parts[0]
      guard let option = command.allOptions.first(where: { $0.name == name }) else {
        throw Self.unknown(name, command)
      }
      guard option.value != nil else {
        guard parts.count == 1 else {
          throw CLIFailure(.usage, "\(name) takes no value.\nusage: \(command.usage)")
        }
        switches.insert(name)
        continue
      }
      guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
        throw CLIFailure(.usage, "\(name) needs a value.\nusage: \(command.usage)")
      }
      if !option.isRepeatable, values[name] != nil {
        throw CLIFailure(.usage, "\(name) stands twice; give it once.")
      }
      values[name, default: []].append(value)
    }
    try check(command)
  }

  private static func unknown(_ name: String, _ command: Subcommand) -> CLIFailure {
    let near = command.allOptions.min {
      editDistance($0.name, name) < editDistance($1.name, name)
    }
    let hint =
      near.map { editDistance($0.name, name) <= 3 ? " Did you mean \($0.name)?" : "" } ?? ""
    return CLIFailure(
      .usage, "Unknown option \(name).\(hint)\nSee: rollout \(command.name) --help")
  }

  private func check(_ command: Subcommand) throws {
    let required = command.requiredOperands
    let takesRest = command.operands.last?.hasSuffix("…") == true
    guard operands.count >= required.count else {
      throw CLIFailure(
        .usage, "\(required[operands.count]) is missing.\nusage: \(command.usage)")
    }
    guard takesRest || operands.count <= command.operands.count else {
      throw CLIFailure(
        .usage, "Unexpected \(operands[command.operands.count]).\nusage: \(command.usage)")
    }
    for option in command.options where option.isRequired && values[option.name] == nil {
      throw CLIFailure(
        .usage, "\(option.name) is missing: \(option.help).\nusage: \(command.usage)")
    }
  }

  func value(_ name: String) -> String? { values[name]?.last }
  func isGiven(_ name: String) -> Bool { values[name] != nil }
  func all(_ name: String) -> [String] { values[name] ?? [] }
  func has(_ name: String) -> Bool { switches.contains(name) }
}
