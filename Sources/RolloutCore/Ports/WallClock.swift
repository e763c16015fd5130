/// Where "now" comes from; injected, so that tests and simulations can turn it.
package protocol WallClock: Sendable {
  var now: Instant { get }
}
