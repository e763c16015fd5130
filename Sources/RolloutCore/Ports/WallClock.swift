/// Where "now" comes from; injected, so that tests and simulations can turn it.
package protocol WallClock: Sendable {
  var now: Instant { get }
}

/// What the machine says about time, read together.
package protocol SystemTime: WallClock {
  /// Milliseconds since the machine began, sleep included. Nobody can set it.
  var uptime: Int64 { get }
  /// Names this run of the machine: `uptime` counts from its beginning. Empty when unknown.
  var boot: String { get }
}
