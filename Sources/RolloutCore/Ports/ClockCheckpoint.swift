/// Where the steady timeline was, and what the machine said then.
package struct ClockCheckpoint: Sendable, Equatable {
  package var steady: Instant
  package var reading: ClockReading
  package var lastStep: ClockStep?
  /// The latest place that anything written refers to: the timeline never begins before it.
  package var latest: Instant

  package init(
    steady: Instant, reading: ClockReading, lastStep: ClockStep?, latest: Instant
  ) {
    self.steady = steady
    self.reading = reading
    self.lastStep = lastStep
    self.latest = latest
  }

  /// The last place that a steady timeline can have come to, the end of the year 9999: no clock is
  /// ever later.
  package static let lastPlace = Instant(milliseconds: 253_402_300_799_999)

  /// What is left of a checkpoint whose places no clock of ours can have written: one that is
  /// impossible is taken from the other, and nil is as if there had been none.
  package var believable: ClockCheckpoint? {
    let known = Instant(milliseconds: 0)...Self.lastPlace
    let places = [steady, latest].filter { known.contains($0) }
    guard let last = places.max() else { return nil }
    var believable = self
    if !places.contains(steady) { believable.steady = last }
    if !places.contains(latest) { believable.latest = last }
    return believable
  }

  /// Milliseconds that the two clocks may drift apart in this time without one of them having
  /// been set: two seconds, and as fast as any time service turns a clock.
  package static func tolerance(over elapsed: Int64) -> Int64 { 2000 + max(0, elapsed) / 1000 }

  /// Goes on from a checkpoint; nil is the first start, when both clocks agree.
  ///
  /// On the same run of the machine `uptime` says exactly how long it was. After another start of
  /// the machine nobody can know how long it was off: its clock may have been set meanwhile. So
  /// only what is proved counts, the time since it came up, and no more than the wall clock
  /// admits; a soak never ends because a clock was set while nobody ran.
  package static func resume(
    _ checkpoint: ClockCheckpoint?, at reading: ClockReading
  ) -> ClockCheckpoint {
    guard let old = checkpoint else {
      return ClockCheckpoint(
        steady: reading.wall, reading: reading, lastStep: nil, latest: reading.wall)
    }
    let byWall = reading.wall.milliseconds &- old.reading.wall.milliseconds
    let sameBoot = !reading.boot.isEmpty && reading.boot == old.reading.boot
    let elapsed =
      sameBoot
      ? max(0, reading.uptime &- old.reading.uptime) : max(0, min(reading.uptime, byWall))
    let steady = max(old.steady + TimeSpan(milliseconds: elapsed), old.latest)
    var next = ClockCheckpoint(
      steady: steady, reading: reading, lastStep: old.lastStep, latest: steady)
    let ahead = byWall &- elapsed
    let isStep = sameBoot ? ahead.magnitude > tolerance(over: elapsed).magnitude : byWall < -2000
    if isStep { next.lastStep = ClockStep(at: steady, milliseconds: ahead) }
    return next
  }
}
