/// What came in since half of `sustain` has passed after it began to look bad: the same score begun
/// anew, with runs and people of its own.
///
/// The first error of each user counts here again. Taken from the runs that led to the trigger, a
/// group of people whose every request fails would bring nothing fresh: all of them have failed
/// before.
package struct FreshScore: Sendable, Equatable {
  /// What the score must reach before the guard acts.
  package static let enough = 100.0

  private var runs = ErrorRuns()
  private var score: AlarmScore
  private var window: ThresholdWindow

  init(score: AlarmScore, window: Int) {
    self.score = score
    self.window = ThresholdWindow(size: window)
  }

  package var value: Double { score.value }

  mutating func record(_ reading: Reading, user: UInt64?, at: Instant) {
    guard runs.scores(bad: reading.bad, user: user, at: at) else { return }
    score.observe(ratio: reading.ratio)
    window.record(reading, user: user)
  }

  /// Whether it says that it goes on, whoever is hurt.
  var isEnough: Bool { value >= Self.enough }

  /// Whether so many people are hurt by what goes on. O(window).
  func isWidespread(_ users: Int) -> Bool { window.isWidespread(users) }

  mutating func reset() {
    runs = ErrorRuns()
    score.reset()
    window.clear()
  }

  func write(to writer: inout StateWriter) {
    runs.write(to: &writer)
    score.write(to: &writer)
    window.write(to: &writer)
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    try runs.read(from: &reader)
    try score.read(from: &reader)
    try window.read(from: &reader)
  }
}
