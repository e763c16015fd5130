import RolloutTesting
import Testing

@testable import RolloutCore

@Suite struct SeriesTests {
  private let day = Instant(milliseconds: 1_795_000_000_000)

  private func outcome(
    _ result: Outcome.Result = .ok, arm: Outcome.Arm = .treatment, user: UInt64? = 1,
    at: Instant? = nil, latency: Double? = 100
  ) -> Outcome {
    Outcome(
      result: result, arm: arm, user: user, at: at ?? day, latency: latency, inputTokens: 2,
      outputTokens: 3, cost: Money(nanodollars: 10))
  }

  private func plan(_ version: Int, stage: Int, at: Instant) -> Plan {
    var plan = Plan(PlanDefinition(feature: "f"), at: Moment(at))
    plan.version = version
    plan.stageIndex = stage
    plan.status = .active
    plan.stageEnteredAt = Moment(at)
    plan.updatedAt = Moment(at)
    return plan
  }

  // MARK: Users

  @Test(arguments: [0, 1, 5, 100, 1000, 50_000])
  func `different users are counted to within a tenth, however often they come`(_ count: Int) {
    var sketch = UserSketch()
    for _ in 0..<2 {
      for user in 0..<count { sketch.insert(Outcome.hash(user: "u\(user)")) }
    }
    #expect(abs(sketch.estimate - count) <= max(count < 10 ? 0 : 2, count / 10))
  }

  @Test func `two sketches add up to that of both, not to the sum`() {
    var first = UserSketch()
    var second = UserSketch()
    var both = UserSketch()
    for user in 0..<300 {
      let hash = Outcome.hash(user: "u\(user)")
      if user < 200 { first.insert(hash) }
      if user >= 100 { second.insert(hash) }
      both.insert(hash)
    }
    first.merge(second)
    #expect(first == both)
  }

  // MARK: Cells

  @Test func `a cell says what was measured, and nothing of what was not`() {
    var cell = SeriesCell()
    cell.record(outcome(latency: nil))
    cell.record(outcome(.failed, user: 2, latency: 400))
    cell.record(outcome(.excluded, user: 3, latency: 90_000))
    #expect(cell.requests == 2)
    #expect(cell[.failed] == 1 && cell[.excluded] == 1)
    #expect(cell.latencies.count == 1)
    // What was given up on is paid, too.
    #expect(cell.tokens == 15 && cell.cost == Money(nanodollars: 30))
    #expect(cell.users.estimate == 3)
    let empty = SeriesCell()
    #expect(empty.tokens == nil && empty.cost == nil && empty.users.isEmpty)
    #expect(empty.latencies.quantile(0.5) == nil)
  }

  @Test func `what is read back is what was written, and adding up does not mind the order`() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<200 {
      var first = SeriesCell()
      var second = SeriesCell()
      for _ in 0..<random.below(40) {
        let one = outcome(
          Outcome.Result.allCases[random.below(6)], user: UInt64(random.below(2000)),
          latency: random.chance(0.2) ? nil : Double(random.below(100_000)))
        if random.chance(0.5) { first.record(one) } else { second.record(one) }
      }
      for _ in 0..<random.below(600) { second.record(outcome(user: UInt64(random.below(9000)))) }
      first.record(Feedback(kind: .regenerate, arm: .treatment, user: 1, at: day))
      second.record(decisions: random.below(1000))
      #expect(SeriesCell(first.bytes) == first)
      #expect(SeriesCell(second.bytes) == second)
      var ab = first
      ab.merge(second)
      var ba = second
      ba.merge(first)
      #expect(ab == ba)
    }
  }

  @Test func `bytes that were never written make no cell, or one of numbers, and never trap`() {
    var random = SeededRandom(seed: 8)
    var cell = SeriesCell()
    for user in 0..<400 { cell.record(outcome(user: UInt64(user))) }
    for _ in 0..<20_000 {
      var bytes = cell.bytes
      for _ in 0..<(1 + random.below(4)) {
        bytes[random.below(bytes.count)] = UInt8(random.below(256))
      }
      if random.chance(0.3) { bytes.removeLast(random.below(bytes.count)) }
      guard var read = SeriesCell(bytes) else { continue }
      #expect(SeriesCell(read.bytes) == read)
      read.merge(read)
      _ = (read.requests, read.users.estimate, read.latencies.quantile(0.99))
    }
  }

  // MARK: Steps

  @Test func `the step fits the span, and what is kept`() {
    #expect(SeriesStep.fitting(.hours(1)) == .tenSeconds)
    #expect(SeriesStep.fitting(.hours(24)) == .fiveMinutes)
    #expect(SeriesStep.fitting(.days(7)) == .hour)
    func ago(_ span: TimeSpan) -> Instant {
      Instant(milliseconds: day.milliseconds - span.milliseconds)
    }
    #expect(SeriesStep.kept(since: ago(.hours(23)), now: day) == .tenSeconds)
    #expect(SeriesStep.kept(since: ago(.days(29)), now: day) == .fiveMinutes)
    #expect(SeriesStep.kept(since: ago(.days(300)), now: day) == .hour)
    #expect(SeriesStep.kept(since: ago(.days(3000)), now: day) == .hour)
    #expect(SeriesStep.hour.start(of: Instant(milliseconds: -1)).milliseconds == -3_600_000)
    #expect(SeriesStep.hour.start(of: Instant(milliseconds: .min)).milliseconds == .min)
  }

  // MARK: The book

  @Test func `an outcome stands in the stage in which its request was decided`() {
    var book = SeriesBook()
    book.follow(plan(1, stage: 0, at: day))
    let later = day + .minutes(1)
    book.follow(plan(2, stage: 1, at: later))
    let now = later + .seconds(5)
    book.record(outcome(at: now, latency: 30_000), now: now)
    book.record(outcome(at: now, latency: 1), now: now)
    book.record(outcome(at: now, latency: 1), version: 1, now: now)
    let stages = PlanDefinition(feature: "f").stages.map(\.name)
    let cells = book.take().cells
    let found = Dictionary(uniqueKeysWithValues: cells.map { ($0.key.stage, $0.value.requests) })
    #expect(found == [stages[0]: 2, stages[1]: 1])
    #expect(book.take().isEmpty)
  }

  @Test func `late reports go where they belong, and their number is bounded`() {
    var book = SeriesBook()
    book.follow(plan(1, stage: 0, at: day))
    for second in 0..<(7 * 8640) {
      let at = Instant(milliseconds: day.milliseconds - Int64(second) * 10_000)
      book.record(outcome(.failed, at: at), now: day)
    }
    let changes = book.take()
    #expect(changes.cells.count < 5000)
    #expect(changes.cells.values.reduce(0) { $0 + $1.requests } == 7 * 8640)
    #expect(changes.failures.count < 5000)
    #expect(changes.failures.values.reduce(0, +) == 7 * 8640)
    #expect(changes.recent.count == SeriesBook.recentMax)
  }

  @Test func `of very many failures the last are kept`() {
    var book = SeriesBook()
    for number in 0..<1234 {
      book.record(
        outcome(.failed), failure: FailureNote(kind: "e", requestID: "r\(number)"), now: day)
    }
    #expect(book.take().recent.map(\.note.requestID) == (1034..<1234).map { "r\($0)" })
  }

  @Test
  func `a request given up on after too long is as slow as that, and named; one before is not`()
    throws
  {
    var book = SeriesBook()
    var slow = plan(1, stage: 0, at: day)
    slow.definition.guards = [Guard(.latencyMean, max: .time(.seconds(5)))]
    book.follow(slow)
    for latency in [1000.0, 20_000] {
      var left = outcome(.excluded, at: day + .minutes(1), latency: latency)
      left.isGivenUp = true
      book.record(left, now: day + .minutes(1))
    }
    let changes = book.take()
    let cell = try #require(changes.cells.values.first)
    #expect(cell[.excluded] == 2 && cell.latencies.count == 1)
    #expect(changes.failures.map(\.key.kind) == ["given_up"])
  }

  @Test func `an app that reports ever new words makes a bounded number of kinds`() {
    var book = SeriesBook()
    for number in 0..<1000 {
      book.record(outcome(.failed), failure: FailureNote(kind: "e\(number)"), now: day)
    }
    let kinds = Set(book.take().failures.keys.map(\.kind))
    #expect(kinds.count == 33 && kinds.contains("other"))
  }

  @Test func `what could not be written comes again, with what came since`() {
    var book = SeriesBook()
    book.record(outcome(.failed), now: day)
    let lost = book.take()
    book.record(outcome(.failed), now: day)
    book.giveBack(lost)
    let all = book.take()
    #expect(all.cells.values.map(\.requests) == [2])
    #expect(all.failures.values.map(\.self) == [2])
    #expect(all.recent.count == 2)
  }
}
