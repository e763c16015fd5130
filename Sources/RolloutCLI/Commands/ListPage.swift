import DocumentKit
import RolloutAPI

/// Plans in lines, those that need somebody first.
struct ListPage {
  /// Columns from which on there is room for more figures.
  private static let wideFrom = 132
  private static let sparkWidth = (usual: 7, wide: 24)

  struct Entry {
    fileprivate var urgency: Urgency
    var plan: PlanView
    /// What paused it, where it was no person.
    fileprivate var pause: Pause?
    fileprivate var figures: OverviewView.Row?
  }

  let entries: [Entry]
  private let hasFigures: Bool

  init(_ plans: [PlanView], figures: [String: OverviewView.Row]?, stopped: [String: Pause]) {
    hasFigures = figures != nil
    entries = plans.map { plan in
      Entry(
        urgency: Urgency(plan, isPausedByItself: stopped[plan.feature] != nil), plan: plan,
        pause: stopped[plan.feature], figures: figures?[plan.feature])
    }.sorted { ($0.urgency, $0.plan.feature) < ($1.urgency, $1.plan.feature) }
  }

  /// Those that need somebody.
  private var needy: [Entry] { entries.filter { $0.urgency <= .needsSomebody } }

  func lines(_ terminal: Terminal) -> [String] {
    let isWide = terminal.columns >= Self.wideFrom
    var columns = [Grid.Column("ROLLOUT", widthMin: 16), .init("STATE", widthMin: 13)]
    columns.append(.init("HAVE IT", isRight: true))
    if hasFigures {
      columns.append(.init("ERRORS", isRight: true))
      if isWide { columns += Self.wideColumns }
      columns.append(.init("24 H"))
    }
    columns.append(.init("NEXT", widthMin: 11))
    let rows = entries.map { cells($0, isWide, terminal) }
    return Grid(columns: columns, rows: rows).lines(terminal) + end
  }

  /// Who needs somebody, and the command to begin with.
  var end: [String] {
    guard let first = needy.first else { return [] }
    let verb = needy.count == 1 ? "needs" : "need"
    return ["", "\(needy.count) \(verb) you: rollout plan show \(clean(first.plan.feature))"]
  }

  // MARK: A row

  private static let wideColumns = [
    Grid.Column("LIMIT", isRight: true), .init("P95", isRight: true),
    .init("REQUESTS", isRight: true), .init("COST", isRight: true), .init("PEOPLE", isRight: true),
  ]

  private func cells(_ entry: Entry, _ isWide: Bool, _ terminal: Terminal) -> [Grid.Cell] {
    let color = entry.urgency.color
    let state =
      entry.pause.map { "paused by \($0.culprit)" }
      ?? (isWide ? Words.state(entry.plan) : Words.brief(entry.plan))
    var cells = [
      Grid.Cell(entry.plan.feature, .bold), .init(state + Self.doubt(entry.plan), color),
      .init(Self.share(entry.plan)),
    ]
    if hasFigures {
      let now = entry.figures?.now
      let rate = now.flatMap { now -> Double? in
        now.requests > 0 ? Double(now.failed) / Double(now.requests) : nil
      }
      let limit = entry.figures?.limit.value
      let isOver = rate.flatMap { rate in limit.map { rate > $0 } } ?? false
      cells.append(.init(Figures.share(rate), isOver ? .red : nil))
      if isWide { cells += Self.wide(now, limit) }
      let spark = Spark(
        values: entry.figures?.lastDay.rates.map(\.value) ?? [], limit: limit ?? 0.05
      ).fitted(to: isWide ? Self.sparkWidth.wide : Self.sparkWidth.usual)
      cells.append(.init(String(spark.columns.map(\.sign)), drawn: spark.text(terminal)))
    }
    let next = entry.pause == nil ? Self.next(entry) : "rollout why \(entry.plan.feature)"
    return cells + [.init(next, entry.urgency <= .needsSomebody ? color : nil)]
  }

  private static func wide(_ now: OverviewView.Traffic?, _ limit: Double?) -> [Grid.Cell] {
    let isUsed = (now?.requests ?? 0) > 0
    let cost = now?.costUsdPerHour.value.map { "\(Figures.money($0))/h" } ?? Figures.none
    return [
      .init(limit.map { "\(shortestText(of: $0 * 100)) %" } ?? Figures.none),
      .init(Figures.time(now?.latencyMsP95.value)),
      .init(isUsed ? Figures.pace(Double(now?.requests ?? 0) / 10) : Figures.none), .init(cost),
      .init(now?.users.value.map { Figures.about(Double($0)) } ?? Figures.none),
    ]
  }

  /// The order of the list.
  fileprivate enum Urgency: Int, Comparable {
    /// Its users meet with failures now.
    case failing
    /// Nothing goes on before somebody has looked.
    case needsSomebody
    case held
    /// Its users meet with what somebody should look at.
    case unwell
    case waitsForPeople, goesOn, paused, draft, completed, killed, archived

    var color: Terminal.Style? {
      switch self {
      case .failing, .needsSomebody: .red
      case .held, .unwell, .waitsForPeople: .yellow
      case .goesOn, .completed: nil
      case .paused, .draft, .killed, .archived: .dim
      }
    }

    init(_ plan: PlanView, isPausedByItself: Bool) {
      self.init(standing: plan, isPausedByItself: isPausedByItself)
      if Words.isFailing(plan) {
        self = .failing
      } else if Words.isUnwell(plan) || Words.isNotWell(plan), self > .unwell {
        self = .unwell
      }
    }

    private init(standing plan: PlanView, isPausedByItself: Bool) {
      switch plan.status {
      case "active":
        if let hold = plan.hold.value {
          self = Words.isToBeAcknowledged(hold) ? .needsSomebody : .held
        } else {
          let gates = plan.next.value?.waitingOn ?? []
          if gates.contains(where: { $0.hasPrefix("automatic advance: off") }) {
            self = .needsSomebody
            return
          }
          self = gates.allSatisfy { $0.hasPrefix("approval: ") } ? .waitsForPeople : .goesOn
        }
      case "paused":
        let isHeld = plan.hold.value.map(Words.isToBeAcknowledged) ?? false
        self = isPausedByItself || isHeld ? .needsSomebody : .paused
      case "draft": self = .draft
      case "completed": self = .completed
      case "killed": self = .killed
      default: self = .archived
      }
    }

    static func < (a: Urgency, b: Urgency) -> Bool { a.rawValue < b.rawValue }
  }

  /// Why the state may be another after a restart.
  private static func doubt(_ plan: PlanView) -> String {
    if plan.durable == false { return ", not on disk" }
    return plan.degraded == nil ? "" : ", cannot be read"
  }

  /// `25 %`, or by what else the stage has its users.
  private static func share(_ plan: PlanView) -> String {
    let serves = ["active", "paused", "completed"].contains(plan.status)
    guard serves || plan.answersUntil != nil, plan.stageIndex >= 0 else {
      return "nobody"
    }
    guard plan.stages.indices.contains(plan.stageIndex) else { return "" }
    let open = plan.stages[...plan.stageIndex]
    if let percent = open.compactMap(\.percent).max(), percent > 0 {
      return "\(shortestText(of: percent)) %"
    }
    return open.contains { $0.cohort != nil || $0.rules > 0 } ? "by name" : "nobody"
  }

  /// The first thing it waits for, or the step that is ready.
  private static func next(_ entry: Entry) -> String {
    let plan = entry.plan
    if let hold = plan.hold.value, Words.isToBeAcknowledged(hold),
      ["active", "paused"].contains(plan.status)
    {
      return "acknowledge"
    }
    if let until = plan.answersUntil { return "off from \(LocalTime.brief(until))" }
    if ["killed", "completed"].contains(plan.status), let last = entry.figures?.last {
      return "\(LocalTime.brief(last.at)), \(Words.actor(last.actor))"
    }
    guard let next = plan.next.value else { return "" }
    let stage = next.to.map { Words.stage($0, of: plan.stages) }
    let words = "\(next.action)\(stage.map { " to \($0)" } ?? "")"
    guard !next.ready, let text = next.waitingOn.first else { return words }
    // The column is narrow.
    let gate = Gate(waitingOn: text).brief.replacing(" clean requests", with: " clean")
      .replacing(#/, (.*) left$/#) { " \($0.1)" }
    guard plan.hold.value == nil else { return gate }
    if let soak = text.wholeMatch(of: #/soak: (.*) left/#), let stage {
      return "\(stage) in \(soak.1)"
    }
    return "\(stage ?? next.action): \(gate)"
  }
}
