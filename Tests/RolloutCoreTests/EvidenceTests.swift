import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@Suite struct HealthScoreTests {
  @Test(arguments: [(20.0, 77), (100.0, 114)])
  func `so many clean requests are enough at a limit of 5 %`(target: Double, requests: Int) {
    var evidence = HealthScore(ratioMax: 20, needed: target)
    #expect(evidence.remaining() == requests)
    for _ in 0..<(requests - 1) { evidence.observe(ratio: 0) }
    #expect(!evidence.isEnough)
    #expect(evidence.remaining() == 1)
    evidence.observe(ratio: 0)
    #expect(evidence.isEnough)
    #expect(evidence.remaining() == 0)
  }

  @Test(arguments: [(20.0, 1.0), (100, 5)])
  func
    `golden vectors: however long it was good, three errors close the gate and 14 clean requests open it`(
      target: Double, factor: Double
    )
  {
    var evidence = HealthScore(ratioMax: 20, needed: target)
    for _ in 0..<20_000 { evidence.observe(ratio: 0) }
    #expect(evidence.value == 10 * target)
    for value in [62.5, 28.125, 14.40625] {
      evidence.observe(ratio: 20)
      #expect(abs(evidence.value - value * factor) < 1e-9)
    }
    #expect(!evidence.isEnough)
    #expect(evidence.remaining() == 14)
  }

  @Test func `150 requests at 10 % close the gate after 20,000 good ones`() {
    var random = SeededRandom(seed: 11)
    for _ in 0..<12 {
      var evidence = HealthScore(ratioMax: 20)
      for _ in 0..<20_000 { evidence.observe(ratio: random.chance(0.008) ? 20 : 0) }
      for _ in 0..<150 { evidence.observe(ratio: random.chance(0.1) ? 20 : 0) }
      #expect(!evidence.isEnough)
    }
  }

  @Test func `a feature at its limit is seldom taken for healthy`() {
    var random = SeededRandom(seed: 7)
    var wrong = 0
    for _ in 0..<400 {
      var evidence = HealthScore(ratioMax: 20)
      var reached = false
      for _ in 0..<1500 where !reached {
        evidence.observe(ratio: random.chance(0.05) ? 20 : 0)
        reached = evidence.value >= HealthScore.enough
      }
      if reached { wrong += 1 }
    }
    // Ville: at most 1 in 20; three standard errors of 400 runs above that.
    #expect(Double(wrong) / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400).squareRoot())
  }

  @Test func `what never gets there says so`() {
    let evidence = HealthScore(ratioMax: 20)
    #expect(evidence.remaining(at: 1) == nil)
  }
}

@Suite struct FalseAlarmLawTests {
  /// At the limit itself the chance of an alarm within n requests is at most n/A.
  @Test(arguments: [(1e4, 1000), (1e4, 3000)])
  func `false alarms keep to n over A`(threshold: Double, requests: Int) {
    let runs = 400
    var random = SeededRandom(seed: UInt64(requests))
    var alarms = 0
    for _ in 0..<runs {
      var score = AlarmScore(share: 0.05)
      for _ in 0..<requests {
        score.observe(ratio: random.chance(0.05) ? 20 : 0)
        if score.value >= threshold {
          alarms += 1
          break
        }
      }
    }
    let bound = Double(requests) / threshold
    let noise = 3 * (bound * (1 - bound) / Double(runs)).squareRoot()
    #expect(Double(alarms) / Double(runs) <= bound + noise)
    // A detector that never fires would keep the law too.
    var score = AlarmScore(share: 0.05)
    var caught = false
    for _ in 0..<500 where !caught {
      score.observe(ratio: random.chance(0.3) ? 20 : 0)
      caught = score.value >= threshold
    }
    #expect(caught)
  }

  @Test func `means have the same law and the same speed`() throws {
    var random = SeededRandom(seed: 3)
    var healthy = Detector(Guard(.latencyMean, max: .time(.seconds(5))), preset: .normal)!
    var slow = healthy
    var firedAfter: Int?
    for index in 0..<4000 {
      let at = Samples.start + TimeSpan(milliseconds: Int64(index) * 20)
      // Between 0 and 9.6 s, 4.8 s on average; and 8 s more.
      let ratio = random.unit() * 9.6 / 5
      healthy.record(Reading(ratio: ratio, bad: ratio > 1), user: UInt64(index), at: at)
      slow.record(Reading(ratio: ratio + 1.6, bad: true), user: UInt64(index), at: at)
      if slow.isTriggered, firedAfter == nil { firedAfter = index }
    }
    #expect(healthy.score.value < 1e6)
    #expect(try #require(firedAfter) < 40)
  }
}

@Suite struct ArmComparisonTests {
  /// The block at which the score first reaches `threshold`: control is always well, the treatment
  /// fails in block 1 and every n-th.
  private func alarm(
    every n: Int, at threshold: Double, tolerance: Double, after healthy: Int = 0
  ) -> Int {
    var score = ArmComparison(tolerance: tolerance)
    for block in 1...5000 {
      let bad = block > healthy && (block - healthy - 1) % n == 0
      score.observe(bad ? 1 : 0, .treatment)
      score.observe(0, .control)
      if score.value >= threshold { return block }
    }
    return 0
  }

  @Test(
    arguments: [
      (1, 16, 23, 31), (2, 29, 45, 59), (3, 43, 67, 88), (5, 71, 111, 146), (8, 113, 177, 241),
      (10, 141, 221, 301), (15, 211, 346, 481), (20, 281, 481, 681), (30, 481, 841, 1231),
    ])
  func `golden vectors: the alarm comes at the published block`(
    every: Int, at1e4: Int, at1e6: Int, at1e8: Int
  ) {
    #expect(alarm(every: every, at: 1e4, tolerance: 0.01) == at1e4)
    #expect(alarm(every: every, at: 1e6, tolerance: 0.01) == at1e6)
    #expect(alarm(every: every, at: 1e8, tolerance: 0.01) == at1e8)
  }

  @Test(arguments: [(1, 16, 24, 31), (10, 161, 261, 361)])
  func `golden vectors at two points of tolerance`(
    every: Int, at1e4: Int, at1e6: Int, at1e8: Int
  ) {
    #expect(alarm(every: every, at: 1e4, tolerance: 0.02) == at1e4)
    #expect(alarm(every: every, at: 1e6, tolerance: 0.02) == at1e6)
    #expect(alarm(every: every, at: 1e8, tolerance: 0.02) == at1e8)
  }

  @Test func `a healthy past does not hide a failing present`() {
    #expect(alarm(every: 1, at: 1e6, tolerance: 0.01, after: 200) == 217)
  }

  @Test(
    arguments: [
      (0.01, 4.01954256040832, 254.949240063346, 328.57419881),
      (0.02, 3.97818515550203, 168.983637423541, 198.916942934),
    ])
  func `golden vectors: the score itself`(
    tolerance: Double, mixed: Double, alternating: Double, both: Double
  ) {
    var score = ArmComparison(tolerance: tolerance)
    let outcomes: [(Double, Outcome.Arm)] = [
      (1, .treatment), (0, .control), (1, .treatment), (0, .treatment), (1, .control),
      (0, .control), (1, .treatment), (0, .control),
    ]
    for (bad, arm) in outcomes { score.observe(bad, arm) }
    #expect(abs(score.value - mixed) < 1e-12)
    score = ArmComparison(tolerance: tolerance)
    for block in 0..<1000 {
      score.observe(block % 100 == 0 ? 1 : 0, .treatment)
      score.observe(block % 100 == 50 ? 1 : 0, .control)
    }
    #expect(abs(score.value - alternating) < 1e-9)
    score = ArmComparison(tolerance: tolerance)
    for _ in 0..<1000 {
      score.observe(1, .treatment)
      score.observe(1, .control)
    }
    #expect(abs(score.value - both) < 1e-7)
  }
}

@Suite struct AttributionTests {
  private func run(treatment: Double, control: Double, share: Double, after healthy: Int = 4000)
    -> Detector.Attribution?
  {
    var random = SeededRandom(seed: UInt64(share * 100 + treatment * 10))
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: .normal)!
    for index in 0..<40_000 {
      let at = Samples.start + TimeSpan(milliseconds: Int64(index) * 100)
      let isTreatment = random.chance(share)
      let rate = index < healthy ? 0.008 : isTreatment ? treatment : control
      let bad = random.chance(rate)
      let reading = Reading(ratio: bad ? 20 : 0, bad: bad)
      if isTreatment {
        detector.record(reading, user: UInt64(index), at: at)
      } else {
        detector.recordControl(reading, user: UInt64(index), at: at)
      }
      if detector.assess(now: at).state == .firing { return detector.attribution }
    }
    return nil
  }

  @Test(arguments: [0.05, 0.25, 0.5, 0.95])
  func `an outage that hits both arms is shared`(share: Double) {
    #expect(run(treatment: 1, control: 1, share: share) == .sharedOutage)
    // A control of one in twenty is too small to see less than that in ten seconds.
    if share < 0.9 { #expect(run(treatment: 0.3, control: 0.3, share: share) == .sharedOutage) }
  }

  @Test(arguments: [0.05, 0.25, 0.5])
  func `errors of the treatment alone are never excused`(share: Double) {
    for rate in [0.1, 0.3, 1] {
      let found = run(treatment: rate, control: 0.008, share: share)
      #expect(found == .treatment || found == .unopposed, "\(rate)")
    }
  }

  @Test func `without control nothing speaks for the feature`() {
    #expect(run(treatment: 0.3, control: 0.3, share: 1) == .unopposed)
  }
}

@Suite struct EffectiveUsersTests {
  @Test(
    arguments: [
      ([40, 1, 1, 1, 1], 1.2070), ([2, 1], 1.8), ([3, 3, 3], 3),
      (Array(repeating: 1, count: 44), 44), ([], 0),
    ] as [([Int], Double)])
  func `golden vectors: people weigh as much as their errors`(counts: [Int], number: Double) {
    var users = EffectiveUsers()
    for count in counts { users.add(count) }
    #expect(abs(users.value - number) < 5e-5)
  }

  @Test func `one person's requests are one person's, however many, and three alike are three`() {
    var one = StageUsers()
    for _ in 0..<5000 { one.record(1) }
    one.record(2)
    #expect(one.effective < 1.1)
    #expect(one.distinct == 2)
    var three = StageUsers()
    for number in 0..<300 { three.record(UInt64(number % 3)) }
    #expect(three.effective == 3)
    var nameless = StageUsers()
    for _ in 0..<10 { nameless.record(nil) }
    #expect(nameless.effective == 10)
  }
}

@Suite struct LatencyHistogramTests {
  @Test func `quantiles are right to 7 percent, and two histograms add up`() throws {
    var random = SeededRandom(seed: 1)
    var whole = LatencyHistogram()
    var halves = [LatencyHistogram(), LatencyHistogram()]
    var values: [Double] = []
    for index in 0..<5000 {
      let value = 20 + random.unit() * random.unit() * 8000
      values.append(value)
      whole.record(value)
      halves[index % 2].record(value)
    }
    values.sort()
    for quantile in [0.5, 0.95, 0.99] {
      let exact = values[Int(Double(values.count) * quantile)]
      let found = try #require(whole.quantile(quantile))
      #expect(abs(found - exact) / exact < 0.07, "\(quantile): \(found) for \(exact)")
    }
    var merged = halves[0]
    merged.merge(halves[1])
    #expect(merged == whole)
    #expect(LatencyHistogram().quantile(0.5) == nil)
  }

  @Test(arguments: [0, 0.4, 1, 1e9, 1e300, Double.infinity])
  func `any latency finds its bucket`(value: Double) {
    var histogram = LatencyHistogram()
    histogram.record(value)
    #expect(histogram.count == 1)
  }
}

@Suite struct RetryScheduleTests {
  @Test func `pauses grow, and it ends after about a day`() throws {
    var now = Samples.start
    for attempts in 1..<RetrySchedule.attemptsMax {
      now = try #require(RetrySchedule.next(afterAttempts: attempts, now: now, jitter: 0.5))
    }
    #expect(
      RetrySchedule.next(afterAttempts: RetrySchedule.attemptsMax, now: now, jitter: 0) == nil)
    #expect(now.since(Samples.start) > .hours(20))
    #expect(now.since(Samples.start) < .hours(36))
  }
}

@Suite struct PackedOutcomesTests {
  @Test func `outcomes come back as they were, and a cut record ends them`() {
    let outcomes = Outcome.Result.allCases.enumerated().map { index, result in
      Outcome(
        result: result, arm: index % 2 == 0 ? .treatment : .control,
        user: index == 2 ? nil : UInt64(index), at: Samples.start + .seconds(Int64(index)),
        latency: index == 1 ? nil : Double(index) * 100, inputTokens: index,
        outputTokens: 2 * index,
        cost: Money(nanodollars: index))
    }
    var packed = PackedOutcomes()
    for outcome in outcomes { packed.append(outcome) }
    #expect(packed.count == outcomes.count)
    #expect(PackedOutcomes.unpack(packed.bytes) == outcomes)
    #expect(PackedOutcomes.unpack(Array(packed.bytes.dropLast())) == outcomes.dropLast())
  }
}
