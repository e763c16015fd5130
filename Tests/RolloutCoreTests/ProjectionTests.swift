import RolloutCore
import RolloutTesting
import Testing

@Suite struct ProjectionTests {
  private let start = Samples.start

  private func outcome(minute: Int, tokens: Int = 100, dollars: Double = 0.01) -> Outcome {
    Outcome(
      result: .ok, arm: .treatment, user: nil,
      at: start + .minutes(Int64(minute)), latency: 1, inputTokens: tokens, outputTokens: 0,
      cost: Money(nanodollars: Int(dollars * 1e9)))
  }

  private func meter(_ minutes: Range<Int>, perMinute: Int = 10) -> UsageMeter {
    var meter = UsageMeter()
    for minute in minutes {
      for _ in 0..<perMinute { meter.record(outcome(minute: minute)) }
    }
    return meter
  }

  @Test func `rates are of whole minutes of the last hour and of this stage`() throws {
    let meter = meter(0..<120)
    #expect(meter.rate(since: start, now: start) == nil)
    let rate = try #require(meter.rate(since: start, now: start + .minutes(120)))
    #expect(rate.requestsPerMinute == 10)
    #expect(rate.tokensPerMinute == 1000)
    #expect(abs(rate.dollarsPerHour - 6) < 1e-9)
    // Silence counts as silence, and another stage does not count at all.
    let later = try #require(
      meter.rate(since: start + .minutes(100), now: start + .minutes(140)))
    #expect(later.requestsPerMinute == 5)
    #expect(later.peakRequests == 10)
    #expect(meter.rate(since: start + .minutes(130), now: start + .minutes(130)) == nil)
  }

  @Test func `a clock that jumps does not trap, and old minutes are not overwritten`() {
    var meter = UsageMeter()
    for minute in [500, -3, 0, 499, 500, 100_000] { meter.record(outcome(minute: minute)) }
    #expect(meter.rate(since: start, now: start + .minutes(501))?.peakRequests ?? 0 <= 2)
  }

  private func budget(_ dollars: Int, _ period: Budget.Period = .day) -> Budget {
    var budget = Budget(name: "daily", limit: Money(nanodollars: dollars * 1_000_000_000))
    budget.period = period
    return budget
  }

  private var rate: UsageRate {
    var rate = UsageRate()
    rate.dollarsPerHour = 2
    rate.tokensPerMinute = 1000
    rate.peakTokens = 1500
    rate.peakRequests = 30
    return rate
  }

  /// 00:00 of a day, so that 24 hours of it are left.
  private var midnight: Instant { Instant(rfc3339: "2027-01-15T00:00:00Z") ?? start }

  private func project(_ growth: Double, _ dollars: Int, quota: Projection.Quota? = nil)
    -> Projection
  {
    Projection(
      stage: "50", growth: growth, rate: rate,
      budgets: [
        .init(
          budget: budget(dollars), spent: Money(nanodollars: 1_000_000_000), othersPerHour: 1)
      ], quota: quota, at: midnight)
  }

  @Test func `what is spent, what others spend and the growth add up to the end of the window`() {
    // 1 + 24 · (2 · 2 + 1) = 121
    #expect(project(2, 121).exceeded.isEmpty)
    let over = project(2, 120).exceeded
    #expect(over.count == 1)
    #expect(
      over.first
        == "cost: stage 50 would bring budget daily to $121 of $120 by 2027-01-16 "
        + "($4 an hour, now $2)")
    #expect(
      project(2, 120).sentence
        == "stage 50: about $4 an hour and 2000 tokens a minute (now $2 and 1000)")
  }

  @Test func `a cost has bounds by how minutes and people differ, and a share of budgets`() {
    var rate = rate
    rate.people = 100
    let projection = Projection(
      stage: "50", growth: 4, rate: rate,
      budgets: [
        .init(budget: budget(240), spent: .zero, othersPerHour: 1),
        .init(budget: budget(3600, .total), spent: .zero, othersPerHour: 0),
      ], quota: nil, at: midnight)
    // √((1 − 1/4) / 100) = 0.0866; 1 + 1.96 · 0.0866 = 1.1697
    #expect(projection.cost.value == 8)
    #expect(abs(projection.cost.low - 8 / 1.16974) < 1e-3)
    #expect(abs(projection.cost.high - 8 * 1.16974) < 1e-3)
    // (8 + 1) · 24 / 240, and 8 · 720 / 3600
    #expect(abs(projection.budgets[0].share.value - 0.9) < 1e-9)
    #expect(
      projection.budgets.map(\.sentence) == [
        "would use 90 % (78.4–103.6 %) of budget daily a day",
        "would use 160 % (136.8–187.2 %) of budget daily in 30 d",
      ])
    #expect(
      projection.assumes == "95 % within $6.83–$9.35 an hour, if users ask as in the last 0 s, and "
        + "those who join as the 100 who asked then")
    // Nobody joins: what is uncertain about others does not count.
    let same = Projection(
      stage: "50", growth: 1, rate: rate, budgets: [], quota: nil, at: midnight)
    #expect(same.cost.low == 2 && same.cost.high == 2)
  }

  @Test func `minutes that differ widen the bounds, and nothing priced is no cost`() throws {
    var meter = UsageMeter()
    for minute in 0..<60 where minute % 2 == 0 {
      for _ in 0..<20 { meter.record(outcome(minute: minute)) }
    }
    let rate = try #require(meter.rate(since: start, now: start + .minutes(58)))
    #expect(abs(rate.dollarsPerHour - 6) < 1e-9)
    // Minutes of $0.2 and of nothing: each $0.1 from the mean; √(0.01 · 58 / 57 / 58) · 60 = $0.795.
    let projection = Projection(
      stage: "50", growth: 1, rate: rate, budgets: [], quota: nil, at: start)
    #expect(abs(projection.cost.high - (6 + 1.96 * 0.79472)) < 1e-3, "\(projection.cost)")
    // One minute says nothing of the next.
    let one = try #require(meter.rate(since: start, now: start + .minutes(1)))
    let unsure = Projection(stage: "50", growth: 1, rate: one, budgets: [], quota: nil, at: start)
    #expect(abs(unsure.cost.high / unsure.cost.value - 2.96) < 1e-9)
    var free = UsageMeter()
    free.record(
      Outcome(result: .ok, arm: .treatment, user: 1, at: start, latency: 1, inputTokens: 60))
    let unpriced = try #require(free.rate(since: start, now: start + .minutes(1)))
    let unknown = Projection(
      stage: "50", growth: 2, rate: unpriced,
      budgets: [.init(budget: budget(1), spent: .zero, othersPerHour: 0)], quota: nil, at: start)
    #expect(unknown.budgets.isEmpty)
    #expect(
      unknown.sentence == "stage 50: about 120 tokens a minute (now 60); cost unknown, since no "
        + "request says what it cost")
  }

  @Test func `the busiest minute must fit into the provider's quota`() {
    var others = UsageRate()
    others.peakTokens = 500
    let quota = { (tokens: Double?) in
      Projection.Quota(
        provider: "openai", requestsPerMinute: nil, tokensPerMinute: tokens, others: others)
    }
    #expect(project(2, 1000, quota: quota(3500)).exceeded.isEmpty)
    #expect(project(2, 1000, quota: quota(nil)).exceeded.isEmpty)
    #expect(
      project(2, 1000, quota: quota(3400)).exceeded == [
        "capacity: stage 50 would ask openai for 3500 tokens a minute at its busiest, and it "
          + "allows 3400"
      ])
  }

  @Test func `the gate stops automation, and warns a person unless evidence is required`() throws {
    var gates = HealthGates()
    gates.projection = project(2, 120)
    #expect(!gates.isOpen)
    #expect(gates.warnings == gates.capacity)
    gates.projection = project(2, 500)
    #expect(gates.isOpen)
  }
}
