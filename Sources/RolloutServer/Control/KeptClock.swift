import RolloutCore
import Synchronization

/// The server's clock: the wall clock as it is, and a steady one that goes on over restarts.
final class KeptClock: SteadyClock {
  private struct State {
    /// What the wall clock was ahead of the steady one at the last look, and when that was.
    var offset: Int64
    var lookedAt: Int64
    var lastStep: ClockStep?
    /// Steps that nobody has been told of.
    var untold: [ClockStep] = []
  }

  private let system: any SystemTime
  /// What the steady clock is ahead of `uptime`.
  private let base: Int64
  private let state: Mutex<State>

  /// Goes on from where an earlier process was; nil is the first start.
  init(_ system: any SystemTime, resuming checkpoint: ClockCheckpoint?) {
    self.system = system
    let reading = ClockReading(wall: system.now, uptime: system.uptime, boot: system.boot)
    let start = ClockCheckpoint.resume(checkpoint, at: reading)
    base = start.steady.milliseconds &- reading.uptime
    var state = State(
      offset: reading.wall.milliseconds &- start.steady.milliseconds, lookedAt: reading.uptime,
      lastStep: start.lastStep)
    if let step = start.lastStep, step != checkpoint?.lastStep { state.untold = [step] }
    self.state = Mutex(state)
  }

  var now: Instant { system.now }
  var steady: Instant { Instant(milliseconds: base &+ system.uptime) }

  /// Milliseconds that the wall clock is ahead of the steady one.
  var offset: Int64 { now.milliseconds &- steady.milliseconds }

  var checkpoint: ClockCheckpoint {
    let reading = ClockReading(wall: system.now, uptime: system.uptime, boot: system.boot)
    let steady = Instant(milliseconds: base &+ reading.uptime)
    return ClockCheckpoint(
      steady: steady, reading: reading, lastStep: state.withLock { $0.lastStep }, latest: steady)
  }

  /// Compares the clocks; both are read under the lock, so that no look is older than the last.
  private func look(_ state: inout State) {
    let uptime = system.uptime
    let offset = system.now.milliseconds &- (base &+ uptime)
    let ahead = offset &- state.offset
    let tolerance = ClockCheckpoint.tolerance(over: uptime &- state.lookedAt)
    state.lookedAt = uptime
    state.offset = offset
    guard ahead.magnitude > tolerance.magnitude else { return }
    let step = ClockStep(at: Instant(milliseconds: base &+ uptime), milliseconds: ahead)
    state.lastStep = step
    state.untold.append(step)
  }

  func hasStepped(since moment: Instant) -> Bool {
    state.withLock { state in
      look(&state)
      return state.lastStep.map { $0.at >= moment } ?? false
    }
  }

  var wallReadings: [Instant] {
    let step = state.withLock { state in
      look(&state)
      return state.lastStep
    }
    let now = now
    guard let step else { return [now] }
    return [now, Instant(milliseconds: now.milliseconds &- step.milliseconds)]
  }

  /// Steps noticed since the last call.
  func takeSteps() -> [ClockStep] {
    state.withLock { state in
      look(&state)
      defer { state.untold = [] }
      return state.untold
    }
  }
}

/// Looks every second whether the wall clock was set, says so, and writes the steady time down.
struct ClockWatch: Sendable {
  private static let interval = Duration.seconds(1)
  /// Seconds between two checkpoints while nothing happens: what a crash of the machine may cost a
  /// soak.
  private static let roundsPerCheckpoint = 30
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

  /// Runs until the task is cancelled.
  func run() async {
    var rounds = 1
    while !Task.isCancelled {
      let hasStepped = look()
      if hasStepped || rounds % Self.roundsPerCheckpoint == 0 { await save() }
      rounds += 1
      try? await Task.sleep(for: Self.interval)
    }
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

/// Steps of the wall clock since the process began, for `/metrics`.
final class StepCounter: Sendable {
  private let count = Atomic<Int>(0)
  func add() { count.wrappingAdd(1, ordering: .relaxed) }
  var value: Int { count.load(ordering: .relaxed) }
}
