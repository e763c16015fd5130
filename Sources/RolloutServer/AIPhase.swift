import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore

/// Providers, money, jobs, and what is counted of all of it: the third phase.
struct AIPhase: Sendable {
  let gateway: Current<Gateway>
  let budgets: BudgetAccounts
  let metrics: MetricsEndpoint
  /// Of each event loop, by its number.
  let loops: [LoopMetrics]
  let failures: FailedAuthentications
  let reloads: ReloadState
  let asks: AskBook
  let service: Current<AIService>
  let jobs: JobRunner

  init(
    _ stores: StoresPhase, _ control: ControlPhase, _ configuration: ServerConfiguration,
    loops count: Int
  ) {
    let (log, clock, data, tokens) = (stores.log, stores.clock, stores.data, control.tokens)
    let ai = AIMetrics()
    let alarm = ProviderAlarm(log: log, clock: clock)
    gateway = Current(
      Gateway(
        configuration.gateway, client: control.client, clock: clock,
        observe: { report in
          ai.attempted(report)
          alarm.note(report)
        }))
    budgets = BudgetAccounts(
      settings: control.settings, store: data.money, losses: data.money, clock: clock)
    loops = (0..<count).map { _ in LoopMetrics() }
    failures = FailedAuthentications(log: log)
    reloads = ReloadState(at: clock.now)
    let evaluations = EvaluationCounters()
    metrics = MetricsEndpoint(
      evaluations: evaluations, ledger: control.ledger, hub: stores.hub, outbox: data.control,
      gateway: GatewayMetrics(ai: ai, gateway: gateway, cache: control.cache), budgets: budgets,
      jobs: data.jobs, loops: loops, rollbacks: control.rollbacks, readiness: stores.readiness,
      access: AccessMetrics(failures: failures, tokens: tokens, clock: clock), reloads: reloads,
      clock: clock, steps: stores.clockWatch.steps, startedAt: clock.now)
    asks = AskBook(totals: metrics.asks, names: { tokens.namesByAccount })
    let purse = Purse(
      budgets: configuration.gateway.budgets, store: data.money, clock: clock, log: log,
      tell: Self.budgetTeller(control.announcer, clock, log))
    let service = Current(
      AIService(
        gateway: gateway.value, box: control.box, ledger: control.ledger, clock: clock,
        evaluations: evaluations, metrics: ai, purse: purse,
        limits: RequestLimits(configuration.gateway), cache: control.cache,
        captures: CaptureSampler(
          settings: configuration.gateway.capture, store: data.telemetry, log: log)))
    self.service = service
    jobs = JobRunner(
      store: data.jobs, settings: control.settings, clock: clock, log: log,
      execute: { [checked = control.checkedTokens] job in
        guard job.isOrdered(by: checked) else { return .done(.failed, Job.withoutToken) }
        return await service.value.process(job) { job.isOrdered(by: checked) }
      })
  }

  /// Tells people that a budget has passed one of its marks.
  private static func budgetTeller(
    _ announcer: Announcer, _ clock: any WallClock, _ log: Log
  ) -> @Sendable (BudgetAlert, Spender) async -> Void {
    { alert, spender in
      let account = alert.account
      let whose = account.scope.isEmpty ? "" : " of \(account.scope)"
      let sentence =
        "budget \(account.budget)\(whose): \(alert.percent) % of \(alert.limit.text) spent "
        + "since \(account.windowStart.rfc3339.prefix(10))"
      // A question of our own belongs to no plan.
      guard let plan = spender.plan else { return log.error(sentence) }
      await announcer.announce(
        Notice(
          feature: plan.feature, planVersion: plan.version, at: clock.now, kind: .budget,
          sentence: sentence,
          evidence: .object([
            "budget": .string(account.budget), "percent": .int(alert.percent),
            "spent_usd": .double(alert.spent.dollars), "limit_usd": .double(alert.limit.dollars),
          ])))
    }
  }
}
