package import PlatformKit
package import RolloutCore

/// What the gateway needs of time: its own deadlines and limits are monotonic, what providers say
/// in dates is read by the wall clock.
package typealias GatewayClock = MonotonicClock & WallClock
