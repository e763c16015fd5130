import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

/// Groups of people who go on failing are acted on, and one person who does is not.
@Suite struct GroupTests {
  /// One request.
  private struct Ask {
    var user: Int
    var ok = false
  }

  /// Milliseconds after `from` at which it acts; nil when it never does. `ask` gives the request of
  /// each place.
  private func acts(
    _ preset: Preset, every milliseconds: Int64, requests: Int, from: Int64 = 0,
    _ ask: (Int) -> Ask
  ) -> Int64? {
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: preset)!
    for number in 0..<requests {
      let time = Int64(number) * milliseconds
      let now = Samples.start + TimeSpan(milliseconds: time)
      let request = ask(number)
      detector.record(bad: !request.ok, user: UInt64(request.user), at: now)
      if detector.assess(now: now).state == .firing { return time - from }
    }
    return nil
  }

  @Test(arguments: [(30, 200), (12, 500), (60, 167), (8, 300)] as [(Int, Int64)])
  func `a group whose every request fails again and again is acted on within sustain`(
    users: Int, every: Int64
  ) throws {
    let acted = try #require(
      acts(.normal, every: every, requests: 600) { Ask(user: $0 % users) }, "\(users) users")
    #expect(acted <= 10_000, "\(users) users: \(acted) ms")
  }

  @Test func `a healthy past does not hide a group that fails now`() throws {
    let acted = try #require(
      acts(.normal, every: 200, requests: 1500, from: 200_000) { number in
        number < 1000 ? Ask(user: 100 + number, ok: true) : Ask(user: number % 30)
      })
    #expect((0...12_000).contains(acted), "\(acted) ms")
  }

  @Test func `three people who always fail are acted on once a second run has begun`() throws {
    // Thirty good requests of others before: too few for the threshold, whatever comes.
    let acted = try #require(
      acts(.sensitive, every: 500, requests: 200, from: 15_000) { number in
        number < 30 ? Ask(user: 100 + number, ok: true) : Ask(user: number % 3)
      })
    #expect(acted > 0 && acted <= 65_000, "\(acted) ms")
  }

  @Test(arguments: [Preset.sensitive, .normal], [2, 10])
  func `one person who retries for an hour is not acted on`(preset: Preset, of others: Int) {
    var random = SeededRandom(seed: 11)
    let acted = acts(preset, every: 1000 / Int64(others), requests: 3600 * others) { number in
      number % others == 0
        ? Ask(user: 1) : Ask(user: 10 + number, ok: !random.chance(0.008))
    }
    #expect(acted == nil, "\(preset) of \(others): \(acted ?? 0) ms")
  }

  @Test func `what has hurt many and goes on for one is not acted on, and that is said`() {
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: .normal)!
    func record(_ number: Int64, _ bad: Bool, _ user: Int64) -> Verdict {
      let now = Samples.start + TimeSpan(milliseconds: number * 300)
      detector.record(bad: bad, user: UInt64(user), at: now)
      return detector.assess(now: now)
    }
    // Ten people fail within three seconds; then one of them goes on with now and then a success.
    for number in 0..<10 { #expect(record(Int64(number), true, Int64(number)).state != .firing) }
    var said = false
    for number in 10..<400 {
      let turn = number % 3
      let verdict =
        turn == 0
        ? record(Int64(number), true, 1)
        : record(Int64(number), false, turn == 1 ? 1 : Int64(1000 + number))
      #expect(verdict.state != .firing, "\(verdict.sentence)")
      if verdict.sentence.contains("goes on for few people only; acts when 3 are hurt alike") {
        said = true
      }
    }
    #expect(said)
  }

  @Test func `what is over its mark and has not gone on is told so, and is no quiet guard`() {
    var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: .sensitive)!
    // 20 of 150 failed, none of the last forty; nobody looked meanwhile.
    for number in 0..<150 {
      detector.record(
        bad: number < 100 && number % 5 == 0, user: UInt64(number),
        at: Samples.start + TimeSpan(milliseconds: Int64(number) * 300))
    }
    let now = Samples.start + .seconds(45)
    let verdict = detector.assess(now: now)
    #expect(verdict.state == .pending)
    #expect(
      verdict.sentence.hasSuffix(
        "but the last requests are within the limit of 5 % again; acts only if it goes on."),
      "\(verdict.sentence)")
    // As long as a recovery takes: what the window still shows is over.
    #expect(detector.assess(now: now + .seconds(11)).state == .quiet)
    let later = detector.assess(now: now + .seconds(12))
    #expect(later.state == .quiet)
    #expect(
      later.sentence
        == "error_rate: 13.3 % of the last 150 requests, over 5 %, but the last requests are within it "
        + "again.", "\(later.sentence)")
  }
}
