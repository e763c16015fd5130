import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutStore

/// What happened to a feature's users over time, and what failed.
struct SeriesEndpoint: Sendable {
  /// Steps in one answer: 24 hours of the finest, 400 days of the coarsest.
  private static let stepsMax: Int64 = 10_000
  private static let usualSpan = TimeSpan.hours(1)

  let controller: PlanController
  let history: any PlanStore
  let telemetry: TelemetryStore
  let ledger: OutcomeLedger
  let clock: any SteadyClock

  var routes: [Route] {
    [
      Route(
        .get, "/v1/plans/{feature}/series", .scopes([.view]), featureLimit: .path,
        isLong: { _ in true }, .task(series)),
      Route(
        .get, "/v1/plans/{feature}/failures", .scopes([.view]), featureLimit: .path,
        isLong: { _ in true }, .task(failures)),
    ]
  }

  /// A part of the past; on the steady timeline it is of whole steps.
  private struct Range {
    var from: Moment
    var to: Moment
    var step: SeriesStep
  }

  private func series(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("from", "to", "step")
    let plan = try await controller.plan(request.parameters[0])
    let range = try range(request)
    try await TelemetryKeeper(store: telemetry).save(ledger)
    let cells = try await telemetry.series(
      plan.feature, from: range.from.steady, to: range.to.steady, step: range.step)
    let stages = plan.definition.stages.map(\.name)
    @Sendable func order(_ key: SeriesKey) -> (Int64, Int, String, String) {
      (key.at.milliseconds, stages.firstIndex(of: key.stage) ?? -1, key.stage, key.arm.rawValue)
    }
    let marks = try await marks(plan, range)
    return try await QuietThreads.reads.result {
      let rows = cells.sorted { order($0.key) < order($1.key) }.map { row($0.key, $0.value) }
      return try .json(
        SeriesView(
          from: shown(range.from.steady, range.step), to: shown(range.to.steady, range.step),
          stepS: Int(range.step.rawValue / 1000), marks: marks, rows: rows))
    }
  }

  private func failures(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("from", "to", "step", "after", "limit")
    let plan = try await controller.plan(request.parameters[0])
    let range = try range(request)
    let limit = try request.limit()
    try await TelemetryKeeper(store: telemetry).save(ledger)
    let counts = try await telemetry.failures(
      plan.feature, from: range.from.steady, to: range.to.steady, step: range.step)
    let recent = try await telemetry.recentFailures(
      plan.feature, from: range.from.steady, to: range.to.steady, before: try request.cursor(),
      limit: limit + 1)
    @Sendable func order(_ entry: (key: FailureKey, value: Int)) -> (Int64, Int, String, String) {
      let key = entry.key
      return (
        key.at.milliseconds, -entry.value, key.kind,
        "\(key.target?.description ?? "") \(key.arm.rawValue)"
      )
    }
    return try await QuietThreads.reads.result {
      let entries = counts.sorted { order(($0.key, $0.value)) < order(($1.key, $1.value)) }
      return try .json(
        FailureList(
          from: shown(range.from.steady, range.step), to: shown(range.to.steady, range.step),
          stepS: Int(range.step.rawValue / 1000),
          failures: entries.map { entry($0.key, $0.value) },
          recent: recent.prefix(limit).map { self.recent($0.failure) },
          next: recent.count > limit ? recent.prefix(limit).last.map { "\($0.id)" } : nil))
    }
  }

  // MARK: Asking

  /// `from` and `to` are RFC 3339, or how long ago; `step` is 10s, 5m, 1h or auto. What is kept by
  /// coarser steps only is given by those.
  private func range(_ request: APIRequest) throws(Problem) -> Range {
    let now = clock.moment
    // What happens now lies before it, too.
    let to =
      try moment(request, "to", now)
      ?? Moment(wall: now.wall + .shortest, steady: now.steady + .shortest)
    let from =
      try moment(request, "from", now)
      ?? Moment(wall: Self.before(to.wall), steady: Self.before(to.steady))
    guard from.steady < to.steady else {
      throw Problem(.badRequest, "from must lie before to.")
    }
    let span = to.steady.since(from.steady)
    let kept = SeriesStep.kept(since: from.steady, now: now.steady)
    let text = try request.queryValue("step") ?? "auto"
    guard let asked = text == "auto" ? SeriesStep.fitting(span) : SeriesStep(text: text) else {
      throw Problem(.badRequest, "step is 10s, 5m, 1h or auto, not \(quoted(text)).")
    }
    let step = max(kept, asked)
    guard span.milliseconds / step.rawValue <= Self.stepsMax else {
      throw Problem(
        .badRequest,
        "That is more than \(Self.stepsMax) steps of \(step.text); ask for less, or for step=auto.")
    }
    var range = Range(from: from, to: to, step: step)
    range.from.steady = step.start(of: from.steady)
    range.to.steady = step.start(of: to.steady)
    if range.to.steady < to.steady { range.to.steady = range.to.steady + step.span }
    return range
  }

  private static func before(_ end: Instant) -> Instant {
    Instant(milliseconds: end.milliseconds.subtracting(usualSpan.milliseconds))
  }

  private func moment(
    _ request: APIRequest, _ name: String, _ now: Moment
  ) throws(Problem) -> Moment? {
    guard let text = try request.queryValue(name) else { return nil }
    if let span = TimeSpan(text) {
      return Moment(
        wall: Instant(milliseconds: now.wall.milliseconds.subtracting(span.milliseconds)),
        steady: Instant(milliseconds: now.steady.milliseconds.subtracting(span.milliseconds)))
    }
    guard let at = Instant(rfc3339: text) else {
      throw Problem(
        .badRequest,
        "\(name) is RFC 3339 such as 2026-11-23T10:00:00Z, or how long ago, such as 6h.")
    }
    return Moment(wall: at, steady: clock.steady(of: at))
  }

  // MARK: Showing

  /// The beginning of a step as the wall clock shows it, moved to a round time: the two clocks are
  /// apart by whatever the wall clock was ever set by.
  private func shown(_ at: Instant, _ step: SeriesStep) -> String {
    let wall = clock.wall(of: step.start(of: at))
    return step.start(of: wall + TimeSpan(milliseconds: step.rawValue / 2)).rfc3339
  }

  /// In the order of `SeriesView.columnNames`.
  private func row(_ key: SeriesKey, _ cell: SeriesCell) -> [Document] {
    func quantile(_ fraction: Double) -> Document {
      cell.latencies.quantile(fraction).map { .double(($0 * 10).rounded() / 10) } ?? .null
    }
    let counts: [Outcome.Result] = [
      .ok, .degradedModel, .degradedCache, .degradedFallback, .failed, .excluded,
    ]
    let isTreatment = key.arm == .treatment
    let isControl = key.arm == .control
    return [
      .string(shown(key.at, key.step)), key.stage.isEmpty ? .null : .string(key.stage),
      .string(key.arm.rawValue), .int(cell.requests),
    ] + counts.map { .int(cell[$0]) } + [0.5, 0.95, 0.99].map(quantile) + [
      cell.tokens.map { .int($0) } ?? .null, cell.cost.map { .double($0.dollars) } ?? .null,
    ] + [.thumbsUp, .thumbsDown, .regenerate, .abandon].map { .int(cell[$0]) } + [
      isTreatment ? .int(cell.decisions) : .null, isControl ? .int(cell.decisions) : .null,
      cell.users.isEmpty ? .null : .int(cell.users.estimate),
    ]
  }

  private func entry(_ key: FailureKey, _ count: Int) -> FailureList.Entry {
    FailureList.Entry(
      at: shown(key.at, key.step), arm: key.arm.rawValue, kind: key.kind,
      provider: key.target?.provider, model: key.target?.model, count: count)
  }

  private func recent(_ failure: RecentFailure) -> FailureList.Recent {
    FailureList.Recent(
      at: clock.wall(of: failure.at).rfc3339, requestID: failure.note.requestID,
      arm: failure.arm.rawValue, kind: failure.note.kind, provider: failure.note.target?.provider,
      model: failure.note.target?.model, status: failure.note.status, latencyMs: failure.latency)
  }

  /// What changed the plan in this time, oldest first; of very many the last ones.
  private func marks(_ plan: Plan, _ range: Range) async throws -> [SeriesView.Mark] {
    let events = try await history.events(feature: plan.feature, before: nil, limit: 1000)
    return events.map(\.event).filter { $0.at >= range.from.wall && $0.at <= range.to.wall }
      .reversed().map { event in
        SeriesView.Mark(
          at: event.at.rfc3339, stage: event.to.stage, version: event.version,
          type: event.kind.rawValue, actor: event.actor.text)
      }
  }
}
