import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@Suite struct SteadyClockTests {
  private let start = Samples.start

  /// The machine `real` after the checkpoint, its wall clock set ahead by `set`.
  private func resume(
    real: TimeSpan, set: Int64 = 0, boot: String = "a", uptime: TimeSpan? = nil
  ) -> ClockCheckpoint {
    let old = ClockCheckpoint(
      steady: start, reading: ClockReading(wall: start, uptime: 5000, boot: "a"), lastStep: nil,
      latest: start)
    let wall = Instant(milliseconds: (start + real).milliseconds + set)
    let uptime = uptime?.milliseconds ?? 5000 + real.milliseconds
    return .resume(old, at: ClockReading(wall: wall, uptime: uptime, boot: boot))
  }

  @Test func `both clocks agree at the first start`() {
    let first = ClockCheckpoint.resume(nil, at: ClockReading(wall: start, uptime: 1, boot: "a"))
    #expect(first.steady == start)
    #expect(first.lastStep == nil)
  }

  @Test(arguments: [0, 86_400_000, -86_400_000] as [Int64])
  func `a stop counts as long as it was, whatever was done to the wall clock`(set: Int64) {
    let next = resume(real: .hours(24), set: set)
    #expect(next.steady == start + .hours(24))
    #expect(next.lastStep?.milliseconds == (set == 0 ? nil : set))
  }

  @Test(arguments: [0, 86_400_000] as [Int64])
  func `of a machine that was off only what is proved counts`(set: Int64) {
    let next = resume(real: .hours(24), set: set, boot: "b", uptime: .minutes(2))
    #expect(next.steady == start + .minutes(2))
    // Nobody can tell an hour off from a clock that was set ahead.
    #expect(next.lastStep == nil)
  }

  @Test func `a clock that was set back while the machine was off is seen`() {
    let next = resume(real: .hours(1), set: -7_200_000, boot: "b", uptime: .minutes(2))
    #expect(next.steady == start)
    #expect(next.lastStep?.milliseconds == -3_600_000)
  }

  @Test func `data moved to a machine that is long up gain no more than the wall clock admits`() {
    let next = resume(real: .minutes(10), boot: "b", uptime: .days(100))
    #expect(next.steady == start + .minutes(10))
  }

  @Test func `a machine that does not name its runs is taken for another one`() {
    let old = ClockCheckpoint(
      steady: start, reading: ClockReading(wall: start, uptime: 5000, boot: ""), lastStep: nil,
      latest: start)
    let next = ClockCheckpoint.resume(
      old, at: ClockReading(wall: start + .days(9), uptime: 6000, boot: ""))
    #expect(next.steady == start + .seconds(6))
  }

  @Test func `it never begins before what was written`() {
    let old = ClockCheckpoint(
      steady: start, reading: ClockReading(wall: start, uptime: 5000, boot: "a"), lastStep: nil,
      latest: start + .seconds(29))
    let next = ClockCheckpoint.resume(
      old, at: ClockReading(wall: start + .seconds(50), uptime: 9000, boot: "b"))
    #expect(next.steady == start + .seconds(29))
  }

  @Test func `slow correction of a clock is no step`() {
    // A time service may turn a clock by 500 ppm: 43 s in a day.
    #expect(resume(real: .hours(24), set: 43_000).lastStep == nil)
  }

  @Test func `a plan's moments survive being written, and older files have one clock`() throws {
    var plan = Samples.plan(atStage: 1)
    plan.stageEnteredAt = Moment(wall: start, steady: start + .hours(3))
    plan.hold = .init(
      cause: .alert, reason: "x", since: Moment(wall: start, steady: start + .hours(4)))
    plan.updatedAt = Moment(wall: start, steady: start + .hours(5))
    #expect(try Plan(plan.document) == plan)
    var old = plan.document
    for key in ["stage_entered_steady", "updated_steady"] { old.remove(key) }
    #expect(try Plan(old).stageEnteredAt == Moment(start))
  }
}
