import DocumentKit
import Glibc
import YAMLKit

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
  private let asksInColor: Bool
  /// How documents are printed.
  private let printsYAML: Bool
  /// Whether our signs must be ASCII.
  let isPlain: Bool
  /// Stands before every question: where it would happen.
  var place = ""
  /// Of the lines that results go to.
  var columns = Self.columns
  /// What is left of the last column of a table before others are cut.
  private static let lastColumnMin = 24

  init(arguments: [String]) {
    let forbidden = arguments.contains("--no-color") || environment("NO_COLOR")?.isEmpty == false
    let isColorful = !forbidden && environment("TERM") != "dumb"
    usesColor = isatty(STDOUT_FILENO) == 1 && isColorful
    asksInColor = isatty(STDERR_FILENO) == 1 && isColorful
    isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1
    isPlain = Self.isPlain(environment)
    printsYAML = OutputForm(arguments) == .yaml
  }

  /// In colour where questions are asked, whatever becomes of results.
  func question(_ text: String, _ style: Style) -> String {
    asksInColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  func style(_ text: String, _ style: Style) -> String {
    usesColor ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  func print(_ text: String) { put(plain(text)) }

  /// One document, as YAML where that was asked for.
  func print(_ document: Document, as form: OutputForm? = nil) {
    let isYAML = form.map { $0 == .yaml } ?? printsYAML
    if isYAML { put(YAMLWriter.text(document)) } else { printJSON(document.json) }
  }

  /// What a terminal is to do, as it is.
  func draw(_ text: String) { write(plain(text), STDOUT_FILENO) }

  /// JSON as it came, but what a terminal would act on written as JSON writes it: that stands in
  /// texts only, so it means the same.
  func printJSON(_ json: [UInt8]) {
    if printsYAML,
      let document = try? JSONReader.read(
        json, depthMax: JSONReader.storedDepthMax, valuesMax: .max)
    {
      put(YAMLWriter.text(document))
      return
    }
    put(String(decoding: json, as: UTF8.self).asciiControls)
  }

  private func put(_ text: String) {
    write(text.hasSuffix("\n") ? text : text + "\n", STDOUT_FILENO)
  }

  func complain(_ words: OwnWords) {
    write(plain(told("rollout: \(words.text)", on: STDERR_FILENO)) + "\n", STDERR_FILENO)
  }
  func note(_ text: String) {
    write(plain(told(text.onOneLine, on: STDERR_FILENO)) + "\n", STDERR_FILENO)
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
    write("\(place)\(clean(question)) [y/N] ", STDERR_FILENO)
    let answer = readLine()?.lowercased() ?? ""
    guard answer == "y" || answer == "yes" else {
      throw CLIFailure(.failed, "Nothing was changed.")
    }
  }

  /// What is typed in answer to a question; only on a terminal.
  func ask(_ question: String) -> String {
    write("\(place)\(clean(question)) ", STDERR_FILENO)
    return readLine() ?? ""
  }

  /// The same for what nobody may read over a shoulder: it is not shown.
  func askSecretly(_ question: String) -> String {
    var before = termios()
    guard tcgetattr(STDIN_FILENO, &before) == 0 else { return ask(question) }
    var silent = before
    silent.c_lflag &= ~tcflag_t(ECHO)
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent)
    defer {
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
      write("\n", STDERR_FILENO)
    }
    return ask(question)
  }

  /// Columns as wide as their widest cell; every cell is one line, whatever stands in it. What is
  /// too wide for the terminal is cut: the last column, then the widest ones.
  func table(_ header: [String], _ rows: [[String]]) -> String {
    let cells = rows.map { $0.map(clean) }
    var widths = header.indices.map { column in
      ([header] + cells).map { $0[column].count }.max() ?? 0
    }
    let last = header.count - 1
    while widths.reduce(0, +) + 2 * last > columns, let most = widths.max(), most > 8 {
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
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        if descriptor == STDOUT_FILENO { endWithoutOutput() }
        return
      }
      rest = rest.dropFirst(count)
    }
  }

  /// A result that nobody gets is a failure, however well the rest went.
  private func endWithoutOutput() -> Never {
    let why = String(cString: strerror(errno))
    complain(
      "Standard output cannot be written: \(why). What was to be done is done; its result is not "
        + "all there.")
    exit(ExitCode.failed.rawValue)
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
