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
