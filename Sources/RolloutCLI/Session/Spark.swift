/// A row of small columns: what was, from left to right.
struct Spark {
  private static let heights = Array("▁▂▃▄▅▆▇█")

  /// What each column shows; nil where nothing was measured.
  var values: [Double?]
  /// Where people should look; half as high as the row, where nothing is higher.
  var limit: Double?

  /// Fewer columns, each as high as the highest that it stands for.
  func fitted(to count: Int) -> Spark {
    guard count > 0, values.count > count else { return self }
    let fitted = (0..<count).map { column -> Double? in
      let (from, to) = (values.count * column / count, values.count * (column + 1) / count)
      return values[from..<to].compactMap(\.self).max()
    }
    return Spark(values: fitted, limit: limit)
  }

  /// Each column, and whether it is over the limit.
  var columns: [(sign: Character, isOver: Bool)] {
    let highest = values.compactMap(\.self).filter(\.isFinite).max() ?? 0
    let top = max(highest, limit.map { 2 * $0 } ?? 0)
    return values.map { value in
      guard let value, value.isFinite, value >= 0 else { return (" ", false) }
      let height = top > 0 ? Int(value / top * Double(Self.heights.count - 1)) : 0
      return (Self.heights[height], limit.map { value > $0 } ?? false)
    }
  }

  /// The row, with what is over the limit in red.
  func text(_ terminal: Terminal) -> String {
    var text = ""
    for run in runs { text += run.isOver ? terminal.style(run.text, .red) : run.text }
    return text
  }

  private var runs: [(text: String, isOver: Bool)] {
    var runs: [(text: String, isOver: Bool)] = []
    for column in columns {
      if let last = runs.last, last.isOver == column.isOver {
        runs[runs.count - 1].text.append(column.sign)
      } else {
        runs.append((String(column.sign), column.isOver))
      }
    }
    return runs
  }
}
