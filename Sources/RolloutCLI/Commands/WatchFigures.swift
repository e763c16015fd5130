import DocumentKit
import RolloutAPI
import RolloutCore

/// What a series says, in as many columns as there is room for.
struct WatchFigures {
  /// What is called now.
  private static let recent = TimeSpan.minutes(10)

  /// One arm in one column, or lately.
  struct Sum {
    var requests = 0
    var bad = 0
    var latency = 0.0
    var timed = 0
    var cost: Double?
    /// Steps of time that had requests.
    var steps = 0
    fileprivate var last = ""

    var rate: Double? { requests > 0 ? Double(bad) / Double(requests) : nil }
    var p95: Double? { timed > 0 ? latency / Double(timed) : nil }
    var costEach: Double? {
      cost.flatMap { requests > 0 ? $0 / Double(requests) : nil }
    }
  }

  /// Change of stage on the time axis.
  struct Mark {
    var column: Int
    var at: Instant
  }

  let from: Instant
  let to: Instant
  private(set) var treatment: [Sum]
  private(set) var control: [Sum]
  private(set) var now = (treatment: Sum(), control: Sum())
  private(set) var marks: [Mark] = []
  private let stepSeconds: Int

  private static let moves: Set<String> = [
    "started", "advanced", "restored", "rolled_back", "killed", "resumed",
  ]

  init(_ series: SeriesView, width: Int) {
    let end = Instant(rfc3339: series.to) ?? LocalTime.now
    to = end
    from = Instant(rfc3339: series.from) ?? end
    stepSeconds = max(1, min(series.stepS, 86_400))
    treatment = Array(repeating: Sum(), count: max(1, width))
    control = treatment
    for row in series.rows { add(row, series) }
    for mark in series.marks where Self.moves.contains(mark.type) {
      guard let at = Instant(rfc3339: mark.at), let column = column(at) else { continue }
      marks.append(Mark(column: column, at: at))
    }
  }

  private func column(_ at: Instant) -> Int? {
    let span = Double(to.since(from).milliseconds)
    guard span > 0, at >= from, at < to else { return nil }
    let part = Double(at.since(from).milliseconds) / span
    return min(treatment.count - 1, Int(part * Double(treatment.count)))
  }

  private mutating func add(_ row: [Document], _ series: SeriesView) {
    guard let text = series.cell(row, "at").string, let at = Instant(rfc3339: text),
      let first = column(at)
    else { return }
    let step = TimeSpan.seconds(Int64(stepSeconds))
    let last = column(Instant(milliseconds: (at + step).milliseconds.subtracting(1)))
    let isRecent =
      at + step
      > Instant(
        milliseconds: to.milliseconds.subtracting(Self.recent.milliseconds))
    let arm = series.cell(row, "arm").string
    for column in first...max(first, last ?? treatment.count - 1) {
      if arm == "treatment" { treatment[column].add(row, series, text) }
      if arm == "control" { control[column].add(row, series, text) }
    }
    guard isRecent else { return }
    if arm == "treatment" { now.treatment.add(row, series, text) }
    if arm == "control" { now.control.add(row, series, text) }
  }

  /// Requests a minute in each column.
  var paces: [Double?] {
    treatment.map { $0.steps == 0 ? 0 : pace($0.requests, steps: $0.steps) }
  }

  /// Requests a minute, lately.
  var paceNow: Double? {
    let steps = max(1, Int(Self.recent.milliseconds / 1000) / stepSeconds)
    return now.treatment.steps == 0 ? nil : pace(now.treatment.requests, steps: steps)
  }

  private func pace(_ requests: Int, steps: Int) -> Double {
    Double(requests) * 60 / Double(steps * stepSeconds)
  }
}

extension WatchFigures.Sum {
  fileprivate mutating func add(_ row: [Document], _ series: SeriesView, _ at: String) {
    func count(_ name: String) -> Int { max(0, series.cell(row, name).int ?? 0) }
    let asked = count("requests")
    requests = requests.adding(asked)
    bad = bad.adding(count("failed")).adding(count("degraded_fallback"))
    if let p95 = series.cell(row, "p95_ms").double {
      latency += p95 * Double(max(1, asked))
      timed = timed.adding(max(1, asked))
    }
    if let dollars = series.cell(row, "cost_usd").double { cost = (cost ?? 0) + dollars }
    if last != at {
      last = at
      steps += 1
    }
  }
}
