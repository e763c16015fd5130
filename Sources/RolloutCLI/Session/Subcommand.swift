/// One command: its words, its options, what it does.
struct Subcommand: Sendable {
  struct Option: Sendable {
    var name: String
    /// What stands for the value in help; nil for a switch.
    var value: String?
    var help: String
    var isRepeatable = false

    init(_ name: String, _ value: String? = nil, _ help: String, repeatable: Bool = false) {
      self.name = name
      self.value = value
      self.help = help
      isRepeatable = repeatable
    }
  }

  var path: [String]
  /// Names of the positional arguments; one ending in `…` takes the rest.
  var operands: [String]
  var summary: String
  var options: [Option]
  var run: @Sendable (Session) async throws -> Void

  init(
    _ path: String, _ operands: [String] = [], _ summary: String, options: [Option] = [],
    run: @escaping @Sendable (Session) async throws -> Void
  ) {
    self.path = path.split(separator: " ").map(String.init)
    self.operands = operands
    self.summary = summary
    self.options = options
    self.run = run
  }

  static let globalOptions = [
    Option("--output", "table|json", "how to print (default table)"),
    Option("--url", "URL", "the server (ROLLOUT_URL, default http://127.0.0.1:8080)"),
    Option(
      "--token-file", "FILE",
      "the token's file (ROLLOUT_TOKEN, ROLLOUT_TOKEN_FILE, default data/admin.token)"),
    Option("--no-color", nil, "no colours (also NO_COLOR)"),
    Option("--help", nil, "this text"),
  ]

  var allOptions: [Option] { options + Self.globalOptions }

  var name: String { path.joined(separator: " ") }

  var usage: String {
    let words = operands.map { $0 == $0.lowercased() ? "[\($0.uppercased())]" : $0 }
    return (["rollout"] + path + words + ["[options]"]).joined(separator: " ")
  }

  var help: String {
    let rows = allOptions.map { ("\($0.name)\($0.value.map { " " + $0 } ?? "")", $0.help) }
    let width = rows.map(\.0.count).max() ?? 0
    let lines = rows.map { "  \(padded($0.0, width))  \($0.1)" }
    return "\(summary)\n\nusage: \(usage)\n\n\(lines.joined(separator: "\n"))\n"
  }
}

/// `text` filled up with spaces to `width` characters.
func padded(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}
