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
    var clock: any SystemTime = SystemClock()
    var migrations = Migration.control
    var limits = HTTPLimits()
    var loops = processorCount()
    /// nil leaves looking to whoever turns the clock.
    var lookInterval: Duration? = Monitor.interval
  }

  let port: Int
  let routes: [Route]
  private let server: HTTPServer
  private let controller: PlanController
  private let log: Log
  private let data: Databases
  private let hub: EventHub
  let readiness: Readiness
  let monitor: Monitor
  private let background: [Task<Void, Never>]
  private let telemetry: Task<Void, Never>
  let ledger: OutcomeLedger
  private let jobs: JobRunner
  /// The server's time.
  let clock: KeptClock
  private let clockWatch: ClockWatch
  let tokens: TokenDirectory
  /// Who asked for what in the last day.
  let asks: AskBook
  private let tokenWatch: TokenWatch
  private let reloading: Reloading

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
    let log = Log(clock: environment.clock)
    self.log = log
    let readiness = Readiness(hasTokens: configuration.authenticates)
    self.readiness = readiness
    let hub = EventHub()
    self.hub = hub
    data = try await Databases(
      options.data, options.permissions, migrations: environment.migrations,
      subscriptions: configuration.notify.map(\.subscription), now: environment.clock.now,
      committed: { hub.committed($0) },
      moneyReport: { error in
        readiness.note("budgets", error.map { "the budgets cannot be written: \($0)" }, log)
      })
    let dataWatch = DataWatch(
      data: data, readiness: readiness, clock: environment.clock, log: log)
    dataWatch.begin()
    await dataWatch.look()
    let clock = KeptClock(environment.clock, resuming: try await data.control.loadClock())
    self.clock = clock
    let clockWatch = ClockWatch(
      clock: clock, store: data.control, readiness: readiness, steps: StepCounter(), log: log)
    self.clockWatch = clockWatch
    await clockWatch.begin()
    let box = SnapshotBox()
    ledger = OutcomeLedger()
    let client = try HTTPClient()
    let settings = Current(configuration)
    let courier = Self.courier(settings, data.control, client, clock, log) { target, trouble in
      readiness.note("notify:\(target)", trouble, log)
    }
    let rollbacks = RollbackCounter()
    controller = try await PlanController(
      planStore: data.control, cohortStore: data.control, box: box, clock: clock, ledger: ledger,
      hub: hub, note: { readiness.note($0, $1, log) },
      committed: { event in
        rollbacks.note(event)
        log.changed(event)
        courier.wake()
      })
    let cache = AnswerCache()
    let keeper = TelemetryKeeper(store: data.telemetry, cache: cache)
    do { try await keeper.restore(into: ledger, now: clock.steady) } catch {
      // Decisions need none of it: guards begin anew.
      readiness.note("telemetry", "what was measured cannot be read: \(error)", log)
    }
    let tokens = try await TokenDirectory(store: data.control, clock: clock)
    self.tokens = tokens
    if tokens.isEmpty {
      let file = try await AdminToken.make(tokens, data.directory, name: "admin")
      log.notice("made the admin token", ["file": file])
    }
    hub.start(
      at: try await data.control.newestPlace(),
      tokens: configuration.authenticates ? tokens : nil)
    let ai = AIMetrics()
    let alarm = ProviderAlarm(log: log)
    let gateway = Current(
      Gateway(
        configuration.gateway, client: client, clock: clock,
        observe: { report in
          ai.attempted(report)
          alarm.note(report)
        }))
    let loops = (0..<environment.loops).map { _ in LoopMetrics() }
    let budgets = BudgetAccounts(
      settings: settings, store: data.money, losses: data.money, clock: clock)
    let failures = FailedAuthentications(log: log)
    let reloads = ReloadState(at: clock.now)
    let metrics = MetricsEndpoint(
      ledger: ledger, hub: hub, outbox: data.control,
      gateway: GatewayMetrics(ai: ai, gateway: gateway, cache: cache), budgets: budgets,
      jobs: data.jobs,
      loops: loops, rollbacks: rollbacks, readiness: readiness,
      access: AccessMetrics(failures: failures, tokens: tokens, clock: clock),
      reloads: reloads, clock: clock,
      steps: clockWatch.steps, startedAt: clock.now)
    let asks = AskBook(
      totals: metrics.asks, names: { tokens.namesByAccount })
    self.asks = asks
    let purse = Purse(
      budgets: configuration.gateway.budgets, store: data.money, clock: clock, log: log,
      tell: Self.budgetTeller(data.control, hub, clock, log, courier))
    let endpoint = ChatEndpoint(
      gateway: gateway.value, box: box, ledger: ledger, clock: clock, metrics: metrics, ai: ai,
      purse: purse, limits: RequestLimits(configuration.gateway),
      cache: cache,
      captures: CaptureSampler(
        settings: configuration.gateway.capture, store: data.telemetry, log: log))
    let chat = Current(endpoint)
    jobs = JobRunner(
      store: data.jobs, settings: settings, clock: clock, log: log,
      execute: { [checked = configuration.authenticates ? tokens : nil] job in
        guard job.isOrdered(by: checked) else { return .done(.failed, Job.withoutToken) }
        return await chat.value.process(job)
      })
    let alerts = AlertEndpoint(
      desk: AlertDesk(
        controller: controller, store: data.control, history: data.control, clock: clock,
        log: log),
      store: data.control, room: AlertRoom(), clock: clock, settings: settings)
    let parts = Parts(
      data: data, controller: controller, ledger: ledger, hub: hub, tokens: tokens, box: box,
      readiness: readiness, clock: clock, metrics: metrics, chat: chat, budgets: budgets,
      log: log,
      jobs: jobs, alerts: alerts, settings: settings, asks: asks)
    routes = parts.routes
    let longWork = LongWork()
    let unpackingRoom = FairRoom(capacity: BodyUnpacking.roomMax)
    let checked = configuration.authenticates ? tokens : nil
    server = try HTTPServer(
      host: options.host, port: options.port, loops: environment.loops, limits: environment.limits
    ) { loop in
      // A table of its own for every loop: routes are counted with every request.
      LoopService(
        table: RouteTable(routes: parts.routes), box: box, tokens: checked, failures: failures,
        clock: clock, metrics: loops[loop], executor: client.executor,
        door: LongWorkDoor(longWork, loops[loop], evaluations: metrics.evaluations),
        unpackingRoom: unpackingRoom)
    }
    port = server.port
    monitor = Monitor(
      controller: controller, ledger: ledger, outbox: data.control, hub: hub,
      readiness: readiness, clock: clock, log: log, evaluations: metrics.evaluationTotals,
      probe: Probe(clock: clock, log: log, mayAsk: { gateway.value.mayProbe($0) }) { target in
        await Self.ask(target, gateway.value, chat.value.purse)
      })
    let poller = PrometheusPoller(
      current: settings, client: client, ledger: ledger, clock: clock)
    let capacity = CapacityWatch(
      ledger: ledger, current: gateway, budgets: budgets, clock: clock, log: log,
      evaluations: metrics.evaluationTotals)
    reloading = Reloading(
      path: options.config, settings: settings, gateway: gateway, chat: chat, store: data.control,
      controller: controller, jobs: jobs, readiness: readiness, state: reloads, clock: clock,
      log: log)
    let watch = TokenWatch(tokens: tokens, readiness: readiness, clock: clock, log: log)
    tokenWatch = watch
    background = [
      Task { await dataWatch.run() },
      Task { await clockWatch.run() },
      Task { if configuration.authenticates { await watch.run() } },
      Task { await capacity.run() },
      Task { await asks.run(clock) },
      Task { await courier.run() },
      Task { await poller.run() },
      Task { [monitor] in
        if let interval = environment.lookInterval { await monitor.run(every: interval) }
      },
      Task { [jobs] in await jobs.run() },
      Task { [hub] in await hub.beat() },
    ]
    telemetry = Task { [ledger] in
      await keeper.run(ledger, clock) { error in
        readiness.note(
          "telemetry", error.map { "what is measured cannot be written: \($0)" }, log)
      }
    }
    log.notice("listening", ["address": "\(options.host):\(port)", "data": options.data])
  }

  /// Puts the configuration file in force again.
  func reload() async { await reloading.reload() }

  /// What the watch over tokens does every few seconds.
  func lookAtTokens() async { await tokenWatch.look() }

  /// Finishes what is in flight, writes what was measured, and closes the files.
  func shutDown() async {
    readiness.startDraining()
    hub.close()
    await server.drain()
    for task in background { task.cancel() }
    await jobs.stop()
    telemetry.cancel()
    await telemetry.value
    try? await TelemetryKeeper(store: data.telemetry).save(ledger)
    for left in await controller.repair() { log.error("not written: \(left)") }
    await clockWatch.save()
    try? await tokens.keepUses()
    await data.close()
  }

  /// Asks a provider a neutral question, within the budgets that are not about one feature.
  private static func ask(
    _ target: ProviderModel, _ gateway: Gateway, _ purse: Purse
  ) async -> Probe.Answer {
    let spender = Spender(
      request: "probe_" + Digest.hexadecimal(Digest.random(8)), app: "(probe)",
      providers: [target.provider])
    let hold: Purse.Hold?
    do { hold = try await purse.reserve({ gateway.probeBound(target) }, for: spender) } catch {
      return .notAsked
    }
    guard let answer = await gateway.probe(target) else {
      await purse.settle(hold, cost: .zero, provider: target.provider)
      return .notAsked
    }
    await purse.settle(hold, cost: answer.cost, provider: target.provider)
    return answer.failure == nil ? .answered : .failed
  }

  private static func courier(
    _ settings: Current<ServerConfiguration>, _ outbox: any OutboxStore, _ client: HTTPClient,
    _ clock: any SteadyClock, _ log: Log, _ report: @escaping @Sendable (String, String?) -> Void
  ) -> Courier {
    Courier(
      store: outbox, messenger: HTTPMessenger(settings: settings, client: client), clock: clock,
      log: log, report: report)
  }

  /// Tells people that a budget has passed one of its marks.
  private static func budgetTeller(
    _ outbox: any OutboxStore, _ hub: EventHub, _ clock: any WallClock, _ log: Log,
    _ courier: Courier
  ) -> @Sendable (BudgetAlert, Spender) async -> Void {
    { alert, spender in
      let account = alert.account
      let whose = account.scope.isEmpty ? "" : " of \(account.scope)"
      let sentence =
        "budget \(account.budget)\(whose): \(alert.percent) % of \(alert.limit.text) spent "
        + "since \(account.windowStart.rfc3339.prefix(10))"
      // A question of our own belongs to no plan.
      guard let plan = spender.plan else { return log.error(sentence) }
      let notice = Notice(
        feature: plan.feature, planVersion: plan.version, at: clock.now, kind: .budget,
        sentence: sentence,
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
}
