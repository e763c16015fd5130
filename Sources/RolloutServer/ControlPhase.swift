import HTTPKit
import RolloutCore
import RolloutStore

/// Plans, who may change them, who is told, and what users met with: the second phase.
struct ControlPhase: Sendable {
  let settings: Current<ServerConfiguration>
  let client: HTTPClient
  let box = SnapshotBox()
  let ledger = OutcomeLedger()
  let rollbacks = RollbackCounter()
  let courier: Courier
  let announcer: Announcer
  let controller: PlanController
  let cache = AnswerCache()
  let keeper: TelemetryKeeper
  let tokens: TokenDirectory
  /// Whom requests are checked against; nil with `auth: off`.
  let checkedTokens: TokenDirectory?
  let sessions: SessionDirectory

  /// Throws `StoreError`, or `SystemError` where no client can be made.
  init(_ stores: StoresPhase, _ configuration: ServerConfiguration) async throws {
    let (log, readiness, control) = (stores.log, stores.readiness, stores.data.control)
    settings = Current(configuration)
    client = try HTTPClient()
    courier = Courier(
      store: control,
      messenger: HTTPMessenger(
        settings: settings, client: client, links: stores.links),
      clock: stores.clock, log: log,
      report: { target, trouble in readiness.note("notify:\(target)", trouble, log) })
    announcer = Announcer(
      outbox: control, hub: stores.hub, wake: { [courier] in courier.wake() }, log: log)
    let tokens = try await TokenDirectory(store: control, clock: stores.clock)
    self.tokens = tokens
    checkedTokens = configuration.authenticates ? tokens : nil
    controller = try await PlanController(
      planStore: control, cohortStore: control, box: box, clock: stores.clock, ledger: ledger,
      observers: [stores.hub, announcer, rollbacks, log],
      trusts: { [checkedTokens] in checkedTokens?.isRevoked(name: $0) != true },
      note: { readiness.note($0, $1, log) })
    keeper = TelemetryKeeper(store: stores.data.telemetry, cache: cache)
    do { try await keeper.restore(into: ledger, now: stores.clock.steady) } catch {
      // Decisions need none of it: guards begin anew.
      readiness.note("telemetry", "what was measured cannot be read: \(error)", log)
    }
    sessions = try await SessionDirectory(
      store: control, tokens: tokens, trail: stores.trail)
    if tokens.isEmpty {
      let file = try await AdminToken.make(
        tokens, stores.data.directory, name: "admin", why: "first start")
      log.notice("made the admin token", ["file": file])
    }
    stores.hub.start(at: try await control.newestPlace(), tokens: checkedTokens)
  }
}
