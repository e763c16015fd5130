import HTTPKit
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
    let box: SnapshotBox
    let readiness: Readiness
    let clock: any SteadyClock
    let metrics: MetricsEndpoint
    let chat: ChatEndpoint
    let budgets: BudgetEndpoint
    let jobs: JobRunner
    let alertSecret: WebhookSecret?
    let hasOpenMetrics: Bool

    /// Every route there is. Made anew for each table.
    var routes: [Route] {
      DecisionEndpoint.routes + OFREP.routes + chat.routes + budgets.routes + planRoutes
        + signalRoutes
        + JobEndpoint(chat: chat, store: data.jobs, runner: jobs, clock: clock).routes
        + CaptureEndpoint(store: data.telemetry, clock: clock).routes
        + TokenEndpoint(directory: tokens, clock: clock).routes
        + [metrics.route(isOpen: { hasOpenMetrics })]
        + OperationsEndpoint(readiness: readiness).routes
    }

    private var planRoutes: [Route] {
      PlanEndpoint(
        controller: controller, store: data.control, ledger: ledger, clock: clock,
        routeNames: Set(chat.gateway.configuration.routes.keys)
      ).routes
        + CohortEndpoint(controller: controller, store: data.control).routes
        + BacktestEndpoint(
          controller: controller, store: data.control, telemetry: data.telemetry, ledger: ledger,
          clock: clock
        ).routes
    }

    /// What comes in about users' experience, and what goes out about plans.
    private var signalRoutes: [Route] {
      OutcomeEndpoint(ledger: ledger, box: box, clock: clock).routes
        + AlertEndpoint(
          controller: controller, store: data.control, clock: clock, secret: alertSecret
        ).routes
        + EventEndpoint(hub: hub, store: data.control, outbox: data.control, clock: clock).routes
    }
  }
}
