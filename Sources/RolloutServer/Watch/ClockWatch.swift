import RolloutCore

/// Looks every second whether the wall clock was set, says so, and writes the steady time down.
struct ClockWatch: Sendable {
  static let interval = TimeSpan.seconds(1)
  /// Turns between two checkpoints while nothing happens: what a crash of the machine may cost a
  /// soak.
  private static let turnsPerCheckpoint = 30
  /// A step is shown for so long.
  private static let shownFor = TimeSpan.hours(1)

  let clock: KeptClock
  let store: any ClockStore
  let readiness: Readiness
  let steps: StepCounter
  let log: Log

  /// Says what is known at the start, and writes the first checkpoint before anything refers to it.
  func begin() async {
    look()
    await save()
  }

  /// One turn of many; `begin` has been turn 0.
  func turn(_ number: Int) async {
    let hasStepped = look()
    if hasStepped || (number + 1) % Self.turnsPerCheckpoint == 0 { await save() }
  }

  /// True when the wall clock was set since the last look.
  @discardableResult
  func look() -> Bool {
    let new = clock.takeSteps()
    for step in new {
      steps.add()
      let sentence = Self.sentence(step, at: clock.now)
      // A second step is news although the first is still shown.
      if readiness.warnings.contains(where: { $0.what == "clock" }) {
        log.error(sentence, ["what": "clock"])
      }
      readiness.note("clock", sentence, log)
    }
    let shown = clock.checkpoint.lastStep
    if new.isEmpty, shown.map({ clock.steady.since($0.at) >= Self.shownFor }) ?? true {
      readiness.note("clock", nil, log)
    }
    return !new.isEmpty
  }

  /// Without it only time is lost: the next start counts from an older one.
  func save() async {
    do { try await store.keep(clock.checkpoint) } catch {
      log.error("the steady time could not be written", ["error": "\(error)"])
    }
  }

  private static func sentence(_ step: ClockStep, at now: Instant) -> String {
    let span = TimeSpan(milliseconds: Int64(clamping: step.milliseconds.magnitude))
    return "the wall clock was set \(step.milliseconds < 0 ? "back" : "ahead") by \(span.words) "
      + "(it says \(now.rfc3339)); soaks, cooldowns and windows go on by a clock that nobody sets. "
      + "Look after the time service of this machine."
  }
}
