import DocumentKit
import HTTPServerKit
import RolloutAPI
import RolloutCore
import RolloutEvaluation
import RolloutStore

/// `GET /v1/overview`: every rollout in one row, the most urgent first.
struct OverviewEndpoint: Sendable {
  /// Rows of one answer: each is read from the disk.
  private static let rowsMax = 100
  /// What is called now; an hour has six of it.
  private static let recentSpan = TimeSpan.minutes(10)

  let controller: PlanController
  let store: any PlanStore
  let telemetry: any TelemetryStore
  let ledger: OutcomeLedger
  let clock: any SteadyClock
  let days = DayBook()

  var routes: [Route] {
    [
      Route(
        .get, "/v1/overview", .scopes([.view]), featureLimit: .respected, isLong: { _ in true },
        .task(overview))
    ]
  }

  /// What a rollout asks of people, the most urgent first.
  private enum Attention: Int {
    case needsYou, waits, goesOn, rests, archived

    var name: String {
      switch self {
      case .needsYou: "needs_you"
      case .waits: "waits"
      case .goesOn: "goes_on"
      case .rests: "rests"
      case .archived: "archived"
      }
    }
  }

  private enum Which: String, CaseIterable {
    case all, needs, archived

    func includes(_ attention: Attention) -> Bool {
      switch self {
      case .all: attention != .archived
      case .needs: attention == .needsYou || attention == .waits
      case .archived: attention == .archived
      }
    }
  }

  private struct Ranked {
    var plan: Plan
    var attention: Attention
    var assessment: Assessment?
  }

  private func overview(_ request: APIRequest) async throws -> HTTPResponse {
    try request.allowQuery("filter", "which", "after", "limit")
    let text = try request.queryValue("which") ?? Which.all.rawValue
    guard let which = Which(rawValue: text) else {
      let known = Which.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem(.badRequest, "which is one of \(known), not \(quoted(text)).")
    }
    let filter = try request.queryValue("filter")?.lowercased() ?? ""
    let limit = min(try request.limit(), Self.rowsMax)
    let start = try request.cursor() ?? 0
    let ranked = await ranked(for: request.principal)
    let fitting = ranked.filter { which.includes($0.attention) && $0.plan.fits(filter) }
    let page = fitting.dropFirst(start).prefix(limit)
    var rows: [OverviewView.Row] = []
    for entry in page { rows.append(try await row(entry, for: request.principal.actor)) }
    let end = start + page.count
    return try .json(
      OverviewView(
        at: clock.now.rfc3339, counts: counts(ranked), matching: fitting.count, plans: rows,
        next: end < fitting.count ? "\(end)" : nil))
  }

  private func counts(_ ranked: [Ranked]) -> OverviewView.Counts {
    var counts = OverviewView.Counts()
    for entry in ranked {
      if entry.attention != .archived { counts.all += 1 }
      switch entry.attention {
      case .needsYou: counts.needsYou += 1
      case .waits: counts.waits += 1
      case .goesOn: counts.goesOn += 1
      case .rests: counts.rests += 1
      case .archived: counts.archived += 1
      }
    }
    return counts
  }

  // MARK: Ranking

  /// Everything that may be seen. By the monitor's last look, so that a thousand plans are not
  /// judged anew for every page that is open.
  private func ranked(for principal: Principal) async -> [Ranked] {
    let assessments = Dictionary(
      ledger.lastAssessments().map { ($0.plan.feature, $0) }, uniquingKeysWith: { $1 })
    let degraded = await controller.degradedFeatures
    let now = clock.moment
    var ranked: [Ranked] = []
    for plan in await controller.allPlans() where principal.may(use: plan.feature) {
      let assessment = assessments[plan.feature]
      let attention =
        degraded.contains(plan.feature)
        ? .needsYou : attention(plan, assessment, by: principal.actor, now: now)
      ranked.append(Ranked(plan: plan, attention: attention, assessment: assessment))
    }
    // `allPlans` is sorted by name, and this sort keeps that order among equals.
    return ranked.enumerated().sorted {
      ($0.element.attention.rawValue, $0.offset) < ($1.element.attention.rawValue, $1.offset)
    }.map(\.element)
  }

  private func attention(
    _ plan: Plan, _ assessment: Assessment?, by actor: Actor, now: Moment
  ) -> Attention {
    switch plan.status {
    case .archived: return .archived
    case .draft, .paused, .completed, .killed:
      let fails = plan.isServing && assessment?.word == .failing
      return fails ? .needsYou : .rests
    case .active: break
    }
    if let hold = plan.hold {
      switch hold.cause {
      case .rollback, .alert: return hold.acknowledged == nil ? .needsYou : .waits
      case .investigate: return .needsYou
      case .outage, .noTraffic: return .waits
      case .manual: return .goesOn
      }
    }
    if assessment?.word == .failing || assessment?.word == .pending { return .needsYou }
    var context = CommandContext(actor: actor, reason: "", now: now)
    context.health = assessment?.gates ?? HealthGates()
    context.civil = controller.zones.civil(for: plan.definition, at: now)
    let waiting = Lifecycle.waitingOn(plan, context)
    let isByPerson = plan.definition.advance == .manual || plan.automaticAdvanceOff
    // What lacks approvals alone, or nothing at all, lacks a person.
    let lacksPerson = waiting.allSatisfy { $0.hasPrefix("approval") }
    return lacksPerson && (isByPerson || !waiting.isEmpty) ? .waits : .goesOn
  }

  // MARK: A row

  private func row(_ entry: Ranked, for actor: Actor) async throws -> OverviewView.Row {
    let plan = entry.plan
    let view = PlanView(await controller.status(of: plan), for: actor)
    let limit = plan.definition.guards.first { $0.metric == .errorRate }.flatMap { rule in
      if case .share(let share) = rule.limit { return Double(share.thousandths) / 100_000 }
      return nil
    }
    let now = clock.steady
    let recent = try await telemetry.series(
      plan.feature, from: now - Self.recentSpan, to: now + .seconds(1), step: .fiveMinutes)
    var row = OverviewView.Row(
      view, attention: entry.attention.name, automatic: plan.definition.advance == .automatic,
      dryRun: plan.definition.dryRun, limit: limit, now: Self.traffic(recent),
      lastDay: try await days.errors(of: plan.feature, telemetry, clock))
    row.verdict = entry.assessment?.word.rawValue
    row.sentence = entry.assessment?.sentence
    if plan.hold != nil || entry.attention == .rests || entry.attention == .archived {
      row.last = try await store.events(feature: plan.feature, before: nil, limit: 1).first
        .map(EventView.init)
    }
    return row
  }

  private static func traffic(_ cells: [SeriesKey: SeriesCell]) -> OverviewView.Traffic {
    var sum = SeriesCell()
    for (key, cell) in cells where key.arm == .treatment { sum.merge(cell) }
    return OverviewView.Traffic(
      requests: sum.requests, failed: sum.bad,
      latencyMsP95: sum.latencies.quantile(0.95).map { ($0 * 10).rounded() / 10 },
      costUsdPerHour: sum.cost.map { ($0.dollars * 6 * 10_000).rounded() / 10_000 },
      users: sum.users.isEmpty ? nil : sum.users.estimate)
  }
}

extension Plan {
  /// Whether its name or description holds this text, which is in small letters.
  fileprivate func fits(_ filter: String) -> Bool {
    filter.isEmpty || feature.lowercased().contains(filter)
      || definition.description.lowercased().contains(filter)
  }
}

extension SeriesCell {
  /// Requests whose user got no AI answer.
  var bad: Int { self[.failed] + self[.degradedFallback] }
}
