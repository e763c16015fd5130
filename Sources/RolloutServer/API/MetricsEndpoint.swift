import DocumentKit
import Glibc
import HTTPServerKit
import RolloutAPI
import RolloutCore
import Synchronization

/// `GET /metrics`: everything that is counted, for Prometheus. No user ids in labels.
final class MetricsEndpoint: Sendable {
  private let ledger: OutcomeLedger
  private let hub: EventHub
  private let outbox: any OutboxStore
  private let gateway: GatewayMetrics
  /// Of the AI path, which decides outside the loops.
  let evaluations: EvaluationCounters
  private let loops: [LoopMetrics]
  private let rollbacks: RollbackCounter
  private let startedAt: Instant
  private let clock: KeptClock
  private let steps: StepCounter
  private let budgets: BudgetAccounts
  private let jobs: any JobStore
  private let access: AccessMetrics
  private let reloads: ReloadState
  private let readiness: Readiness

  init(
    evaluations: EvaluationCounters, ledger: OutcomeLedger, hub: EventHub,
    outbox: any OutboxStore, gateway: GatewayMetrics, budgets: BudgetAccounts, jobs: any JobStore,
    loops: [LoopMetrics], rollbacks: RollbackCounter,
    readiness: Readiness, access: AccessMetrics, reloads: ReloadState, clock: KeptClock,
    steps: StepCounter,
    startedAt: Instant
  ) {
    self.evaluations = evaluations
    self.ledger = ledger
    self.hub = hub
    self.outbox = outbox
    self.gateway = gateway
    self.budgets = budgets
    self.jobs = jobs
    self.loops = loops
    self.rollbacks = rollbacks
    self.readiness = readiness
    self.access = access
    self.reloads = reloads
    self.startedAt = startedAt
    self.clock = clock
    self.steps = steps
  }

  /// Needs a token, unless it is asked for on this machine itself or `isOpen` to all.
  func route(isOpen: @escaping @Sendable () -> Bool) -> Route {
    Route(
      .get, "/metrics", .scopesUnless({ $0.isLocal || isOpen() }, [.evaluate, .view]),
      .task { [self] request in
        try request.allowQuery()
        let text = await text()
        return HTTPResponse(
          status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8",
          body: Array(text.utf8))
      })
  }

  /// Who asked for a feature and how often, over all loops; grows only.
  func asks() -> AskBook.Totals {
    var totals: AskBook.Totals = [:]
    for loop in loops { loop.evaluations.addAsks(to: &totals) }
    evaluations.addAsks(to: &totals)
    return totals
  }

  /// Decisions by feature, over all loops; grows only.
  func evaluationTotals() -> [String: (enabled: Int, disabled: Int)] {
    var totals: [String: (enabled: Int, disabled: Int)] = [:]
    for loop in loops { loop.evaluations.add(to: &totals) }
    evaluations.add(to: &totals)
    return totals
  }

  private func text() async -> String {
    var writer = MetricsWriter()
    writer.metric("rollout_degraded", "gauge", "1 for what does not work as it should now.")
    for warning in readiness.warnings {
      writer.sample("rollout_degraded", ["what": warning.what], 1)
    }
    writeEvaluations(&writer)
    writePlans(&writer)
    writeRequests(&writer)
    gateway.write(&writer)
    access.write(&writer)
    reloads.write(&writer)
    writeHTTP(&writer)
    if let standings = try? await budgets.standings() {
      writer.metric(
        "rollout_budget_spent_usd", "gauge", "Spent in the budget's present window.")
      // Accounts of users are summed: no user ids in labels, hashed ones neither.
      for name in Set(standings.map(\.budget.name)).sorted() {
        let spent = standings.filter { $0.budget.name == name }
          .reduce(0) { $0 + $1.balance.spent.dollars }
        writer.sample("rollout_budget_spent_usd", ["budget": name], spent)
      }
    }
    if let counts = try? await jobs.counts() {
      writer.metric("rollout_jobs", "gauge", "Jobs that are kept, by status.")
      for status in Job.Status.allCases {
        writer.sample("rollout_jobs", ["status": status.rawValue], counts[status] ?? 0)
      }
    }
    if let backlog = try? await outbox.backlog() {
      writer.metric("rollout_outbox_pending", "gauge", "Notifications waiting to be delivered.")
      writer.sample("rollout_outbox_pending", [:], backlog.waiting)
      writer.metric("rollout_outbox_given_up", "gauge", "Notifications given up.")
      writer.sample("rollout_outbox_given_up", [:], backlog.givenUp)
    }
    writeProcess(&writer)
    return writer.text
  }

  private func writeEvaluations(_ writer: inout MetricsWriter) {
    writer.metric("rollout_evaluations_total", "counter", "Decisions, by feature and answer.")
    for (feature, count) in evaluationTotals().sorted(by: { $0.key < $1.key }) {
      writer.sample(
        "rollout_evaluations_total", ["feature": feature, "enabled": "true"], count.enabled)
      writer.sample(
        "rollout_evaluations_total", ["feature": feature, "enabled": "false"], count.disabled)
    }
  }

  private func writePlans(_ writer: inout MetricsWriter) {
    let all = ledger.totals()
    writer.metric(
      "rollout_stage_index", "gauge", "Index of the stage being served; -1 is off.")
    for item in all {
      let index = item.plan.isServing ? item.plan.stageIndex : -1
      writer.sample("rollout_stage_index", ["feature": item.plan.feature], index)
    }
    writer.metric("rollout_plan_version", "gauge", "Version of the plan.")
    for item in all {
      writer.sample("rollout_plan_version", ["feature": item.plan.feature], item.plan.version)
    }
    writer.metric("rollout_plan_held", "gauge", "1 while a hold stops the plan, by cause.")
    for item in all {
      guard let hold = item.plan.hold else { continue }
      writer.sample(
        "rollout_plan_held", ["feature": item.plan.feature, "cause": hold.cause.rawValue], 1)
    }
    writer.metric(
      "rollout_guard_score", "gauge", "Evidence score of a guard; it acts at its threshold.")
    for item in all {
      for (index, finding) in (item.last?.findings ?? []).enumerated() {
        writer.sample(
          "rollout_guard_score",
          ["feature": item.plan.feature, "guard": Self.name(finding.rule, index)],
          finding.verdict.score)
      }
    }
    writer.metric(
      "rollout_guard_firing", "gauge", "1 while a guard fires, 0 while it does not.")
    for item in all {
      for (index, finding) in (item.last?.findings ?? []).enumerated() {
        writer.sample(
          "rollout_guard_firing",
          ["feature": item.plan.feature, "guard": Self.name(finding.rule, index)],
          finding.verdict.state == .firing ? 1 : 0)
      }
    }
    writer.metric("rollout_rollbacks_total", "counter", "Steps back, by who caused them.")
    for (key, count) in rollbacks.all {
      writer.sample(
        "rollout_rollbacks_total", ["feature": key.feature, "cause": key.cause], count)
    }
  }

  /// Two guards of one metric are told apart by their place.
  private static func name(_ rule: Guard, _ index: Int) -> String {
    rule.metric == .prometheus ? "prometheus_\(index)" : rule.metric.rawValue
  }

  private func writeRequests(_ writer: inout MetricsWriter) {
    let all = ledger.totals()
    writer.metric(
      "rollout_requests_total", "counter", "What users met with, by feature, arm and outcome.")
    for item in all {
      for arm in Outcome.Arm.allCases {
        for (result, count) in (item.totals.results[arm] ?? [:]).sorted(by: {
          $0.key.rawValue < $1.key.rawValue
        }) {
          writer.sample(
            "rollout_requests_total",
            ["feature": item.plan.feature, "arm": arm.rawValue, "outcome": result.rawValue], count)
        }
      }
    }
    writer.metric(
      "rollout_request_duration_seconds", "histogram", "How long users waited for an answer.")
    for item in all {
      for arm in Outcome.Arm.allCases {
        guard let histogram = item.totals.durations[arm] else { continue }
        writer.histogram(
          "rollout_request_duration_seconds",
          [("feature", item.plan.feature), ("arm", arm.rawValue)], histogram)
      }
    }
    writer.metric("rollout_feedback_total", "counter", "What users said, by feature and kind.")
    for item in all {
      for (kind, count) in item.totals.feedback.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
        writer.sample(
          "rollout_feedback_total", ["feature": item.plan.feature, "kind": kind.rawValue], count)
      }
    }
  }

  private func writeHTTP(_ writer: inout MetricsWriter) {
    var totals: [HTTPCounters.Key: Int] = [:]
    for loop in loops { loop.http.add(to: &totals) }
    writer.metric("rollout_http_requests_total", "counter", "Answers, by route and status.")
    for (key, count) in totals.sorted(by: { $0.key < $1.key }) {
      writer.sample(
        "rollout_http_requests_total",
        ["route": key.route, "status": key.status == 0 ? "other" : String(key.status)], count)
    }
    writer.metric("rollout_event_subscribers", "gauge", "Open event streams.")
    writer.sample("rollout_event_subscribers", [:], hub.count)
  }

  private func writeProcess(_ writer: inout MetricsWriter) {
    writer.metric("process_start_time_seconds", "gauge", "When the process began.")
    writer.sample(
      "process_start_time_seconds", [:], Double(startedAt.milliseconds) / 1000)
    writer.metric("rollout_clock_steps_total", "counter", "Times that the wall clock was set.")
    writer.sample("rollout_clock_steps_total", [:], steps.value)
    writer.metric(
      "rollout_clock_offset_seconds", "gauge",
      "What the wall clock is ahead of the clock that durations are measured with.")
    writer.sample("rollout_clock_offset_seconds", [:], Double(clock.wallAhead) / 1000)
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
    let micros = Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
    writer.metric("process_cpu_seconds_total", "counter", "CPU time used.")
    writer.sample("process_cpu_seconds_total", [:], seconds + micros / 1e6)
    if let statm = try? readFile("/proc/self/statm") {
      let pages = String(decoding: statm, as: UTF8.self).split(separator: " ")
      if pages.count > 1, let resident = Int(pages[1]) {
        writer.metric("process_resident_memory_bytes", "gauge", "Resident memory.")
        writer.sample("process_resident_memory_bytes", [:], resident * sysconf(Int32(_SC_PAGESIZE)))
      }
    }
  }
}
