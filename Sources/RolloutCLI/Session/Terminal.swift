import DocumentKit
import Glibc

/// Where output goes: results to standard output, all else to standard error.
struct Terminal: Sendable {
  enum Style: String {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case cyan = "36"
  }

  let usesColor: Bool
  let isInteractive: Bool
  let columns = Self.columns
  /// What is left of the last column of a table before others are cut.
  private static let lastColumnMin = 24

  init(arguments: [String]) {
    let forbidden = arguments.contains("--no-color") || environment("NO_COLOR")?.isEmpty == false
    usesColor = isatty(STDOUT_FILENO) == 1 && !forbidden && environment("TERM") != "dumb"
    isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
  }

  func style(_ text: String, _ style: Style) -> String {
    usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  func print(_ text: String) { write(text.hasSuffix("\n") ? text : text + "\n", STDOUT_FILENO) }

  /// JSON as it came, but what a terminal would act on written as JSON writes it: that stands in
  /// texts only, so it means the same.
  func printJSON(_ json: [UInt8]) {
    let text = String(decoding: json, as: UTF8.self).asciiControls
    write(text.hasSuffix("\n") ? text : text + "\n", STDOUT_FILENO)
  }

  /// Lines of our own; whoever puts others' words into them cleans those.
  func complain(_ text: String) {
    write(told("rollout: \(escapedLines(text))", on: STDERR_FILENO) + "\n", STDERR_FILENO)
  }
  func note(_ text: String) {
    write(told(text.onOneLine, on: STDERR_FILENO) + "\n", STDERR_FILENO)
  }

  /// Replaces the present line of standard error, if that is a terminal.
  func redraw(_ line: String) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    write("\r\u{1B}[K\(line)", STDERR_FILENO)
  }

  /// Asks on the terminal; without one the answer is no, and `--yes` must be given.
  func confirm(_ question: String) throws {
    guard isInteractive else {
      throw CLIFailure(.usage, "\(question) Give --yes to confirm without a terminal.")
    }
    write("\(question) [y/N] ", STDERR_FILENO)
    let answer = readLine()?.lowercased() ?? ""
    guard answer == "y" || answer == "yes" else {
      throw CLIFailure(.failed, "Nothing was changed.")
    }
  }

  /// What is typed in answer to a question; only on a terminal.
  func ask(_ question: String) -> String {
    write("\(question) ", STDERR_FILENO)
    return readLine() ?? ""
  }

  /// Columns as wide as their widest cell; every cell is one line, whatever stands in it. One that
  /// `fits` cuts what is too wide for the terminal: the last column, then the widest ones.
  func table(_ header: [String], _ rows: [[String]], fits: Bool = false) -> String {
    let cells = rows.map { $0.map(clean) }
    var widths = header.indices.map { column in
      ([header] + cells).map { $0[column].count }.max() ?? 0
    }
    let last = header.count - 1
    while fits, widths.reduce(0, +) + 2 * last > columns, let most = widths.max(), most > 8 {
      let isRoomy = widths[last] > Self.lastColumnMin
      widths[isRoomy ? last : widths.firstIndex(of: most) ?? last] -= 1
    }
    func line(_ row: [String]) -> String {
      var text = row.indices.map { index in
        let cell = row[index]
        let cut = cell.count > widths[index] ? cell.prefix(widths[index] - 1) + "…" : cell[...]
        return padded(String(cut), widths[index])
      }.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text
    }
    return ([style(line(header), .dim)] + cells.map(line)).joined(separator: "\n") + "\n"
  }

  private func write(_ text: String, _ descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }
}

/// How far a long run is, on standard error where that is a terminal; elsewhere nothing.
struct ProgressBar {
  private static let width = 30
  private let terminal: Terminal
  private let total: Int

  init(_ terminal: Terminal, total: Int) {
    self.terminal = terminal
    self.total = max(1, total)
  }

  func show(_ done: Int) {
    let full = Self.width * min(done, total) / total
    let bar = String(repeating: "█", count: full) + String(repeating: "░", count: Self.width - full)
    terminal.redraw("\(bar) \(done) of \(total)")
  }

  /// Takes it off the screen.
  func end() { terminal.redraw("") }
}

/// Reasons and names come from others: in a cell they are one line, and no escape sequence of
/// theirs reaches the terminal.
func clean(_ text: String) -> String { text.onOneLine }

/// A message of several lines of our own.
func escapedLines(_ text: String) -> String {
  text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0).onOneLine }
    .joined(separator: "\n")
}

extension Document {
  /// The same with every text cleaned; names of members too.
  var cleaned: Document {
    switch value {
    case .string(let text): Document(.string(clean(text)), at: position)
    case .array(let elements): Document(.array(elements.map(\.cleaned)), at: position)
    case .object(let members):
      Document(
        .object(
          members.map {
            Member(key: clean($0.key), keyPosition: $0.keyPosition, value: $0.value.cleaned)
          }), at: position)
    case .null, .bool, .number: self
    }
  }
}

/// A variable of the environment; nil when unset.
func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
