import Glibc

/// Lines that fit: broken at words, each in its column.
extension Terminal {
  /// Columns where nobody says how many there are.
  static let columnsUsual = 80
  private static let columnsMin = 40
  private static let rowsMin = 10

  /// Columns of the terminal that results go to.
  static var columns: Int {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return columnsUsual
    }
    return max(columnsMin, Int(size.ws_col))
  }

  /// Rows of the terminal that results go to; nil where they go elsewhere.
  static var rows: Int? {
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else { return nil }
    return max(rowsMin, Int(size.ws_row))
  }

  /// Columns that a line takes, its colours aside.
  static func width(of line: String) -> Int {
    line.replacing(#/\u{1B}\[[0-9;]*m/#, with: "").count
  }

  /// One line of text in as many as it takes; all but the first begin with `indent` spaces. A word
  /// that is longer than a line is broken where the line ends. Styles belong around what this
  /// returns, not into it.
  func wrapped(_ text: String, indent: Int) -> [String] {
    let width = max(columns - indent, Self.columnsMin / 2)
    let margin = String(repeating: " ", count: indent)
    return Self.broken(text, width: width, first: columns).enumerated().map {
      $0.offset == 0 ? $0.element : margin + $0.element
    }
  }

  /// A sentence or a few, each on its line: broken where `descriptor` is a terminal, and left as
  /// they are for whatever else reads them.
  func told(_ text: String, on descriptor: Int32, indent: Int = 2) -> String {
    guard isatty(descriptor) == 1 else { return text }
    return text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { line in
      wrapped(String(line), indent: indent + line.prefix { $0 == " " || $0 == "-" }.count)
    }.joined(separator: "\n")
  }

  /// `first` is the width of the first line.
  private static func broken(_ text: String, width: Int, first: Int) -> [String] {
    var lines: [String] = []
    var rest = Substring(text)
    while true {
      let room = lines.isEmpty ? first : width
      // Counted so far only: a text may be very long.
      guard let end = rest.index(rest.startIndex, offsetBy: room, limitedBy: rest.endIndex),
        end < rest.endIndex
      else { return lines + [String(rest)] }
      let line = rest[..<end]
      // At the last space that leaves something on the line, or in the middle of the word.
      let space = Self.lastSpace(rest, before: end) ?? line.startIndex
      let isBreakable = line[..<space].contains { $0 != " " }
      let cut = isBreakable ? space : end
      lines.append(String(rest[..<cut]))
      rest = rest[cut...].drop { $0 == " " }
    }
  }

  /// Where a line may end at `end` at the latest; a number keeps its `%`.
  private static func lastSpace(_ text: Substring, before end: Substring.Index) -> Substring.Index?
  {
    text[...end].indices.last { index in
      guard text[index] == " " else { return false }
      let next = text.index(after: index)
      return next == text.endIndex || text[next] != "%"
    }
  }

  /// A row of a page: its name in the first column, its text in the second.
  func row(_ name: String, _ text: String, _ style: Style? = nil) -> [String] {
    let lines = wrapped(padded(name, Self.nameColumn) + text, indent: Self.nameColumn)
    return style.map { style in lines.map { self.style($0, style) } } ?? lines
  }

  /// A row below another one, as an item of it.
  func item(_ text: String, _ style: Style? = nil, mark: String = "-") -> [String] {
    let margin = String(repeating: " ", count: Self.nameColumn)
    let lines = wrapped("\(margin)\(mark) \(text)", indent: Self.nameColumn + 2)
    return style.map { style in lines.map { self.style($0, style) } } ?? lines
  }

  private static let nameColumn = 12
}
