import RolloutCore
import RolloutTesting
import Testing

@Suite struct HealthyEvidenceTests {
  @Test(arguments: [(20.0, 77), (100.0, 114)])
  func `so many clean requests are enough at a limit of 5 %`(target: Double, requests: Int) {
    var evidence = HealthyEvidence(ratioMax: 20)
    #expect(evidence.remaining(to: target) == requests)
    for _ in 0..<(requests - 1) { evidence.observe(ratio: 0) }
    #expect(evidence.value < target)
    #expect(evidence.remaining(to: target) == 1)
    evidence.observe(ratio: 0)
    #expect(evidence.value >= target)
    #expect(evidence.remaining(to: target) == 0)
  }

  @Test func `a feature at its limit is seldom taken for healthy`() {
    var random = SeededRandom(seed: 7)
    var wrong = 0
    for _ in 0..<400 {
      var evidence = HealthyEvidence(ratioMax: 20)
      var reached = false
      for _ in 0..<1500 where !reached {
        evidence.observe(ratio: random.chance(0.05) ? 20 : 0)
        reached = evidence.value >= HealthyEvidence.enough
      }
      if reached { wrong += 1 }
    }
    // Ville: at most 1 in 20; three standard errors of 400 runs above that.
    #expect(Double(wrong) / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400).squareRoot())
  }

  @Test func `what never gets there says so`() {
    let evidence = HealthyEvidence(ratioMax: 20)
    #expect(evidence.remaining(to: 20, at: 1) == nil)
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
      var score = EvidenceScore(share: 0.05)
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
    var score = EvidenceScore(share: 0.05)
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

@Suite struct ErrorSplitTests {
  private func run(
    treatment: Double, control: Double, share: Double, preset: Preset = .normal
  ) -> Detector.Attribution? {
    var random = SeededRandom(seed: UInt64(share * 100 + treatment * 10))
    var shares = ArmShares()
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: preset)!
    for index in 0..<20_000 {
      let at = Samples.start + TimeSpan(milliseconds: Int64(index) * 100)
      let isTreatment = random.chance(share)
      shares.record(isTreatment ? .treatment : .control)
      // Healthy for a while, then it breaks.
      let rate = index < 4000 ? 0.008 : isTreatment ? treatment : control
      let bad = random.chance(rate)
      let reading = Reading(ratio: bad ? 20 : 0, bad: bad)
      if isTreatment {
        detector.record(reading, user: UInt64(index), at: at, share: shares.treatmentShare)
      } else {
        detector.recordControl(reading, share: shares.treatmentShare)
      }
      guard detector.assess(now: at).state == .firing else { continue }
      let verdict = detector.attribution(share: shares.treatmentShare)
      if case .undecided = verdict { continue }
      return verdict
    }
    return nil
  }

  @Test(arguments: [0.05, 0.25, 0.5])
  func `an outage that hits both arms is shared`(share: Double) {
    #expect(run(treatment: 0.3, control: 0.3, share: share) == .sharedOutage)
    #expect(run(treatment: 1, control: 1, share: share) == .sharedOutage)
  }

  @Test(arguments: [0.05, 0.25, 0.5])
  func `errors of the treatment alone are its own`(share: Double) {
    #expect(run(treatment: 0.3, control: 0.008, share: share) == .treatment)
    #expect(run(treatment: 0.1, control: 0.008, share: share) == .treatment)
  }

  @Test func `without enough control there is nothing to compare`() {
    #expect(run(treatment: 0.3, control: 0.3, share: 0.95) == .incomparable)
    #expect(run(treatment: 0.3, control: 0.3, share: 1) == .incomparable)
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
