import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// A person advances while the monitor wants to roll back.
@Suite struct RaceTests {
  @Test func `one of them wins each time, and the history shows who and what the other wanted`()
    async throws
  {
    var wins = (person: 0, monitor: 0)
    var overtaken = 0
    for round in 0..<1000 {
      let store = MemoryStore()
      let clock = ManualClock()
      let ledger = OutcomeLedger()
      let controller = try await PlanController(
        planStore: store, cohortStore: store, box: SnapshotBox(), clock: clock, ledger: ledger,
        observers: [])
      let log = Log(clock: clock, isSilent: true)
      let monitor = Monitor(
        controller: controller, ledger: ledger,
        announcer: Announcer(outbox: store, hub: EventHub(), wake: {}, log: log),
        readiness: Readiness(hasTokens: true), clock: clock, log: log)
      let feature = "ai-summary"
      var definition = PlanDefinition(feature: feature)
      definition.preset = .sensitive
      let context = CommandContext(actor: .token("anna"), reason: "go", now: clock.now)
      _ = try await controller.apply(
        definition, expecting: nil, actor: .token("anna"), reason: "new")
      _ = try await controller.perform(.start, on: feature, expecting: 1, context)
      _ = try await controller.perform(.advance(to: nil), on: feature, expecting: 2, context)
      ledger.record(
        (0..<8).map { number in
          let outcome = Outcome(
            result: .failed, arm: .treatment, user: UInt64(number), at: clock.now, latency: nil)
          return .init(feature: feature, outcome: outcome, id: nil)
        }, at: clock.now)
      // Forced, or the firing guard would refuse it: the race is about who is first.
      var hasty = context
      hasty.force = true
      async let looked: Void = monitor.look()
      async let advanced = Self.after(round % 20) { [hasty] in
        (try? await controller.perform(.advance(to: nil), on: feature, expecting: 3, hasty)) != nil
      }
      let personWon = await advanced
      await looked
      let events = await store.events(feature: feature, before: nil, limit: 10).reversed()
      #expect(events.map(\.event.version) == Array(1...4))
      let last = try #require(events.last?.event)
      if personWon {
        wins.person += 1
        #expect(last.kind == .advanced && last.actor == .token("anna"))
        let notices = await store.allNotices
        overtaken += notices.count { $0.notice.kind == .overtaken }
        // The monitor says that it was overtaken, unless it looked only afterwards.
        #expect(notices.allSatisfy { $0.notice.kind == .overtaken || $0.notice.kind == .verdict })
      } else {
        wins.monitor += 1
        #expect(last.kind == .rolledBack && last.actor == .monitor)
        #expect(last.evidence != nil)
      }
    }
    #expect(wins.person > 0 && wins.monitor > 0, "\(wins)")
    #expect(wins.person + wins.monitor == 1000)
    #expect(overtaken > 0)
  }

  /// Gives the monitor a head start of so many turns: it has more steps to go.
  private static func after<T: Sendable>(
    _ turns: Int, _ body: @Sendable () async -> T
  ) async -> T {
    for _ in 0..<turns { await Task.yield() }
    return await body()
  }
}
