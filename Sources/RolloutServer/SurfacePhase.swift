import DigestKit
import HTTPKit
import HTTPServerKit
import RolloutCore
import RolloutGateway
import RolloutStore

/// What listens and what watches: the last phase.
struct SurfacePhase: Sendable {
  let routes: [Route]
  let server: HTTPServer
  let monitor: Monitor
  let reloading: Reloading
  let tokenWatch: TokenWatch
  let approvals: ApprovalWatch
  private let capacity: CapacityWatch
  private let poller: PrometheusPoller

  /// Throws `SystemError` or `AddressError` where it cannot listen.
  init(
    _ stores: StoresPhase, _ control: ControlPhase, _ ai: AIPhase, _ options: ServerOptions,
    _ environment: Application.Environment
  ) throws {
    let (log, clock, readiness) = (stores.log, stores.clock, stores.readiness)
    let parts = Application.Parts(stores: stores, control: control, ai: ai)
    routes = parts.routes
    server = try Self.listen(parts.routes, stores, control, ai, options, environment)
    monitor = Monitor(
      controller: control.controller, ledger: control.ledger, announcer: control.announcer,
      readiness: readiness, clock: clock, log: log,
      evaluations: ai.metrics.evaluationTotals,
      probe: Probe(clock: clock, log: log, mayAsk: { ai.gateway.value.mayProbe($0) }) { target in
        await Self.ask(target, ai.gateway.value, ai.service.value.purse)
      })
    poller = PrometheusPoller(
      current: control.settings, client: control.client, ledger: control.ledger, clock: clock)
    capacity = CapacityWatch(
      ledger: control.ledger, current: ai.gateway, budgets: ai.budgets, clock: clock, log: log,
      evaluations: ai.metrics.evaluationTotals)
    reloading = Reloading(
      path: options.config, settings: control.settings, gateway: ai.gateway, service: ai.service,
      store: stores.data.control, controller: control.controller, jobs: ai.jobs,
      readiness: readiness, state: ai.reloads, trail: stores.trail, clock: clock, log: log)
    approvals = ApprovalWatch(
      controller: control.controller, announcer: control.announcer, history: stores.data.control,
      clock: clock, log: log)
    tokenWatch = TokenWatch(
      tokens: control.tokens, sessions: control.sessions, readiness: readiness, clock: clock,
      log: log)
  }

  private static func listen(
    _ routes: [Route], _ stores: StoresPhase, _ control: ControlPhase, _ ai: AIPhase,
    _ options: ServerOptions, _ environment: Application.Environment
  ) throws -> HTTPServer {
    let longWork = LongWork()
    let bodyRoom = FairRoom(capacity: BodyAdmission.roomMax(memory: environment.memory))
    let longReads = LongReads()
    return try HTTPServer(
      host: options.host, port: options.port, loops: environment.loops, limits: environment.limits
    ) { loop in
      // A table of its own for every loop: routes are counted with every request.
      LoopService(
        table: RouteTable(routes: routes), box: control.box, tokens: control.checkedTokens,
        sessions: control.sessions, failures: ai.failures, clock: stores.clock,
        metrics: ai.loops[loop],
        executor: control.client.executor,
        door: LongWorkDoor(longWork, ai.loops[loop], evaluations: ai.metrics.evaluations),
        bodyRoom: bodyRoom, longReads: longReads)
    }
  }

  /// Begins everything that goes on by itself; `lookInterval` nil leaves looking to somebody else.
  func begin(
    _ stores: StoresPhase, _ control: ControlPhase, _ ai: AIPhase, lookInterval: TimeSpan?
  ) -> [BackgroundLoop] {
    let clock = stores.clock
    var loops = [
      BackgroundLoop(every: DataWatch.interval, by: clock) { _ in await stores.dataWatch.look() },
      BackgroundLoop(every: ClockWatch.interval, by: clock) { await stores.clockWatch.turn($0) },
      BackgroundLoop(every: EventHub.tickTime, by: clock) { _ in stores.hub.tick() },
      BackgroundLoop(every: ZoneWatch.interval, by: clock) { _ in
        await ZoneWatch(
          controller: control.controller, readiness: stores.readiness, log: stores.log
        )
        .look()
      },
      BackgroundLoop(every: CapacityWatch.interval, by: clock) { _ in await capacity.look() },
      BackgroundLoop(every: AskBook.interval, by: clock) { _ in ai.asks.note(clock.steady) },
      BackgroundLoop(every: TelemetryKeeper.interval, by: clock) { number in
        await control.keeper.turn(number, control.ledger, clock) { error in
          stores.readiness.note(
            "telemetry", error.map { "what is measured cannot be written: \($0)" }, stores.log)
        }
      },
      BackgroundLoop(every: ApprovalWatch.interval, by: clock) { _ in await approvals.look() },
      BackgroundLoop(every: AuditTrail.interval, by: clock) { number in
        await stores.trail.turn(number, keep: control.settings.value.auditKeep)
      },
      BackgroundLoop { await control.courier.run() },
      BackgroundLoop { await poller.run() },
      BackgroundLoop { await ai.jobs.run() },
    ]
    if control.checkedTokens != nil {
      loops += [
        BackgroundLoop(every: TokenWatch.interval, by: clock) { _ in await tokenWatch.look() },
        BackgroundLoop(every: TokenWatch.endInterval, by: clock) { _ in
          await tokenWatch.keepEnds()
        },
      ]
    }
    if let lookInterval {
      loops.append(BackgroundLoop(every: lookInterval, by: clock) { _ in await monitor.look() })
    }
    return loops
  }

  /// Asks a provider a neutral question, within the budgets that are not about one feature.
  private static func ask(
    _ target: ProviderModel, _ gateway: Gateway, _ purse: Purse
  ) async -> Probe.Answer {
    let spender = Spender(
      request: "probe_" + Digest.hexadecimal(Digest.random(8)), app: "(probe)",
      providers: [target.provider])
    let reservation: Purse.Reservation?
    do { reservation = try await purse.reserve({ gateway.probeBound(target) }, for: spender) } catch
    {
      return .notAsked
    }
    guard let answer = await gateway.probe(target) else {
      await purse.settle(reservation, cost: .zero, provider: target.provider)
      return .notAsked
    }
    await purse.settle(reservation, cost: answer.cost, provider: target.provider)
    switch answer.failure {
    // Who says that there is no such model answers: the route is wrong.
    case nil, .modelNotFound?: return .answered
    case .throttled?, .outOfMoney?: return .notAsked
    default: return .failed
    }
  }
}
