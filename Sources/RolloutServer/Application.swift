import DocumentKit
import Glibc
import HTTPKit
import RolloutAPI
import RolloutCore
import RolloutGateway
import RolloutStore

/// The whole server, put together. Tests start one on port 0.
final class Application: Sendable {
  /// Everything impure, in one value.
  struct Environment: Sendable {
    var clock: any WallClock = SystemClock()
    var migrations = Migration.embedded
    var limits = HTTPLimits()
    var loops = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
  }

  let port: Int
  let routes: [Route]
  private let server: HTTPServer
  private let store: Store
  private let telemetry: TelemetryStore
  private let money: BudgetDatabase
  private let hub: EventHub
  private let readiness: Readiness
  private let background: [Task<Void, Never>]
  private let ledger: OutcomeLedger
  private let directory: DataDirectory

  /// Opens the data, starts listening and watching. Throws `StoreError`, `SystemError`,
  /// `AddressError` or `ConfigurationError`.
  init(
    _ options: ServerOptions, _ configuration: ServerConfiguration,
    _ environment: Environment = Environment()
  ) async throws {
    guard configuration.authenticates || options.isLoopback else {
      throw ConfigurationError(
        description: "auth: off is for loopback addresses only; listen on 127.0.0.1 or turn it on")
    }
    let clock = environment.clock
    let log = Log(clock: clock)
    directory = try DataDirectory(options.data)
    store = try Store(
      directory, migrations: environment.migrations,
      subscriptions: configuration.notify.map(\.subscription), now: clock.now)
    telemetry = try TelemetryStore(directory, now: clock.now)
    money = try BudgetDatabase(directory, now: clock.now)
    try await money.settleAbandoned()
    let box = SnapshotBox()
    ledger = OutcomeLedger()
    hub = EventHub()
    let client = try HTTPClient()
    let courier = Courier(
      store: store,
      messenger: HTTPMessenger(
        targets: Dictionary(uniqueKeysWithValues: configuration.notify.map { ($0.name, $0) }),
        client: client),
      clock: clock, log: log)
    let rollbacks = RollbackCounter()
    let controller = try await PlanController(
      planStore: store, cohortStore: store, box: box, clock: clock, ledger: ledger, hub: hub
    ) { event in
      rollbacks.note(event)
      courier.wake()
    }
    try await TelemetryKeeper(store: telemetry).restore(into: ledger)
    let tokens = try await TokenDirectory(store: store, clock: clock)
    if tokens.isEmpty { try await Self.makeAdminToken(tokens, directory, log) }
    let ai = AIMetrics()
    let gateway = Gateway(
      configuration.gateway, client: client, clock: clock, observe: ai.attempted)
    let loops = (0..<environment.loops).map { _ in LoopMetrics() }
    let metrics = MetricsEndpoint(
      ledger: ledger, hub: hub, outbox: store,
      gateway: GatewayMetrics(ai: ai, gateway: gateway), loops: loops, rollbacks: rollbacks,
      startedAt: clock.now)
    let purse = Purse(
      budgets: configuration.gateway.budgets, store: money, clock: clock, log: log,
      tell: Self.budgetTeller(store, hub, clock, log, courier))
    let budgets = BudgetEndpoint(
      budgets: configuration.gateway.budgets, store: money, clock: clock)
    metrics.follow(budgets)
    readiness = Readiness(hasTokens: configuration.authenticates)
    let parts = Parts(
      controller: controller, store: store, box: box, ledger: ledger, hub: hub, tokens: tokens,
      gateway: gateway, readiness: readiness, clock: clock, metrics: metrics, ai: ai,
      purse: purse, limits: RequestLimits(configuration.gateway),
      cache: try await AnswerCache(store: telemetry, now: clock.now), budgets: budgets,
      telemetry: telemetry, alertSecret: configuration.alertSecret,
      isLoopback: options.isLoopback)
    routes = Self.routes(parts)
    let checked = configuration.authenticates ? tokens : nil
    server = try HTTPServer(
      host: options.host, port: options.port, loops: environment.loops, limits: environment.limits
    ) { loop in
      // A table of its own for every loop: routes are counted with every request.
      LoopService(
        table: RouteTable(routes: Self.routes(parts)), box: box, tokens: checked, clock: clock,
        metrics: loops[loop], executor: client.executor)
    }
    port = server.port
    let monitor = Monitor(
      controller: controller, ledger: ledger, outbox: store, hub: hub, readiness: readiness,
      clock: clock, log: log, evaluations: metrics.evaluationTotals,
      providers: configuration.gateway.firstTarget)
    let poller = PrometheusPoller(
      settings: configuration.prometheus, client: client, ledger: ledger, clock: clock)
    background = [
      Task { await courier.run() },
      Task { await poller.run() },
      Task { await monitor.run() },
      Task { [hub] in await hub.beat() },
      Task { [telemetry, ledger] in await TelemetryKeeper(store: telemetry).run(ledger, log) },
    ]
    log.notice("listening", ["address": "\(options.host):\(port)", "data": options.data])
  }

  /// Finishes what is in flight, writes what was measured, and closes the files.
  func shutDown() async {
    readiness.startDraining()
    hub.close()
    await server.drain()
    for task in background { task.cancel() }
    try? await TelemetryKeeper(store: telemetry).save(ledger)
    await telemetry.close()
    await money.close()
    await store.close()
    directory.release()
  }

  private struct Parts: Sendable {
    var controller: PlanController
    var store: Store
    var box: SnapshotBox
    var ledger: OutcomeLedger
    var hub: EventHub
    var tokens: TokenDirectory
    var gateway: Gateway
    var readiness: Readiness
    var clock: any WallClock
    var metrics: MetricsEndpoint
    var ai: AIMetrics
    var purse: Purse
    var limits: RequestLimits
    var cache: AnswerCache
    var budgets: BudgetEndpoint
    var telemetry: TelemetryStore
    var alertSecret: WebhookSecret?
    var isLoopback: Bool
  }

  private static func routes(_ parts: Parts) -> [Route] {
    DecisionEndpoint.routes + OFREP.routes
      + ChatEndpoint(
        gateway: parts.gateway, box: parts.box, ledger: parts.ledger, clock: parts.clock,
        metrics: parts.metrics, ai: parts.ai, purse: parts.purse,
        limits: parts.limits, cache: parts.cache
      ).routes + parts.budgets.routes
      + OutcomeEndpoint(ledger: parts.ledger, box: parts.box, clock: parts.clock).routes
      + PlanEndpoint(
        controller: parts.controller, store: parts.store, ledger: parts.ledger,
        clock: parts.clock, routeNames: Set(parts.gateway.configuration.routes.keys)
      ).routes
      + CohortEndpoint(controller: parts.controller, store: parts.store).routes
      + TokenEndpoint(directory: parts.tokens, clock: parts.clock).routes
      + BacktestEndpoint(
        controller: parts.controller, store: parts.store, telemetry: parts.telemetry,
        ledger: parts.ledger, clock: parts.clock
      ).routes
      + AlertEndpoint(
        controller: parts.controller, store: parts.store, clock: parts.clock,
        secret: parts.alertSecret
      ).routes
      + EventEndpoint(
        hub: parts.hub, store: parts.store, outbox: parts.store, clock: parts.clock
      ).routes
      + [parts.metrics.route(isLoopback: parts.isLoopback)]
      + OperationsEndpoint(readiness: parts.readiness).routes
  }

  /// Tells people that a budget has passed one of its marks.
  private static func budgetTeller(
    _ outbox: any OutboxStore, _ hub: EventHub, _ clock: any WallClock, _ log: Log,
    _ courier: Courier
  ) -> @Sendable (BudgetAlert, ChatCall) async -> Void {
    { alert, call in
      let account = alert.account
      let whose = account.scope.isEmpty ? "" : " of \(account.scope)"
      let notice = Notice(
        feature: call.plan.plan.feature, planVersion: call.plan.plan.version, at: clock.now,
        kind: .budget,
        sentence:
          "budget \(account.budget)\(whose): \(alert.percent) % of \(alert.limit.text) spent "
          + "since \(account.windowStart.rfc3339.prefix(10))",
        evidence: .object([
          "budget": .string(account.budget), "percent": .int(alert.percent),
          "spent_usd": .double(alert.spent.dollars), "limit_usd": .double(alert.limit.dollars),
        ]))
      do {
        hub.publish(.notice(try await outbox.append(notice)))
        courier.wake()
      } catch { log.error("a notice could not be kept", ["error": "\(error)"]) }
    }
  }

  /// The first start: a token for the administrator, in a file only they can read.
  private static func makeAdminToken(
    _ tokens: TokenDirectory, _ directory: DataDirectory, _ log: Log
  ) async throws {
    let made = try await tokens.create(
      name: "admin", scopes: [.admin], features: nil, expiresAt: nil)
    try directory.writeSecret(made.text + "\n", to: "admin.token")
    log.notice("made the admin token", ["file": "\(directory.path)/admin.token"])
  }
}
