import DocumentKit
import RolloutAPI
import RolloutCore

/// One feature on a whole screen: where it is, how it does, what it waits for, what happened.
struct WatchPage {
  /// The time that figures are about.
  enum Range: Int, CaseIterable {
    case hour = 1
    case sixHours = 6
    case day = 24
    case week = 168

    var key: Character {
      switch self {
      case .hour: "1"
      case .sixHours: "6"
      case .day: "d"
      case .week: "w"
      }
    }
  }

  private static let margin = "  "
  private static let nameWidth = 11
  private static let valueWidth = 12
  private static let limitWidth = 13
  /// Rows from which on guards have lines of their own.
  private static let tallFrom = 34

  let known: WatchKnown
  let range: Range
  /// Columns are its own.
  let terminal: Terminal
  let rows: Int
  /// `● live`, or since when nobody answers.
  let connection: (text: String, style: Terminal.Style)

  private var plan: PlanView { known.plan }
  private var columns: Int { terminal.columns }

  /// As many lines as there are rows, at most; `footer` is the last.
  func lines(footer: [String]) -> [String] {
    let room = rows - footer.count
    var lines = title + [""] + ladder + [""] + figures + [""]
    let story = sentence
    if !story.isEmpty { lines += story + [""] }
    let gates = gates
    if !gates.isEmpty { lines += gates + [""] }
    if rows >= Self.tallFrom { lines += guards }
    let left = room - 1 - lines.count
    lines += happened(left)
    lines = Array(lines.prefix(max(1, room - 1)))
    lines += Array(repeating: "", count: max(0, room - lines.count))
    return lines + footer
  }

  // MARK: Title

  private var title: [String] {
    let state = Words.state(plan)
    let style = Self.style(of: plan)
    let time = LocalTime.clockNow()
    let right = "\(connection.text)  \(time)"
    let drawn = "\(terminal.style(connection.text, connection.style))  \(time)"
    let first = fitted(
      [(plan.feature, .bold), ("  \(state)", style)], right: right, drawn: drawn)
    let last = known.events.first.map { " · \(Words.actor($0.actor))" } ?? ""
    let version = "version \(plan.version)\(last)"
    return [first, fitted([(clean(plan.description), .dim)], right: version, drawn: version)]
  }

  static func style(of plan: PlanView) -> Terminal.Style {
    if Words.isFailing(plan) { return .red }
    if let hold = plan.hold.value {
      return Words.isToBeAcknowledged(hold) ? .red : .yellow
    }
    switch plan.status {
    case "active", "completed": return Words.isUnwell(plan) ? .yellow : .green
    case "killed": return .red
    case "paused": return .yellow
    default: return .dim
    }
  }

  /// A line with something at its right end; the left part gives way.
  private func fitted(
    _ parts: [(text: String, style: Terminal.Style)], right: String, drawn: String
  ) -> String {
    let room = max(0, columns - right.count - 2)
    var (line, used) = ("", 0)
    for part in parts {
      let left = room - used
      let isCut = part.text.count > left
      let text = isCut ? String(part.text.prefix(max(0, left - 1))) + "…" : part.text
      guard !isCut || left > 1 else { break }
      line += terminal.style(text, part.style)
      used += text.count
    }
    let gap = String(repeating: " ", count: max(1, columns - used - right.count))
    return line + gap + drawn
  }

  // MARK: Stages

  private struct Piece {
    var text: String
    var style: Terminal.Style?
    /// Of the line below it.
    var bar: Character
    var barStyle: Terminal.Style?
  }

  private var ladder: [String] {
    let share = shareWords
    let room = columns - Self.margin.count - 24
    let pieces = [12, 8, 4, 2, 1].lazy.map { self.pieces(dash: $0) }.first {
      $0.reduce(0) { $0 + $1.text.count } <= room
    }
    guard let pieces else {
      let place = "stage \(max(0, plan.stageIndex.adding(1))) of \(plan.stages.count): "
      let name = Words.stage(plan.stage, of: plan.stages)
      return [
        fitted([(Self.margin + place + name, .bold)], right: share.0, drawn: share.0),
        fitted([], right: share.1, drawn: share.1),
      ]
    }
    let width = pieces.reduce(0) { $0 + $1.text.count }
    let names = pieces.map { drawn($0.text, $0.style) }.joined()
    let bars = pieces.map {
      drawn(String(repeating: $0.bar, count: $0.text.count), $0.barStyle)
    }.joined()
    return [(names, share.0), (bars, share.1)].map { line, right in
      let gap = String(
        repeating: " ", count: max(2, columns - Self.margin.count - width - right.count))
      return Self.margin + line + gap + right
    }
  }

  private func drawn(_ text: String, _ style: Terminal.Style?) -> String {
    style.map { terminal.style(text, $0) } ?? text
  }

  private func pieces(dash: Int) -> [Piece] {
    let serves = ["active", "paused", "completed"].contains(plan.status)
    let here = serves ? plan.stageIndex : -1
    let lost = plan.restore.flatMap { way in plan.stages.firstIndex { $0.name == way.to } } ?? here
    return plan.stages.enumerated().flatMap { index, stage -> [Piece] in
      let isLost = index > here && index <= lost
      let sign: Character = index <= here ? "━" : isLost ? "╌" : "─"
      let color: Terminal.Style? = index <= here ? .cyan : isLost ? .red : .dim
      let name = Words.stage(String(stage.name.prefix(24)), of: plan.stages)
      let label = Piece(
        text: name, style: index == here ? .bold : isLost ? .red : index < here ? nil : .dim,
        bar: sign, barStyle: color)
      guard index > 0 else { return [label] }
      let line = Piece(
        text: " \(String(repeating: sign, count: dash)) ", style: color, bar: sign, barStyle: color)
      return [line, label]
    }
  }

  private var shareWords: (String, String) {
    let serves = ["active", "paused", "completed"].contains(plan.status)
    let open = serves && plan.stageIndex >= 0 ? plan.stages.prefix(plan.stageIndex.adding(1)) : []
    let percent = open.compactMap(\.percent).max() ?? 0
    let people = known.users.map { "\(Figures.people($0)) in 10 min" } ?? ""
    if percent > 0 { return ("\(shortestText(of: percent)) % have it", people) }
    let isByName = open.contains { $0.cohort != nil || $0.rules > 0 }
    return (isByName ? "some have it, by name" : "nobody has it", people)
  }

  // MARK: Figures

  private var figures: [String] {
    let room = columns - Self.margin.count - Self.nameWidth - Self.valueWidth - Self.limitWidth
    let figures = WatchFigures(known.series, width: max(8, room))
    let now = figures.now
    let errors = limit("error_rate")
    let p95 = limit("latency_p95")
    let mean = limit("latency_mean")
    let cost = limit("cost_per_request")
    return [axis(figures)] + [
      row(
        "errors", Figures.share(now.treatment.rate), figures.treatment.map(\.rate), errors, figures),
      // Of the same height as the row above, to be compared with it.
      row(
        "without", Figures.share(now.control.rate), figures.control.map(\.rate),
        ("", errors.value), figures),
      row(
        "p95", Figures.time(now.treatment.p95), figures.treatment.map(\.p95),
        p95.text.isEmpty && !mean.text.isEmpty ? (text: "mean \(mean.text)", value: nil) : p95,
        figures),
      row(
        "cost", Figures.cost(now.treatment.costEach), figures.treatment.map(\.costEach), cost,
        figures),
      row("requests", Figures.pace(figures.paceNow), figures.paces, ("", nil), figures),
    ]
  }

  /// When it begins, when stages changed, and now.
  private func axis(_ figures: WatchFigures) -> String {
    var line = Array(repeating: Character(" "), count: figures.treatment.count)
    func put(_ text: String, at start: Int) {
      let place = max(0, min(start, line.count - text.count))
      let near = max(0, place - 1)..<min(line.count, place + text.count + 1)
      guard place + text.count <= line.count, line[near].allSatisfy({ $0 == " " }) else { return }
      line.replaceSubrange(place..<place + text.count, with: Array(text))
    }
    put("now", at: line.count)
    put(LocalTime.brief(figures.from), at: 0)
    for mark in figures.marks.reversed() {
      let text = LocalTime.brief(mark.at)
      put(text, at: mark.column - text.count / 2)
    }
    let margin = Self.margin.count + Self.nameWidth + Self.valueWidth
    return String(repeating: " ", count: margin) + terminal.style(String(line), .dim)
  }

  private func row(
    _ name: String, _ value: String, _ values: [Double?], _ limit: (text: String, value: Double?),
    _ figures: WatchFigures
  ) -> String {
    let columns = Spark(values: values, limit: limit.value).columns
    // What somebody should look at is not hidden by a mark.
    let marks = Set(figures.marks.map(\.column)).filter { !columns[$0].isOver }
    var spark = ""
    var red = ""
    for (index, column) in columns.enumerated() {
      if column.isOver {
        red.append(column.sign)
        continue
      }
      spark += red.isEmpty ? "" : terminal.style(red, .red)
      red = ""
      spark += marks.contains(index) ? "│" : String(column.sign)
    }
    spark += red.isEmpty ? "" : terminal.style(red, .red)
    let shown = padded(String(value.prefix(Self.valueWidth - 1)), Self.valueWidth)
    let words = limit.text.isEmpty ? "" : limit.value == nil ? limit.text : "limit \(limit.text)"
    return Self.margin + padded(name, Self.nameWidth) + terminal.style(shown, .bold) + spark
      + (words.isEmpty ? "" : "  " + terminal.style(String(words.prefix(11)), .dim))
  }

  /// A guard's limit as text and in the unit of its figure.
  private func limit(_ metric: String) -> (text: String, value: Double?) {
    guard let text = known.health.guards.first(where: { $0.metric == metric })?.limit,
      let found = text.wholeMatch(of: #/\$?([0-9.]+) ?(%|ms|s|m)?/#), let number = Double(found.1)
    else { return ("", nil) }
    switch (metric, found.2) {
    case ("error_rate", "%"): return ("\(shortestText(of: number)) %", number / 100)
    case ("cost_per_request", nil): return (Figures.costLimit(number), number)
    case (_, "ms"): return ("\(shortestText(of: number)) ms", number)
    case (_, "s"): return ("\(shortestText(of: number)) s", number * 1000)
    case (_, "m"): return ("\(shortestText(of: number)) min", number * 60_000)
    default: return ("", nil)
    }
  }
}
