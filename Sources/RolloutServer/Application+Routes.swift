import RolloutCore
import RolloutGateway
import RolloutStore

extension Application {
  /// What the routes are made of.
  struct Parts: Sendable {
    let stores: StoresPhase
    let control: ControlPhase
    let ai: AIPhase
    let session: SessionEndpoint
    let alerts: AlertEndpoint
    let backup: BackupEndpoint

    private var clock: KeptClock { stores.clock }
    private var store: Store { stores.data.control }

    init(stores: StoresPhase, control: ControlPhase, ai: AIPhase) {
      self.stores = stores
      self.control = control
      self.ai = ai
      let store = stores.data.control
      session = SessionEndpoint(
        sessions: control.sessions, tokens: control.checkedTokens, failures: ai.failures,
        clock: stores.clock, log: stores.log, startedAt: stores.clock.now,
        trail: stores.trail)
      backup = BackupEndpoint(
        history: store, clock: stores.clock, log: stores.log, trail: stores.trail
      ) {
        let data = stores.data
        return try await Backup(
          of: data.directory, data.control, data.telemetry, data.money, data.jobs)
      }
      // One for all tables: what it counts is of the whole server.
      alerts = AlertEndpoint(
        desk: AlertDesk(
          controller: control.controller, store: store, history: store, clock: stores.clock,
          log: stores.log),
        store: store, room: AlertRoom(clock: stores.clock), clock: stores.clock,
        settings: control.settings)
    }

    /// Every route there is. Made anew for each table.
    var routes: [Route] {
      DecisionEndpoint.routes + OFREP.routes + ChatEndpoint.routes(ai.service)
        + BudgetEndpoint(accounts: ai.budgets, log: stores.log, trail: stores.trail).routes
        + planRoutes
        + signalRoutes
        + JobEndpoint(
          service: ai.service, store: stores.data.jobs, runner: ai.jobs, clock: clock,
          trail: stores.trail
        ).routes
        + CaptureEndpoint(
          store: stores.data.telemetry, clock: clock, trail: stores.trail
        ).routes
        + TokenEndpoint(directory: control.tokens, clock: clock, log: stores.log).routes
        + [ai.metrics.route(isOpen: { control.settings.value.hasOpenMetrics })]
        + session.routes
        + OperationsEndpoint(readiness: stores.readiness).routes
        + backup.routes
        + DashboardEndpoint().routes
    }

    private var planRoutes: [Route] {
      let (controller, ledger) = (control.controller, control.ledger)
      let telemetry = stores.data.telemetry
      return PlanEndpoint(
        controller: controller, store: store, telemetry: telemetry, ledger: ledger,
        clock: clock,
        settings: control.settings, asks: ai.asks
      ).routes
        + CohortEndpoint(controller: controller, clock: clock, log: stores.log)
        .routes
        + AuditEndpoint(store: store).routes
        + ActEndpoint(links: stores.links, controller: controller, clock: clock).routes
        + ActivityEndpoint(controller: controller, store: store).routes
        + OverviewEndpoint(
          controller: controller, store: store, telemetry: telemetry, ledger: ledger, clock: clock
        ).routes
        + BacktestEndpoint(
          controller: controller, store: store, telemetry: telemetry, ledger: ledger, clock: clock
        ).routes
        + SeriesEndpoint(
          controller: controller, history: store, telemetry: telemetry, ledger: ledger,
          clock: clock
        ).routes
    }

    /// What comes in about users' experience, and what goes out about plans.
    private var signalRoutes: [Route] {
      OutcomeEndpoint(ledger: control.ledger, box: control.box, clock: clock).routes
        + alerts.routes
        + EventEndpoint(hub: stores.hub, history: store).routes
    }
  }
}
