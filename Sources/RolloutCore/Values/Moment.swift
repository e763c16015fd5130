/// A moment on both clocks: as people are shown it, and as durations are measured from it.
package struct Moment: Sendable, Hashable {
  package var wall: Instant
  /// A place on the steady timeline; comparable with nothing but other such places.
  package var steady: Instant

  package init(wall: Instant, steady: Instant) {
    self.wall = wall
    self.steady = steady
  }

  /// On a machine whose clock never stepped.
  package init(_ both: Instant) { self.init(wall: both, steady: both) }
}
