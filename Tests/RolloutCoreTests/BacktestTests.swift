import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@Suite struct PollWatchTests {
  private func make(_ preset: Preset = .sensitive) -> PollWatch {
    var rule = Guard(.prometheus, max: .number(0.05))
    rule.query = "up"
    return PollWatch(rule, preset: preset)
  }

  @Test func `no answer, an old one and an error are unavailable`() {
    var watch = make()
    #expect(watch.assess(now: Samples.start).state == .unavailable)
    watch.record(.unavailable("the query has no result"), at: Samples.start)
    #expect(watch.assess(now: Samples.start).sentence.contains("the query has no result"))
    watch.record(.value(0.01), at: Samples.start)
    #expect(watch.assess(now: Samples.start).state == .quiet)
    #expect(watch.assess(now: Samples.start + .minutes(4)).state == .unavailable)
  }

  @Test func `a value over the limit acts once it has lasted`() {
    var watch = make(.normal)
    watch.record(.value(0.2), at: Samples.start)
    #expect(watch.assess(now: Samples.start + .seconds(9)).state == .pending)
    #expect(watch.assess(now: Samples.start + .seconds(10)).state == .firing)
    watch.record(.value(0.01), at: Samples.start + .seconds(15))
    #expect(watch.assess(now: Samples.start + .seconds(15)).state == .quiet)
  }
}

@Suite struct BacktestTests {
  private func outcomes(bad: (Int) -> Bool) -> [Outcome] {
    (0..<3000).map {
      Outcome(
        result: bad($0) ? .failed : .ok, arm: .treatment, user: UInt64($0),
        at: Samples.start + TimeSpan(milliseconds: Int64($0) * 100))
    }
  }

  @Test func `spared are those with bad requests up to the rollback that was made, each once`() {
    var plan = Samples.plan(atStage: 2)
    plan.definition.preset = .sensitive
    // Ill in spells, with two of three users again and again.
    let all = (0..<20_000).map { (index: Int) -> Outcome in
      let isIll = index / 1000 % 2 == 1
      let isBad = isIll && index % 3 == 0
      return Outcome(
        result: isBad ? .failed : .ok, arm: .treatment, user: UInt64(index % 700),
        at: Samples.start + TimeSpan(milliseconds: Int64(index) * 100))
    }
    let rollbacks: [Instant] = [300, 1100, 1730].map { Samples.start + TimeSpan.seconds($0) }
    let backtest = Backtest(all, plan: plan, rollbacks: rollbacks)
    #expect(backtest.alarms.count > 3)
    for alarm in backtest.alarms {
      let end = rollbacks.first { $0 >= alarm.at } ?? Instant(milliseconds: .max)
      var spared: Set<UInt64> = []
      for outcome in all where outcome.at > alarm.at && outcome.at <= end {
        if outcome.result == .failed, let user = outcome.user { spared.insert(user) }
      }
      #expect(alarm.usersSpared == spared.count, "\(alarm.at)")
    }
    #expect(backtest.alarms.contains { $0.usersSpared > 0 })
  }

  @Test func `a plan has no more guards than every outcome can be counted for`() throws {
    for (count, isTaken) in [(Guard.countMax, true), (Guard.countMax + 1, false)] {
      let guards = Array(repeating: #"{"metric":"error_rate","max":"5%"}"#, count: count)
      let text = #"{"feature":"x","guards":[\#(guards.joined(separator: ","))]}"#
      let document = try JSONReader.read(Array(text.utf8))
      let definition = try? PlanDefinition(document)
      #expect((definition != nil) == isTaken)
      #expect(throws: Never.self) { try PlanDefinition(document, isStored: true) }
    }
  }

  @Test func `it says when, for whom, and what was for nothing`() throws {
    let plan = Samples.plan(atStage: 2)
    // Healthy, then broken for good.
    let broken = Backtest(outcomes { $0 >= 1000 && $0 % 4 == 0 }, plan: plan, rollbacks: [])
    let alarm = try #require(broken.alarms.first)
    #expect((1001...1250).contains(alarm.requests))
    #expect(!alarm.isFalse)
    #expect(alarm.usersSpared > 300)
    #expect(broken.outcomeCount == 3000)
    // A blip, and then nothing: stepping back would have been for nothing.
    var hasty = plan
    hasty.definition.preset = .sensitive
    let blip = Backtest(outcomes { (1000..<1010).contains($0) }, plan: hasty, rollbacks: [])
    #expect(blip.alarms.count == 1)
    #expect(blip.falseAlarms == 1)
    #expect(blip.usersSpared == 0)
    let calm = Backtest(outcomes { (1000..<1010).contains($0) }, plan: plan, rollbacks: [])
    #expect(calm.alarms.isEmpty)
    #expect(Backtest([], plan: plan, rollbacks: []).from == nil)
  }
}
