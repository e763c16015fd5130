import DocumentKit
import RolloutCore
import RolloutGateway
import RolloutStore
import Synchronization

/// Puts the configuration file in force again without a restart: all of it, or nothing.
///
/// Requests under way end with the configuration they began with. What an entry has learnt (who has
/// used up which limit, which provider rests) is kept for as long as the entry stays as it is.
actor Reloading {
  /// Bytes that the audit keeps of why a file was not taken.
  private static let errorSizeMax = 1000

  private let path: String?
  private let settings: Current<ServerConfiguration>
  private let gateway: Current<Gateway>
  private let service: Current<AIService>
  private let store: Store
  private let controller: PlanController
  private let jobs: JobRunner
  private let readiness: Readiness
  private let state: ReloadState
  private let trail: AuditTrail
  private let clock: any WallClock
  private let log: Log
  /// The reload that was asked for last: one after the other.
  private var last: Task<Void, Never>?

  /// `path` is the file; nil for a server without one.
  init(
    path: String?, settings: Current<ServerConfiguration>, gateway: Current<Gateway>,
    service: Current<AIService>, store: Store, controller: PlanController, jobs: JobRunner,
    readiness: Readiness, state: ReloadState, trail: AuditTrail,
    clock: any WallClock, log: Log
  ) {
    self.path = path
    self.settings = settings
    self.gateway = gateway
    self.service = service
    self.store = store
    self.controller = controller
    self.jobs = jobs
    self.readiness = readiness
    self.state = state
    self.trail = trail
    self.clock = clock
    self.log = log
  }

  /// Reads the file and puts it in force; what is wrong with it is said, and changes nothing.
  func reload() async {
    let before = last
    let task = Task {
      await before?.value
      await self.readAgain()
    }
    last = task
    await task.value
  }

  private func readAgain() async {
    guard let path else {
      log.notice("there is no configuration to read again: the server runs without --config")
      return
    }
    do {
      let next = try ServerConfiguration.load(path)
      try await checkRoutes(next, path)
      let changes = next.changes(since: settings.value)
      apply(next)
      await note(.configurationReloaded, path, changes)
      state.succeeded(at: clock.now)
      readiness.note("configuration", nil, log)
      log.notice(
        "the configuration is in force; addresses and the data directory need a restart",
        ["file": path])
    } catch {
      state.failed()
      let since = state.current.at.rfc3339
      readiness.note(
        "configuration",
        "the new configuration was not taken, and the one of \(since) stays in force: \(error)", log
      )
      log.error("the configuration was not taken", ["file": path, "error": "\(error)"])
      await note(
        .configurationRefused, path,
        .object(["error": .string("\(error)".clipped(toBytes: Self.errorSizeMax))]))
    }
  }

  private func note(_ kind: AuditRecord.Kind, _ path: String, _ details: Document) async {
    await trail.note(
      AuditRecord(kind, by: .server, target: path, details: details, at: clock.now))
  }

  /// A plan that serves must not lose its route by a slip of the pen.
  private func checkRoutes(_ next: ServerConfiguration, _ path: String) async throws {
    for plan in await controller.allPlans() where plan.isServing {
      guard let route = plan.definition.route, next.gateway.routes[route] == nil,
        settings.value.gateway.routes[route] != nil
      else { continue }
      throw ConfigurationError(
        description:
          "\(path): the route \(route) is missing, and \(plan.feature) uses it; change that plan first"
      )
    }
  }

  /// Cannot fail: whatever can go wrong has been tried by now.
  private func apply(_ configuration: ServerConfiguration) {
    var next = configuration
    if next.authenticates != settings.value.authenticates {
      next.authenticates = settings.value.authenticates
      log.error(
        "auth needs a restart to change; it stays \(next.authenticates ? "on" : "off") until then")
    }
    store.subscribe(next.notify.map(\.subscription))
    let following = gateway.value.reconfigured(next.gateway)
    gateway.replace(with: following)
    service.replace(with: service.value.reconfigured(next.gateway, following))
    settings.replace(with: next)
    jobs.settingsChanged()
  }
}
