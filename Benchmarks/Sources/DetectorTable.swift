import DocumentKit
import RolloutCore
import RolloutEvaluation

/// How often each rule steps back for nothing, and how many requests it takes when it should: the
/// shipped default beside a naive window and the rule word for word. Before affected users and
/// sustain, which only lower false alarms.
enum DetectorTable {
  /// A rule that sees requests one by one.
  private protocol Rule {
    init()
    /// Whether it would act after this request.
    mutating func observe(bad: Bool, number: Int) -> Bool
  }

  /// Both triggers of the preset `normal` at a limit of 5 %.
  private struct Shipped: Rule {
    private var detector = Detector(Guard(.errorRate, max: .share(.percent(5))), preset: .normal)

    mutating func observe(bad: Bool, number: Int) -> Bool {
      let at = Instant(milliseconds: Int64(number) * 100)
      detector?.record(bad: bad, user: UInt64(number), at: at)
      return detector?.isTriggered == true
    }
  }

  /// More than 5 % of the last `size` requests, from `least` requests on.
  private struct Window {
    private var ring: [Bool] = []
    private var bad = 0
    private let size: Int
    private let least: Int

    init(size: Int, least: Int) {
      self.size = size
      self.least = least
    }

    mutating func observe(bad isBad: Bool, number: Int) -> Bool {
      if ring.count < size {
        ring.append(isBad)
      } else {
        if ring[number % size] { bad -= 1 }
        ring[number % size] = isBad
      }
      if isBad { bad += 1 }
      return ring.count >= least && bad * 20 > ring.count
    }
  }

  private struct Naive: Rule {
    private var window = Window(size: 100, least: 20)
    mutating func observe(bad: Bool, number: Int) -> Bool {
      window.observe(bad: bad, number: number)
    }
  }

  private struct WordForWord: Rule {
    private var window = Window(size: 500, least: 100)
    mutating func observe(bad: Bool, number: Int) -> Bool {
      window.observe(bad: bad, number: number)
    }
  }

  /// Rollbacks per 100,000 requests at a steady error rate; the rule starts anew after each.
  private static func falseAlarms<R: Rule>(
    _ type: R.Type, _ rate: Double, requests: Int
  ) -> Double {
    var random = DecisionTable.Random(state: UInt64(rate * 10_000))
    var rule = R()
    var alarms = 0
    var number = 0
    for _ in 0..<requests {
      if rule.observe(bad: random.chance(rate), number: number) {
        alarms += 1
        rule = R()
        number = 0
      } else {
        number += 1
      }
    }
    return Double(alarms) / Double(requests) * 100_000
  }

  /// Median and 95th percentile of the requests from a change for the worse, after 2,000 healthy
  /// ones at 0.8 %, to the rollback; runs that were rolled back before are left out.
  private static func delay<R: Rule>(
    _ type: R.Type, _ rate: Double
  ) -> (median: Int, p95: Int) {
    var random = DecisionTable.Random(state: UInt64(rate * 1000) &+ 77)
    var delays: [Int] = []
    for _ in 0..<20_000 {
      var rule = R()
      var acted = false
      for number in 0..<2000 where !acted {
        acted = rule.observe(bad: random.chance(0.008), number: number)
      }
      guard !acted else { continue }
      var number = 2000
      while !rule.observe(bad: random.chance(rate), number: number), number < 12_000 { number += 1 }
      delays.append(number - 1999)
    }
    delays.sort()
    return (delays[delays.count / 2], delays[delays.count * 95 / 100])
  }

  private static func row<R: Rule>(_ type: R.Type, healthy requests: Int) -> Document {
    .object([
      "false_0.8": .double(falseAlarms(type, 0.008, requests: requests)),
      "false_2": .double(falseAlarms(type, 0.02, requests: requests)),
      "false_3": .double(falseAlarms(type, 0.03, requests: requests * 4)),
      "false_4.5": .double(falseAlarms(type, 0.045, requests: 1_000_000)),
      "delays": .array(
        [0.08, 0.1, 0.2, 0.5, 1].map { rate in
          let delay = delay(type, rate)
          return .array([.int(delay.median), .int(delay.p95)])
        }),
    ])
  }

  static func make() -> Document {
    .object([
      "shipped": row(Shipped.self, healthy: 5_000_000),
      "naive_100": row(Naive.self, healthy: 500_000),
      "word_500": row(WordForWord.self, healthy: 500_000),
    ])
  }
}
