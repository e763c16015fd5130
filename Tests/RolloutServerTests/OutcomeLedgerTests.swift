import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct OutcomeLedgerTests {
  private let start = Instant(milliseconds: 1_795_000_000_000)

  private var plan: Plan {
    var definition = PlanDefinition(feature: "f")
    definition.guards = [Guard(.latencyMean, max: .time(.seconds(1)))]
    var plan = Plan(definition, at: Moment(start))
    plan.status = .active
    plan.stageIndex = 0
    plan.stageEnteredAt = Moment(start)
    return plan
  }

  private func ledger() -> OutcomeLedger {
    let ledger = OutcomeLedger()
    ledger.follow(plan)
    return ledger
  }

  /// A request that runs for a minute; whether the monitor, or anybody, looks meanwhile.
  private func slowest(_ look: (OutcomeLedger, Instant) -> Void) throws -> Double {
    let ledger = ledger()
    let number = ledger.begin("f", user: 1, at: start)
    let later = start + .seconds(60)
    for _ in 0..<3 { look(ledger, later) }
    ledger.end(
      "f", number,
      Outcome(
        result: .ok, arm: .treatment, user: 1, at: later, beganAt: start, latency: 60_000))
    return try #require(
      ledger.inspect("f", now: later)?.health.treatment.latencies.quantile(0.5))
  }

  @Test func `who looks changes nothing; the monitor's look does`() throws {
    let unseen = try slowest { _, _ in }
    let seen = try slowest { ledger, now in
      _ = ledger.inspect("f", now: now)
      _ = ledger.gates(of: plan, now: now)
    }
    #expect(seen == unseen)
    // It counts what runs for too long as the cap, once, until it is known how long it took.
    var running: [Double?] = []
    let watched = try slowest { ledger, now in
      _ = ledger.assess(now: now)
      let latencies = ledger.inspect("f", now: now)?.health.treatment.latencies
      #expect(latencies?.count == 1)
      running.append(latencies?.quantile(0.5))
    }
    #expect(running.allSatisfy { ($0 ?? .infinity) < unseen / 5 })
    #expect(watched == unseen)
  }

  @Test func `who was taken back a moment ago vouches for no outage, however fresh the last look`()
  {
    let target = ProviderModel(provider: "p", model: "m")
    var plan = plan
    plan.definition.guards = [Guard(.errorRate, max: .share(.percent(5)))]
    let ledger = OutcomeLedger()
    ledger.follow(plan)
    for second in 0..<20 as Range<Int64> {
      let at = start + .seconds(1 + second)
      var outcome = Outcome(result: .failed, arm: .treatment, user: UInt64(second), at: at)
      outcome.origin = FailureOrigin(target, kind: "server_error", isThrottled: false)
      ledger.record([.init(feature: "f", outcome: outcome)], at: at)
    }
    let now = start + .seconds(21)
    _ = ledger.assess(now: now)
    #expect(ledger.witnesses(of: target, besides: "other", now: now) == ["f"])
    #expect(ledger.witnesses(of: target, besides: "f", now: now) == [])
    for status in [Plan.Status.killed, .active] {
      plan.version += 1
      plan.status = status
      plan.stageIndex = status == .killed ? 0 : -1
      ledger.follow(plan)
      #expect(ledger.witnesses(of: target, besides: "other", now: now) == [], "\(status)")
    }
  }

  @Test func `gates of a version to come are those it will have`() {
    let ledger = ledger()
    let now = start + .seconds(9)
    for number in 0..<200 as Range<UInt64> {
      let outcome = Outcome(result: .ok, arm: .treatment, user: number, at: now, latency: 100)
      ledger.record([.init(feature: "f", outcome: outcome)], at: now)
    }
    #expect(ledger.gates(of: plan, now: now).freshness.isEmpty)
    var next = plan
    next.version += 1
    next.stageIndex = 1
    next.stageEnteredAt = Moment(now)
    let ahead = ledger.gates(of: next, now: now)
    #expect(ahead.freshness == ["outcomes: none of this stage yet"])
    #expect(ledger.gates(of: plan, now: now).freshness.isEmpty)
    ledger.follow(next)
    #expect(ledger.gates(of: next, now: now) == ahead)
  }
}
