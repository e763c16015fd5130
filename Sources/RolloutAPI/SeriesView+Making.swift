import DocumentKit
package import RolloutCore

extension SeriesView {
  /// What happened from `from` to before `to` of the steady timeline, by one step; `events` are
  /// what changed the plan meanwhile, oldest first.
  package init(
    _ plan: Plan, from: Instant, to: Instant, step: SeriesStep, events: [PlanEvent],
    cells: [SeriesKey: SeriesCell], _ clock: any SteadyClock
  ) {
    let stages = plan.definition.stages.map(\.name)
    func order(_ key: SeriesKey) -> (Int64, Int, String, String) {
      (key.at.milliseconds, stages.firstIndex(of: key.stage) ?? -1, key.stage, key.arm.rawValue)
    }
    self.init(
      from: clock.shown(from, step), to: clock.shown(to, step), stepS: step.seconds,
      marks: events.map(Mark.init),
      rows: cells.sorted { order($0.key) < order($1.key) }.map {
        Self.row($0.key, $0.value, clock)
      })
  }

  /// In the order of `columnNames`.
  private static func row(
    _ key: SeriesKey, _ cell: SeriesCell, _ clock: any SteadyClock
  ) -> [Document] {
    func quantile(_ fraction: Double) -> Document {
      cell.latencies.quantile(fraction).map { .double(($0 * 10).rounded() / 10) } ?? .null
    }
    let counts: [Outcome.Result] = [
      .ok, .degradedModel, .degradedCache, .degradedFallback, .failed, .excluded,
    ]
    let isTreatment = key.arm == .treatment
    let isControl = key.arm == .control
    return [
      .string(clock.shown(key.at, key.step)), key.stage.isEmpty ? .null : .string(key.stage),
      .string(key.arm.rawValue), .int(cell.requests),
    ] + counts.map { .int(cell[$0]) } + [0.5, 0.95, 0.99].map(quantile) + [
      cell.tokens.map { .int($0) } ?? .null, cell.cost.map { .double($0.dollars) } ?? .null,
    ] + [.thumbsUp, .thumbsDown, .regenerate, .abandon].map { .int(cell[$0]) } + [
      isTreatment ? .int(cell.decisions) : .null, isControl ? .int(cell.decisions) : .null,
      cell.users.isEmpty ? .null : .int(cell.users.estimate),
    ]
  }
}

extension SeriesView.Mark {
  fileprivate init(_ event: PlanEvent) {
    self.init(
      at: event.at.rfc3339, stage: event.to.stage, version: event.version,
      type: event.kind.rawValue, actor: event.actor.text)
  }
}

extension FailureList {
  /// What failed from `from` to before `to` of the steady timeline, by one step; `recent` newest
  /// first.
  package init(
    from: Instant, to: Instant, step: SeriesStep, counts: [FailureKey: Int],
    recent: [RecentFailure], next: Int?, _ clock: any SteadyClock
  ) {
    func order(_ entry: (key: FailureKey, value: Int)) -> (Int64, Int, String, String) {
      let key = entry.key
      return (
        key.at.milliseconds, -entry.value, key.kind,
        "\(key.target?.description ?? "") \(key.arm.rawValue)"
      )
    }
    let sorted = counts.sorted { order(($0.key, $0.value)) < order(($1.key, $1.value)) }
    self.init(
      from: clock.shown(from, step), to: clock.shown(to, step), stepS: step.seconds,
      failures: sorted.map { Entry($0.key, $0.value, clock) },
      recent: recent.map { Recent($0, clock) }, next: next.map { "\($0)" })
  }
}

extension FailureList.Entry {
  fileprivate init(_ key: FailureKey, _ count: Int, _ clock: any SteadyClock) {
    self.init(
      at: clock.shown(key.at, key.step), arm: key.arm.rawValue, kind: key.kind,
      provider: key.target?.provider, model: key.target?.model, count: count)
  }
}

extension FailureList.Recent {
  fileprivate init(_ failure: RecentFailure, _ clock: any SteadyClock) {
    self.init(
      at: clock.wall(of: failure.at).rfc3339, requestID: failure.note.requestID,
      arm: failure.arm.rawValue, kind: failure.note.kind, provider: failure.note.target?.provider,
      model: failure.note.target?.model, status: failure.note.status, latencyMs: failure.latency)
  }
}

extension SteadyClock {
  /// The beginning of a step as the wall clock shows it, moved to a round time: the two clocks are
  /// apart by whatever the wall clock was ever set by.
  fileprivate func shown(_ at: Instant, _ step: SeriesStep) -> String {
    let wall = wall(of: step.start(of: at))
    return step.start(of: wall + TimeSpan(milliseconds: step.rawValue / 2)).rfc3339
  }
}

extension SeriesStep {
  fileprivate var seconds: Int { Int(rawValue / 1000) }
}
