/// One command: its words, its options, what it does, and how it is used. Help, completion, the man
/// pages and docs/CLI.md are made of it.
///
/// What stands for an operand or a value tells completion what belongs there: `FEATURE`, `STAGE`,
/// `COHORT`, `TOKEN` and `PROFILE` are names that are asked for, `FILE` is a path, and `a|b|c` are
/// words to choose from.
struct Subcommand: Sendable {
  struct Option: Sendable {
    var name: String
    /// What stands for the value in help; nil for a switch.
    var value: String?
    var help: String
    var isRepeatable: Bool
    /// Whether the command asks for it; help and usage say so.
    var isRequired: Bool

    init(
      _ name: String, _ value: String? = nil, _ help: String, repeatable: Bool = false,
      required: Bool = false
    ) {
      self.name = name
      self.value = value
      self.help = help
      isRepeatable = repeatable
      isRequired = required
    }

    /// `--scope SCOPE`
    var usage: String { value.map { "\(name) \($0)" } ?? name }
  }

  var path: [String]
  /// Names of the positional arguments; one ending in `…` takes the rest, one in lower case may be
  /// left out.
  var operands: [String]
  var summary: String
  var options: [Option]
  /// Whole command lines; every command has one.
  var examples: [String]
  var run: @Sendable (Session) async throws -> Void

  init(
    _ path: String, _ operands: [String] = [], _ summary: String, options: [Option] = [],
    examples: [String] = [], run: @escaping @Sendable (Session) async throws -> Void
  ) {
    self.path = path.split(separator: " ").map(String.init)
    self.operands = operands
    self.summary = summary
    self.options = options
    self.examples = examples
    self.run = run
  }

  static let globalOptions = [
    Option("--output", "table|json|yaml", "how to print (-o; default table)"),
    Option("--url", "URL", "the server (ROLLOUT_URL, default http://127.0.0.1:8080)"),
    Option(
      "--token-file", "FILE",
      "the token's file (ROLLOUT_TOKEN, ROLLOUT_TOKEN_FILE, default data/admin.token)"),
    Option(
      "--profile", "PROFILE", "the server and token of rollout login (ROLLOUT_PROFILE)"),
    Option("--no-color", nil, "no colours (also NO_COLOR)"),
    Option("--help", nil, "what a command does, and how (-h)"),
    Option("--version", nil, "the version of this program"),
  ]

  /// Everything that changes something takes these two.
  static let changing = [
    Option("--reason", "TEXT", "why; it is recorded"), Option("--yes", nil, "do not ask"),
  ]

  /// Whether it changes something, and does not only read.
  var changes: Bool { options.contains { $0.name == "--yes" } }

  /// What one letter stands for.
  static let shortOptions = [
    "-f": "--file", "-o": "--output", "-v": "--verbose", "-h": "--help",
  ]

  var allOptions: [Option] { options + Self.globalOptions }

  var name: String { path.joined(separator: " ") }

  /// `rollout token create --name NAME [options]`
  var usage: String {
    let required = options.filter(\.isRequired).map(\.usage)
    return (["rollout"] + path + operandWords + required + ["[options]"]).joined(separator: " ")
  }

  /// The operands as usage shows them; what may be left out stands in brackets.
  var operandWords: [String] { operands.map { isOptional($0) ? "[\($0.uppercased())]" : $0 } }

  var requiredOperands: [String] { operands.filter { !isOptional($0) } }

  private func isOptional(_ operand: String) -> Bool { operand == operand.lowercased() }
}

/// `text` filled up with spaces to `width` characters.
func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
