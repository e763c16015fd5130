import HTTPServerKit
import PlatformKit
import RolloutCore
import RolloutStore

/// The whole server, put together. Tests start one on port 0.
final class Application: Sendable {
  /// Everything impure, in one value.
  struct Environment: Sendable {
    var clock: any SystemTime = SystemClock()
    var migrations = Migration.control
    var loops = processorCount()
    /// Bytes that the process may take.
    var memory = MemoryLimit.process
    var limits: HTTPLimits
    /// nil leaves looking to whoever turns the clock.
    var lookInterval: Duration? = Monitor.interval

    init() { limits = HTTPLimits(memory: memory, loops: loops) }
  }

  private let stores: StoresPhase
  private let control: ControlPhase
  private let ai: AIPhase
  private let surface: SurfacePhase
  private let background: [Task<Void, Never>]
  private let telemetry: Task<Void, Never>

  var port: Int { surface.server.port }
  var routes: [Route] { surface.routes }
  var readiness: Readiness { stores.readiness }
  var monitor: Monitor { surface.monitor }
  var ledger: OutcomeLedger { control.ledger }
  /// The server's time.
  var clock: KeptClock { stores.clock }
  var tokens: TokenDirectory { control.tokens }
  /// Who asked for what in the last day.
  var asks: AskBook { ai.asks }

  /// Opens the data, starts listening and watching, in four phases. Throws `StoreError`,
  /// `SystemError`, `AddressError` or `ConfigurationError`.
  init(
    _ options: ServerOptions, _ configuration: ServerConfiguration,
    _ environment: Environment = Environment()
  ) async throws {
    guard configuration.authenticates || options.isLoopback else {
      throw ConfigurationError(
        description: "auth: off is for loopback addresses only; listen on 127.0.0.1 or turn it on")
    }
    let stores = try await StoresPhase(options, configuration, environment)
    let control = try await ControlPhase(stores, configuration)
    let ai = AIPhase(stores, control, configuration, loops: environment.loops)
    surface = try SurfacePhase(stores, control, ai, options, environment)
    background = surface.begin(stores, control, ai, lookInterval: environment.lookInterval)
    telemetry = Task {
      await control.keeper.run(control.ledger, stores.clock) { error in
        stores.readiness.note(
          "telemetry", error.map { "what is measured cannot be written: \($0)" }, stores.log)
      }
    }
    self.stores = stores
    self.control = control
    self.ai = ai
    stores.log.notice(
      "listening",
      ["address": "\(options.host):\(surface.server.port)", "data": options.data])
  }

  /// Puts the configuration file in force again.
  func reload() async { await surface.reloading.reload() }

  /// What the watch over tokens does every few seconds.
  func lookAtTokens() async { await surface.tokenWatch.look() }

  /// Finishes what is in flight, writes what was measured, and closes the files.
  func shutDown() async {
    stores.readiness.startDraining()
    stores.hub.close()
    await surface.server.drain()
    for task in background { task.cancel() }
    await ai.jobs.stop()
    telemetry.cancel()
    await telemetry.value
    try? await TelemetryKeeper.save(ledger, to: stores.data.telemetry)
    for left in await control.controller.repair() { stores.log.error("not written: \(left)") }
    await stores.clockWatch.save()
    try? await tokens.keepUses()
    await stores.data.close()
  }
}
