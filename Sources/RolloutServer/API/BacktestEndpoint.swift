import DocumentKit
import HTTPServerKit
import PlatformKit
import RolloutAPI
import RolloutCore
import RolloutStore

/// `POST /v1/plans/{feature}/backtest`: the recorded outcomes against other thresholds.
struct BacktestEndpoint: Sendable {
  let controller: PlanController
  let store: any PlanStore
  let telemetry: any TelemetryStore
  let ledger: OutcomeLedger
  let clock: any SteadyClock

  var routes: [Route] {
    [
      Route(
        .post, "/v1/plans/{feature}/backtest", .scopes([.view]), featureLimit: .path,
        isLong: { _ in true }, .task(run))
    ]
  }

  private func run(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery()
    let feature = request.parameters[0]
    var plan = try await controller.plan(feature)
    let since = try configure(&plan, request)
    // What is still in memory is recorded too.
    try await TelemetryKeeper.save(ledger, to: telemetry)
    let packed = try await telemetry.outcomes(feature)
    let events = try await store.events(feature: feature, before: nil, limit: 1000)
    let steps = events.map(\.event).filter { $0.kind == .rolledBack && $0.at >= since.wall }
    return try await QuietThreads.reads.result { [plan, clock] in
      // A portion at a time, so that only what counts is in memory.
      let outcomes = packed.flatMap { bytes in
        PackedOutcomes.unpack(bytes).filter { Backtest.counts($0) && $0.at >= since.steady }
      }
      let backtest = Backtest(
        outcomes, plan: plan, rollbacks: steps.map { clock.steady(of: $0.at) })
      return try .json(BacktestView(backtest, plan, steps.reversed(), clock))
    }
  }

  /// Puts the asked-for guards into a copy of the plan; returns from when to replay.
  private func configure(_ plan: inout Plan, _ request: APIRequest) throws -> Moment {
    var since = Moment(Instant(milliseconds: 0))
    do throws(DocumentError) {
      var reader = try ObjectReader(
        request.body.isEmpty ? .object([:]) : try JSONReader.read(request.body))
      if let guards = try Guard.list(&reader) { plan.definition.guards = guards }
      if let preset: Preset = try reader.choice("preset") {
        plan.definition.preset = preset
        for index in plan.definition.stages.indices { plan.definition.stages[index].preset = nil }
      }
      if let stage = try reader.text("stage") {
        guard let index = plan.definition.stages.firstIndex(where: { $0.name == stage }) else {
          throw reader.error("stage", "There is no stage \(quoted(stage)).")
        }
        plan.stageIndex = index
      }
      if let text = try reader.text("since") {
        if let span = TimeSpan(text) {
          since = Moment(
            wall: Instant(milliseconds: clock.now.milliseconds.subtracting(span.milliseconds)),
            steady: Instant(milliseconds: clock.steady.milliseconds.subtracting(span.milliseconds)))
        } else if let at = Instant(rfc3339: text) {
          since = Moment(wall: at, steady: clock.steady(of: at))
        } else {
          throw reader.error(
            "since", TimeSpan.refusal(of: text, "Expected a duration such as 2h, or RFC 3339."))
        }
      }
      try reader.finish()
    } catch { throw Problem(.badRequest, "\(error)") }
    plan.stageIndex = max(0, plan.stageIndex)
    return since
  }
}
