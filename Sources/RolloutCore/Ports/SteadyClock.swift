/// Time that only goes forward, at its own pace, over restarts too: what every soak, cooldown,
/// lease and window is measured with. It began at the wall clock's time and has gone its own way
/// since; who sets the wall clock does not move it.
package protocol SteadyClock: WallClock {
  /// Now, on the steady timeline.
  var steady: Instant { get }

  /// Milliseconds that the wall clock is ahead of the steady one. The same with every reading until
  /// the wall clock is set: what is shown twice is shown with the same time.
  var wallAhead: Int64 { get }

  /// Whether the wall clock was set since `moment` of the steady timeline: then wall times from
  /// before and after it cannot be compared.
  func hasStepped(since moment: Instant) -> Bool

  /// What the wall clock may rightly say now: what it says, and what it would say had it not been
  /// set the last time.
  var wallReadings: [Instant] { get }
}

extension SteadyClock {
  package var moment: Moment { Moment(wall: now, steady: steady) }

  /// What the wall clock showed at a place of the steady timeline, had it never been set but to
  /// what it says now.
  package func wall(of place: Instant) -> Instant {
    Instant(milliseconds: place.milliseconds &+ wallAhead)
  }

  /// The place on the steady timeline that is as long ago as `wall` is.
  package func steady(of wall: Instant) -> Instant {
    Instant(milliseconds: wall.milliseconds &- wallAhead)
  }
}
