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
  let telemetry: any TelemetryStore
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
    try await TelemetryKeeper.save(ledger, to: telemetry)
    let cells = try await telemetry.series(
      plan.feature, from: range.from.steady, to: range.to.steady, step: range.step)
    let events = try await events(of: plan, in: range)
    return try await QuietThreads.reads.result {
      try .json(
        SeriesView(
          plan, from: range.from.steady, to: range.to.steady, step: range.step, events: events,
          cells: cells, clock))
    }
  }

  private func failures(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("from", "to", "step", "after", "limit")
    let plan = try await controller.plan(request.parameters[0])
    let range = try range(request)
    let limit = try request.limit()
    try await TelemetryKeeper.save(ledger, to: telemetry)
    let counts = try await telemetry.failures(
      plan.feature, from: range.from.steady, to: range.to.steady, step: range.step)
    let recent = try await telemetry.recentFailures(
      plan.feature, from: range.from.steady, to: range.to.steady, before: try request.cursor(),
      limit: limit + 1)
    return try await QuietThreads.reads.result {
      let page = recent.prefix(limit)
      return try .json(
        FailureList(
          from: range.from.steady, to: range.to.steady, step: range.step, counts: counts,
          recent: page.map(\.failure), next: recent.count > limit ? page.last?.id : nil, clock))
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
        TimeSpan.refusal(
          of: text,
          "\(name) is RFC 3339 such as 2026-11-23T10:00:00Z, or how long ago, such as 6h."))
    }
    return Moment(wall: at, steady: clock.steady(of: at))
  }

  /// What changed the plan in this time, oldest first; of very many the last ones.
  private func events(of plan: Plan, in range: Range) async throws -> [PlanEvent] {
    let events = try await history.events(feature: plan.feature, before: nil, limit: 1000)
    return events.map(\.event).filter { $0.at >= range.from.wall && $0.at <= range.to.wall }
      .reversed()
  }
}
