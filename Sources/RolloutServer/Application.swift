import HTTPServerKit
import PlatformKit
import RolloutCore
import RolloutStore

/// The whole server, put together. Tests start one on port 0.
final class Application: Sendable {
  /// Everything impure, in one value.
  struct Environment: Sendable {
    var clock: any MachineTime = SystemClock()
    var migrations = Migration.control
    /// Bytes that the process may take.
    var memory = MemoryLimit.process
    var loops: Int
    var limits: HTTPLimits
    /// nil leaves looking to whoever turns the clock.
    var lookInterval: TimeSpan? = Monitor.interval

    init() {
      loops = MemoryLimit.loops(processors: processorCount(), memory: memory)
      limits = HTTPLimits(memory: memory, loops: loops)
    }
  }

  let stores: StoresPhase
  let control: ControlPhase
  let ai: AIPhase
  let surface: SurfacePhase
  private let loops: [BackgroundLoop]

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
    loops = surface.begin(stores, control, ai, lookInterval: environment.lookInterval)
    self.stores = stores
    self.control = control
    self.ai = ai
    stores.log.notice(
      "listening",
      ["address": "\(options.host):\(surface.server.port)", "data": options.data])
  }

  /// Puts the configuration file in force again.
  func reload() async { await surface.reloading.reload() }

  /// Finishes what is in flight, writes what was measured, and closes the files.
  func shutDown() async {
    stores.readiness.startDraining()
    stores.hub.close()
    await surface.server.drain()
    for loop in loops { loop.cancel() }
    await ai.jobs.stop()
    // Nobody but this function uses the files from here on.
    for loop in loops { await loop.end() }
    try? await TelemetryKeeper.save(control.ledger, to: stores.data.telemetry)
    for left in await control.controller.repair() { stores.log.error("not written: \(left)") }
    await stores.clockWatch.save()
    try? await control.tokens.keepUses()
    await stores.trail.write()
    await stores.data.close()
  }
}
