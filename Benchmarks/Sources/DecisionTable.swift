import DocumentKit
import RolloutCore
import RolloutEvaluation
import YAMLKit

/// What the whole decision does in seconds of traffic: how often it steps back for nothing, how long
/// it takes when it should, and what it does with blips, one angry user and outages of both arms.
/// The first edition of the rules stands beside it.
enum DecisionTable {
  /// One request of the treatment, every 1 / rate seconds, judged five times a second.
  private protocol Rule {
    init(_ preset: Preset)
    mutating func record(bad: Bool, user: UInt64, at: Instant)
    mutating func fires(_ now: Instant) -> Bool
  }

  /// The shipped guard: limit 5 %.
  private struct Second: Rule {
    var detector: Detector?

    init(_ preset: Preset) {
      detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: preset)
    }

    mutating func record(bad: Bool, user: UInt64, at: Instant) {
      detector?.record(bad: bad, user: user, at: at)
    }

    mutating func fires(_ now: Instant) -> Bool {
      guard detector?.needsLook == true else { return false }
      return detector?.assess(now: now).state == .firing
    }
  }

  /// As it was: two standard errors, ten seconds after the trigger, whatever came in since.
  private struct First: Rule {
    private var score = AlarmScore(share: 0.05)
    private var window = ThresholdWindow(size: 500)
    private var recent = RecentLevel()
    private var latchedAt: Instant?
    private var calmSince: Instant?
    private let preset: Preset

    init(_ preset: Preset) { self.preset = preset }

    mutating func record(bad: Bool, user: UInt64, at: Instant) {
      let reading = Reading(ratio: bad ? 20 : 0, bad: bad)
      score.observe(ratio: reading.ratio)
      window.record(reading, user: user)
      recent.record(ratio: reading.ratio, bad: bad, at: at)
    }

    mutating func fires(_ now: Instant) -> Bool {
      recent.prune(now: now)
      let isOver = recent.rate > 0.05
      let threshold =
        window.count >= 100
        && window.bad >= ThresholdWindow.firesAt(count: window.count, limit: 0.05, margin: 2)
      if latchedAt == nil, isOver, threshold || score.value >= preset.firingScore {
        latchedAt = now
      }
      guard let latched = latchedAt else { return false }
      if isOver {
        calmSince = nil
        return now.since(latched) >= preset.sustain
      }
      let calm = calmSince ?? now
      calmSince = calm
      if now.since(calm) >= max(preset.sustain, .seconds(10)) {
        latchedAt = nil
        calmSince = nil
        score.reset()
      }
      return false
    }
  }

  /// SplitMix64: the same table on every machine.
  struct Random {
    var state: UInt64

    mutating func chance(_ probability: Double) -> Bool {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return Double((z ^ (z >> 31)) >> 11) / Double(1 << 53) < probability
    }
  }

  /// Requests at an even pace; `rate` says how many of them fail at a second since the start.
  /// Returns the second in which the rule acts; nil when it does not.
  private static func run<R: Rule>(
    _ type: R.Type, _ preset: Preset, perSecond: Int, seconds: Int, _ random: inout Random,
    rate: (Double) -> Double
  ) -> Double? {
    var rule = R(preset)
    let step = 1000 / Double(perSecond)
    var looked = 0.0
    for number in 0..<(perSecond * seconds) {
      let time = Double(number) * step
      let at = Instant(milliseconds: Int64(time))
      rule.record(bad: random.chance(rate(time / 1000)), user: UInt64(number), at: at)
      guard time - looked >= 200 else { continue }
      looked = time
      if rule.fires(at) { return time / 1000 }
    }
    return nil
  }

  /// Rollbacks per 100,000 requests at a steady rate, at 10 requests a second.
  private static func falseAlarms<R: Rule>(
    _ type: R.Type, _ preset: Preset, _ rate: Double, requests: Int
  ) -> Double {
    var random = Random(state: UInt64(rate * 10_000) &+ 5)
    var (alarms, left) = (0, requests)
    while left > 0 {
      let acted = run(type, preset, perSecond: 10, seconds: left / 10, &random) { _ in rate }
      guard let acted else { break }
      alarms += 1
      left -= Int(acted * 10)
    }
    return Double(alarms) / Double(requests) * 100_000
  }

  /// Median seconds from a change for the worse, after a healthy while, to the rollback.
  private static func delay<R: Rule>(_ type: R.Type, _ rate: Double, perSecond: Int) -> Double {
    var random = Random(state: UInt64(rate * 1000) &+ UInt64(perSecond))
    let healthy = 2000 / perSecond
    var delays: [Double] = []
    for _ in 0..<300 {
      let acted = run(
        type, .normal, perSecond: perSecond, seconds: healthy + 8000 / perSecond, &random
      ) { $0 < Double(healthy) ? 0.008 : rate }
      guard let acted else {
        delays.append(.infinity)
        continue
      }
      if acted >= Double(healthy) { delays.append(acted - Double(healthy)) }
    }
    return delays.sorted()[delays.count / 2]
  }

  /// The share of blips of total failure that are rolled back.
  private static func blips<R: Rule>(_ type: R.Type, seconds: Int, perSecond: Int) -> Double {
    var random = Random(state: UInt64(seconds * 100 + perSecond))
    let acted = (0..<200).count { _ in
      run(type, .normal, perSecond: perSecond, seconds: 200, &random) {
        (100..<Double(100 + seconds)).contains($0) ? 1 : 0.008
      } != nil
    }
    return Double(acted) / 200
  }

  /// One person who retries once a second and never succeeds, among healthy people: how many of 200
  /// such hours end in a rollback.
  private static func storms() -> Int {
    var random = Random(state: 17)
    return (0..<200).count { _ in
      var rule = Second(.normal)
      for number in 0..<36_000 {
        let at = Instant(milliseconds: Int64(number) * 100)
        let isAngry = number % 10 == 0
        rule.record(
          bad: isAngry || random.chance(0.008), user: isAngry ? 1 : UInt64(number + 2), at: at)
        if number % 2 == 0, rule.fires(at) { return true }
      }
      return false
    }
  }

  /// Fifteen minutes in which both arms fail at 30 %: how many of 200 are rolled back.
  private static func outages() -> Int {
    var random = Random(state: 23)
    return (0..<200).count { _ in isRolledBack(&random) }
  }

  private static func isRolledBack(_ random: inout Random) -> Bool {
    guard
      let definition = try? PlanDefinition(
        YAMLReader.read(Array("feature: a\nguards: [{metric: error_rate, max: 5%}]".utf8)))
    else { return true }
    var plan = Plan(definition, at: Moment(Instant(milliseconds: 0)))
    plan.status = .active
    plan.stageIndex = 2
    plan.stageEnteredAt = Moment(Instant(milliseconds: 0))
    var health = FeatureHealth(plan)
    for number in 0..<12_000 {
      let at = Instant(milliseconds: Int64(number) * 100)
      let isFailing = (1000..<10_000).contains(number)
      let arm: Outcome.Arm = random.chance(0.25) ? .treatment : .control
      let outcome = Outcome(
        result: random.chance(isFailing ? 0.3 : 0.008) ? .failed : .ok, arm: arm,
        user: UInt64(number), at: at)
      _ = health.record(outcome)
      guard number % 5 == 0 else { continue }
      for case .command(let command, _, _) in Judge.decide(health.assessment(now: at), now: at) {
        switch command {
        case .rollback: return true
        case .hold(let cause):
          plan.hold = .init(cause: cause, reason: "", since: Moment(at))
        case .release: plan.hold = nil
        default: continue
        }
        plan.version += 1
        health.follow(plan)
      }
    }
    return false
  }

  /// Score D at its boundary (control at 5 %, one point worse): alarms per 100,000 blocks.
  private static func comparisonAlarms() -> Double {
    var random = Random(state: 31)
    var alarms = 0
    let blocks = 3_000_000
    var score = ArmComparison()
    for _ in 0..<blocks {
      score.observe(random.chance(0.06) ? 1 : 0, .treatment)
      score.observe(random.chance(0.05) ? 1 : 0, .control)
      guard score.value >= ArmComparison.decisive else { continue }
      alarms += 1
      score = ArmComparison()
    }
    return Double(alarms) / Double(blocks) * 100_000
  }

  /// Median and p95 treatment requests until D blames the feature; control at 0.8 %.
  private static func comparisonDelay(_ rate: Double, share: Double) -> (median: Int, p95: Int) {
    var random = Random(state: UInt64(rate * 1000 + share * 100))
    var delays: [Int] = []
    for _ in 0..<400 {
      var score = ArmComparison()
      var (treatment, delay) = (0, 0)
      while treatment < 20_000 {
        if random.chance(share) {
          treatment += 1
          let isSick = treatment > 2000
          if isSick { delay += 1 }
          score.observe(random.chance(isSick ? rate : 0.008) ? 1 : 0, .treatment)
        } else {
          score.observe(random.chance(0.008) ? 1 : 0, .control)
        }
        if delay > 0, score.value >= ArmComparison.decisive { break }
      }
      delays.append(delay)
    }
    delays.sort()
    return (delays[delays.count / 2], delays[delays.count * 95 / 100])
  }

  private static func row<R: Rule>(_ type: R.Type) -> Document {
    .object([
      "false_2": .double(falseAlarms(type, .normal, 0.02, requests: 5_000_000)),
      "false_3": .double(falseAlarms(type, .normal, 0.03, requests: 5_000_000)),
      "false_4": .double(falseAlarms(type, .normal, 0.04, requests: 2_000_000)),
      "false_4_calm": .double(falseAlarms(type, .calm, 0.04, requests: 2_000_000)),
      "seconds": .array(
        [3, 10, 30].map { pace in
          .array([0.08, 0.1, 0.2, 0.5, 1].map { .double(delay(type, $0, perSecond: pace)) })
        }),
      "blips": .array(
        [3, 10, 30].map { pace in
          .array([2, 3, 4, 5].map { .double(blips(type, seconds: $0, perSecond: pace)) })
        }),
    ])
  }

  static func make() -> Document {
    .object([
      "second": row(Second.self),
      "first": row(First.self),
      "storms": .int(storms()),
      "outages": .int(outages()),
      "comparison_false": .double(comparisonAlarms()),
      "comparison_delays": .array(
        [(0.08, 0.25), (0.2, 0.25), (1, 0.25), (0.08, 0.05), (0.08, 0.5)].map { rate, share in
          let delay = comparisonDelay(rate, share: share)
          return .array([.double(rate), .double(share), .int(delay.median), .int(delay.p95)])
        }),
    ])
  }
}
