import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@Suite struct AlarmScoreTests {
  /// The index at which the score first reaches A, with an error at request 1 and every n-th after.
  private func alarm(every n: Int, at threshold: Double, after healthy: Int = 0) -> Int {
    var score = AlarmScore(share: 0.05)
    for index in 1...20_000 {
      let bad = index > healthy && (index - healthy - 1) % n == 0
      score.observe(ratio: bad ? 20 : 0)
      if score.value >= threshold { return index }
    }
    return 0
  }

  @Test(
    arguments: [
      (1, 5, 7, 8), (2, 11, 17, 23), (3, 25, 37, 49), (5, 56, 91, 126), (8, 169, 281, 385),
      (10, 301, 551, 791), (12, 589, 1069, 1549), (15, 2416, 5221, 8011),
    ])
  func `golden vectors: the alarm comes at the published request`(
    every: Int, at1e4: Int, at1e6: Int, at1e8: Int
  ) {
    #expect(alarm(every: every, at: 1e4) == at1e4)
    #expect(alarm(every: every, at: 1e6) == at1e6)
    #expect(alarm(every: every, at: 1e8) == at1e8)
  }

  @Test(arguments: [(1e4, 104), (1e6, 106), (1e8, 108)])
  func `golden vectors: a healthy past does not hide a failing present`(
    threshold: Double, index: Int
  ) {
    #expect(alarm(every: 1, at: threshold, after: 100) == index)
  }

  @Test func `golden vectors: the score itself`() {
    var score = AlarmScore(share: 0.05)
    for bad in [true, true, false, false, true] { score.observe(ratio: bad ? 20 : 0) }
    #expect(abs(score.value - 119.73010597875) < 1e-9)
    var sparse = AlarmScore(share: 0.05)
    for index in 1...1000 { sparse.observe(ratio: (index - 1) % 25 == 0 ? 20 : 0) }
    #expect(abs(sparse.value - 23.93397664793633) < 1e-9)
  }

  @Test func `a long outage keeps the score finite`() {
    var score = AlarmScore(share: 0.05)
    for _ in 0..<100_000 { score.observe(ratio: 20) }
    #expect(score.value.isFinite)
  }
}

@Suite struct DetectorTests {
  private func make(_ adjust: (inout Guard) -> Void = { _ in }, preset: Preset = .sensitive)
    -> Detector
  {
    var rule = Guard(.errorRate, max: .share(.percent(5)))
    adjust(&rule)
    return Detector(rule, preset: preset)!
  }

  private func at(_ milliseconds: Int64) -> Instant {
    Samples.start + TimeSpan(milliseconds: milliseconds)
  }

  @Test(arguments: [(100, 10), (500, 35), (20, 3)])
  func `the threshold stands two standard errors above the limit`(count: Int, firesAt: Int) {
    #expect(ThresholdWindow.firesAt(count: count, limit: 0.05, margin: 2) == firesAt)
  }

  @Test func `10 of 100 fires, 6 of 100 is above the limit but within noise`() {
    for (bad, state) in [(10, Detector.State.firing), (6, .quiet)] {
      // Evidence is out of the way, so that the threshold alone decides.
      var guarded = make { $0.firingScore = 1e12 }
      for index in 0..<100 {
        guarded.record(
          bad: index % 10 == 0 && index / 10 < bad, user: UInt64(index), at: at(Int64(index) * 100))
      }
      let verdict = guarded.assess(now: at(10_000))
      #expect(verdict.state == state, "\(verdict.sentence)")
      if state == .quiet {
        #expect(
          verdict.sentence
            == "error_rate: 6 % of the last 100 requests, above 5 % but within noise; fires at 10 of 100."
        )
      }
    }
  }

  @Test func `too few requests are inconclusive, never healthy`() {
    var guarded = make()
    for index in 0..<20 { guarded.record(bad: false, user: UInt64(index), at: at(Int64(index))) }
    #expect(guarded.assess(now: at(20)).state == .inconclusive)
  }

  @Test func `total failure fires within a few requests`() {
    var guarded = make()
    for index in 0..<6 { guarded.record(bad: true, user: UInt64(index), at: at(Int64(index))) }
    let verdict = guarded.assess(now: at(6))
    #expect(verdict.state == .firing)
    #expect(verdict.affectedUsers == 6)
  }

  @Test func `one angry user cannot fire it, and the verdict says so`() {
    var guarded = make()
    for index in 0..<300 {
      guarded.record(bad: false, user: UInt64(1000 + index), at: at(Int64(index) * 100))
      guarded.record(bad: true, user: 1, at: at(Int64(index) * 100 + 50))
    }
    // One run, whatever others do in between.
    let verdict = guarded.assess(now: at(30_000))
    #expect(verdict.errors == 1)
    #expect(verdict.state == .quiet)
  }

  @Test func `of what has ended nobody says that it is few people`() throws {
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: .normal)!
    var number: Int64 = 0
    // 100 requests a second: 200 people fail, then all is well.
    func record(_ count: Int, bad: Bool) {
      for _ in 0..<count {
        number += 1
        let at = Samples.start + TimeSpan(milliseconds: number * 10)
        detector.record(bad: bad, user: UInt64(number), at: at)
      }
    }
    record(300, bad: false)
    record(200, bad: true)
    let now = { Samples.start + TimeSpan(milliseconds: number * 10) }
    _ = detector.assess(now: now())
    for _ in 0..<30 {
      record(50, bad: false)
      let verdict = detector.assess(now: now())
      #expect(!verdict.sentence.contains("few people"), "\(verdict.sentence)")
      if verdict.state == .pending, verdict.errors == 0 {
        #expect(verdict.sentence.hasSuffix("acts only if it goes on."), "\(verdict.sentence)")
        #expect(!verdict.sentence.contains(" 0 of the last"), "\(verdict.sentence)")
      }
    }
  }

  @Test func `whoever succeeds in between fails anew, and is still one person`() {
    var guarded = make()
    for index in 0..<300 {
      guarded.record(bad: index % 2 == 0, user: 1, at: at(Int64(index) * 100))
    }
    let verdict = guarded.assess(now: at(30_000))
    #expect(verdict.errors == 150)
    #expect(verdict.effectiveUsers == 1)
    #expect(verdict.state == .pending)
    #expect(
      verdict.sentence
        == "error_rate: 150 of the last 300 requests failed, for 1 person, but it is 1 person alone "
        + "who causes most of it; acts when 2 are hurt alike.", "\(verdict.sentence)")
  }

  @Test func `a run of one user's errors counts once, until 30 s pass or they succeed`() {
    var guarded = make()
    for index in 0..<50 { guarded.record(bad: true, user: 1, at: at(Int64(index) * 100)) }
    #expect(guarded.assess(now: at(5000)).errors == 1)
    guarded.record(bad: true, user: 1, at: at(100_000))
    #expect(guarded.assess(now: at(100_000)).errors == 2)
    guarded.record(bad: true, user: 2, at: at(100_100))
    guarded.record(bad: true, user: 1, at: at(100_200))
    #expect(guarded.assess(now: at(100_200)).errors == 3)
    guarded.record(bad: false, user: 1, at: at(100_300))
    guarded.record(bad: true, user: 1, at: at(100_400))
    #expect(guarded.assess(now: at(100_400)).errors == 4)
  }

  @Test func `a failure that hits everybody is acted on although one person asks most`() {
    var guarded = make { $0.minAffectedUsers = 3 }
    var number = 0
    for second in 0..<60 {
      for step in 0..<10 {
        number += 1
        // Everybody fails; nine of ten requests are one person's, who succeeds now and then.
        let heavy = step < 9
        guarded.record(
          bad: !(heavy && step % 2 == 0), user: heavy ? 1 : UInt64(number),
          at: at(Int64(second) * 1000 + Int64(step) * 100))
      }
    }
    let verdict = guarded.assess(now: at(60_000))
    #expect(verdict.effectiveUsers < 3)
    #expect(verdict.state == .firing, "\(verdict.sentence)")
  }

  @Test func `golden vectors: fresh evidence crosses 100 at the third failure`() {
    var score = AlarmScore(share: 0.05)
    score.observe(ratio: 20)
    score.observe(ratio: 20)
    #expect(abs(score.value - 51.4) < 0.1)
    #expect(score.value < FreshScore.enough)
    score.observe(ratio: 20)
    #expect(abs(score.value - 559.88) < 0.01)
  }

  @Test func `a few errors and then good requests roll nobody back`() {
    var guarded = make(preset: .normal)
    for index in 0..<7 {
      guarded.record(bad: true, user: UInt64(index), at: at(Int64(index) * 333))
    }
    #expect(guarded.assess(now: at(2000)).state == .pending)
    for index in 7..<600 {
      let now = at(Int64(index) * 333)
      guarded.record(bad: false, user: UInt64(index), at: now)
      #expect(guarded.assess(now: now).state != .firing)
    }
  }

  @Test func `the sentence says what fired: the failures in a row, their people, and the limit`() {
    var guarded = make(preset: .normal)
    for index in 0..<600 {
      guarded.record(bad: false, user: UInt64(index), at: at(Int64(index) * 100))
    }
    for index in 600..<614 {
      guarded.record(bad: true, user: UInt64(index), at: at(Int64(index) * 1000))
      _ = guarded.assess(now: at(Int64(index) * 1000))
    }
    let verdict = guarded.assess(now: at(613_000))
    #expect(verdict.state == .firing)
    // Of the window it is 2.8 %, which is no reason.
    #expect(
      verdict.sentence
        == "error_rate: the last 14 requests all failed, for 14 people, limit 5 %.",
      "\(verdict.sentence)")
  }

  /// The second at which it acts, at three requests a second of which every n-th fails from the
  /// hundredth second on; and when its marks were passed.
  private func acts(every n: Int) -> (acted: Int, triggered: Int) {
    var guarded = make(preset: .normal)
    var triggered = 0
    for number in 0..<3000 {
      let bad = number >= 300 && number % n == 0
      let now = at(Int64(number) * 1000 / 3)
      guarded.record(bad: bad, user: UInt64(number), at: now)
      let verdict = guarded.assess(now: now)
      if guarded.isTriggered, triggered == 0 { triggered = number / 3 }
      if verdict.state == .firing { return (number / 3, triggered) }
    }
    return (0, triggered)
  }

  @Test(arguments: [9, 5])
  func `evidence that came in while it only looked bad is fresh once the marks are passed`(
    every: Int
  ) {
    let (acted, triggered) = acts(every: every)
    // A slow decline looks bad for long before: nothing is waited for a second time.
    #expect(triggered > 100 && acted - triggered <= 1, "\(triggered) \(acted)")
  }

  @Test func `what looks bad for a moment is forgotten with its fresh evidence, not its score`() {
    var guarded = make(preset: .normal)
    func record(_ numbers: Range<Int>, bad: Bool) {
      for number in numbers {
        let now = at(Int64(number) * 333)
        guarded.record(bad: bad, user: UInt64(number), at: now)
        _ = guarded.assess(now: now)
      }
    }
    record(0..<1000, bad: false)
    record(1000..<1005, bad: true)
    #expect(guarded.suspectedAt != nil && guarded.failingSince == nil)
    #expect(guarded.score.value > 1e4 && !guarded.isTriggered)
    record(1005..<1300, bad: false)
    #expect(guarded.suspectedAt == nil)
    #expect(guarded.score.value > 1, "no trigger, so nothing is taken back")
    // Fresh evidence begins anew with what looks bad next.
    record(1300..<1305, bad: true)
    #expect(guarded.suspectedAt != nil && guarded.confirmation.value == 0)
  }

  @Test func `errors without a user always count`() {
    var guarded = make()
    for index in 0..<10 { guarded.record(bad: true, user: nil, at: at(Int64(index))) }
    let verdict = guarded.assess(now: at(10))
    #expect(verdict.errors == 10)
    #expect(verdict.state == .firing)
  }

  @Test func `it acts on fresh evidence from half of sustain on, and forgets a blip`() {
    var lasting = make(preset: .normal)
    var blip = make(preset: .normal)
    for index in 0..<20 {
      lasting.record(bad: true, user: UInt64(index), at: at(Int64(index) * 50))
      blip.record(bad: true, user: UInt64(index), at: at(Int64(index) * 50))
    }
    #expect(lasting.assess(now: at(1000)).state == .pending)
    #expect(blip.assess(now: at(1000)).state == .pending)
    var firedAt: Int?
    for second in 1...25 {
      for index in 0..<20 {
        let now = at(Int64(second * 1000 + index * 50))
        lasting.record(bad: index % 3 == 0, user: UInt64(second * 100 + index), at: now)
        blip.record(bad: false, user: UInt64(second * 100 + index), at: now)
      }
      let now = at(Int64(second * 1000 + 1000))
      if lasting.assess(now: now).state == .firing, firedAt == nil { firedAt = second }
      #expect(blip.assess(now: now).state != .firing, "second \(second)")
    }
    // Half of the preset's ten seconds, and the failures of one more.
    #expect(firedAt == 5 || firedAt == 6, "\(firedAt ?? 0)")
    #expect(blip.assess(now: at(26_000)).state == .quiet)
  }

  @Test func `state survives its bytes, and damaged bytes are refused whole`() {
    var guarded = make()
    for index in 0..<700 {
      guarded.record(
        bad: index % 7 == 0, user: index % 3 == 0 ? nil : UInt64(index), at: at(Int64(index) * 40))
    }
    let before = guarded.assess(now: at(28_000))
    let state = guarded.state
    var restored = make()
    restored.restore(state)
    #expect(restored.assess(now: at(28_000)) == before)
    for cut in stride(from: 0, to: state.count, by: 97) {
      var damaged = make()
      damaged.restore(Array(state[..<cut]))
      #expect(damaged == make())
    }
  }
}
