import RolloutCore
import RolloutGateway
import RolloutStore

extension Application {
  /// What the routes are made of.
  struct Parts: Sendable {
    let data: Databases
    let controller: PlanController
    let ledger: OutcomeLedger
    let hub: EventHub
    let tokens: TokenDirectory
    let session: SessionEndpoint
    let box: SnapshotBox
    let readiness: Readiness
    let clock: any SteadyClock
    let metrics: MetricsEndpoint
    let service: Current<AIService>
    let budgets: BudgetAccounts
    let log: Log
    let jobs: JobRunner
    let alerts: AlertEndpoint
    let settings: Current<ServerConfiguration>
    let asks: AskBook

    init(_ stores: StoresPhase, _ control: ControlPhase, _ ai: AIPhase) {
      data = stores.data
      controller = control.controller
      ledger = control.ledger
      hub = stores.hub
      tokens = control.tokens
      session = SessionEndpoint(
        sessions: control.sessions, tokens: control.checkedTokens, failures: ai.failures,
        log: stores.log, startedAt: stores.clock.now)
      box = control.box
      readiness = stores.readiness
      clock = stores.clock
      metrics = ai.metrics
      service = ai.service
      budgets = ai.budgets
      log = stores.log
      jobs = ai.jobs
      alerts = AlertEndpoint(
        desk: AlertDesk(
          controller: controller, store: data.control, history: data.control, clock: clock,
          log: log),
        store: data.control, room: AlertRoom(), clock: clock, settings: control.settings)
      settings = control.settings
      asks = ai.asks
    }

    /// Every route there is. Made anew for each table.
    var routes: [Route] {
      DecisionEndpoint.routes + OFREP.routes + ChatEndpoint.routes(service)
        + BudgetEndpoint(accounts: budgets, log: log).routes
        + planRoutes
        + signalRoutes
        + JobEndpoint(service: service, store: data.jobs, runner: jobs, clock: clock).routes
        + CaptureEndpoint(store: data.telemetry, clock: clock).routes
        + TokenEndpoint(directory: tokens, clock: clock).routes
        + [metrics.route(isOpen: { settings.value.hasOpenMetrics })]
        + session.routes
        + OperationsEndpoint(readiness: readiness).routes
        + DashboardEndpoint().routes
    }

    private var planRoutes: [Route] {
      PlanEndpoint(
        controller: controller, store: data.control, ledger: ledger, clock: clock,
        settings: settings, asks: asks
      ).routes
        + CohortEndpoint(controller: controller, store: data.control, clock: clock).routes
        + ActivityEndpoint(controller: controller, store: data.control).routes
        + OverviewEndpoint(
          controller: controller, store: data.control, telemetry: data.telemetry, ledger: ledger,
          clock: clock
        ).routes
        + BacktestEndpoint(
          controller: controller, store: data.control, telemetry: data.telemetry, ledger: ledger,
          clock: clock
        ).routes
        + SeriesEndpoint(
          controller: controller, history: data.control, telemetry: data.telemetry,
          ledger: ledger, clock: clock
        ).routes
    }

    /// What comes in about users' experience, and what goes out about plans.
    private var signalRoutes: [Route] {
      OutcomeEndpoint(ledger: ledger, box: box, clock: clock).routes
        + alerts.routes
        + EventEndpoint(hub: hub, history: data.control).routes
    }
  }
}
