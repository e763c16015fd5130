import RolloutCore
import RolloutStore

/// What the data folder holds, and the server's time: the first of the four phases in which a
/// server is put together.
struct StoresPhase: Sendable {
  let log: Log
  let readiness: Readiness
  let hub: EventHub
  let data: Databases
  let dataWatch: DataWatch
  let clock: KeptClock
  let clockWatch: ClockWatch
  let trail: AuditTrail
  let links: ActLinks

  /// Throws `StoreError`.
  init(
    _ options: ServerOptions, _ configuration: ServerConfiguration,
    _ environment: Application.Environment
  ) async throws {
    let log = Log(clock: environment.clock)
    let readiness = Readiness(hasTokens: configuration.authenticates)
    let hub = EventHub()
    data = try await Databases(
      options.data, options.permissions, migrations: environment.migrations,
      subscriptions: configuration.notify.map(\.subscription), now: environment.clock.now,
      committed: { hub.committed($0) },
      moneyReport: { error in
        readiness.note("budgets", error.map { "the budgets cannot be written: \($0)" }, log)
      })
    dataWatch = DataWatch(data: data, readiness: readiness, clock: environment.clock, log: log)
    dataWatch.begin()
    await dataWatch.look()
    clock = KeptClock(environment.clock, resuming: try await data.control.loadClock())
    clockWatch = ClockWatch(
      clock: clock, store: data.control, readiness: readiness, steps: StepCounter(), log: log)
    await clockWatch.begin()
    links = ActLinks(data.directory, log)
    trail = AuditTrail(store: data.control, clock: clock, readiness: readiness, log: log)
    let accepted = [
      options.permissions.acceptsEmpty ? "--accept-empty" : nil,
      options.permissions.acceptsOlder ? "--accept-older" : nil,
    ].compactMap(\.self)
    if !accepted.isEmpty {
      await trail.note(
        AuditRecord(
          .olderDataAccepted, by: .server, target: accepted.joined(separator: " "), at: clock.now))
    }
    self.log = log
    self.readiness = readiness
    self.hub = hub
  }
}
