/// A table whose cells have colours, and whose numbers stand to the right.
struct Grid {
  struct Cell {
    var text: String
    var style: Terminal.Style?
    /// Styled already, and as wide as `text`.
    var drawn: String?

    init(_ text: String, _ style: Terminal.Style? = nil, drawn: String? = nil) {
      self.text = clean(text)
      self.style = style
      self.drawn = drawn
    }
  }

  struct Column {
    var title: String
    var isRight = false
    /// Characters that are left of it when others need the room; nil for all.
    var widthMin: Int?

    init(_ title: String, isRight: Bool = false, widthMin: Int? = nil) {
      self.title = title
      self.isRight = isRight
      self.widthMin = widthMin
    }
  }

  var columns: [Column]
  var rows: [[Cell]]

  /// The header and a line for each row, none wider than the terminal: the last column gives way
  /// first, then the widest.
  func lines(_ terminal: Terminal) -> [String] {
    var widths = columns.indices.map { index in
      rows.map { $0[index].text.count }.reduce(columns[index].title.count, max)
    }
    let last = columns.count - 1
    while widths.reduce(0, +) + 2 * last > terminal.columns {
      if widths[last] > columns[last].widthMin ?? 0 {
        widths[last] -= 1
        continue
      }
      let soft = widths.indices.filter { widths[$0] > columns[$0].widthMin ?? .max }
      guard let widest = soft.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] -= 1
    }
    let header = zip(columns, widths).map { Self.drawn(Cell($0.title), $0.isRight, $1, terminal) }
    return [terminal.style(Self.joined(header), .dim)]
      + rows.map { row in
        Self.joined(
          row.indices.map { Self.drawn(row[$0], columns[$0].isRight, widths[$0], terminal) })
      }
  }

  private static func drawn(
    _ cell: Cell, _ isRight: Bool, _ width: Int, _ terminal: Terminal
  ) -> String {
    let isCut = cell.text.count > width
    let text = isCut ? cell.text.prefix(max(0, width - 1)) + "…" : cell.text
    let room = String(repeating: " ", count: max(0, width - text.count))
    let styled =
      isCut ? nil : cell.drawn
    let shown = styled ?? cell.style.map { terminal.style(String(text), $0) } ?? String(text)
    return isRight ? room + shown : shown + room
  }

  private static func joined(_ cells: [String]) -> String {
    var line = cells.joined(separator: "  ")
    while line.last == " " { line.removeLast() }
    return line
  }
}
