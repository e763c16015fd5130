import PlatformKit
import RolloutCore

/// Everything that is asked of time in this process, in one value: the wall clock, which people
/// read and somebody may set; the steady timeline, which goes on over restarts; and the monotonic
/// clock of deadlines, limits and pauses.
typealias ServerClock = SteadyClock & MonotonicClock

/// What the machine itself says of time.
typealias MachineTime = SystemTime & MonotonicClock
