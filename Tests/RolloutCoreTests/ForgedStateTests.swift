import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

/// What is read back from disk may say anything: a value, or nothing, and never the end.
@Suite struct ForgedStateTests {
  private func plan() throws -> Plan {
    let text = #"""
      {"feature":"a","guards":[{"metric":"error_rate","max":"5%","investigate":"1%"},
      {"metric":"latency_mean","max":"1s"},{"metric":"tokens_per_request","max":100}]}
      """#
    var plan = Plan(
      try PlanDefinition(try JSONReader.read(Array(text.utf8))), at: Moment(Samples.start))
    plan.status = .active
    plan.stageEnteredAt = Moment(Samples.start)
    return plan
  }

  @Test func `a feature's state with any word changed is read or left, and goes on`() throws {
    let plan = try plan()
    var health = FeatureHealth(plan)
    for number in 0..<30 {
      _ = health.record(
        Outcome(
          result: number % 5 == 0 ? .failed : .ok, arm: number % 3 == 0 ? .control : .treatment,
          user: UInt64(number), at: Samples.start, latency: 20, inputTokens: 5, outputTokens: 7,
          cost: Money(nanodollars: 9)))
    }
    let state = try #require(health.state)
    let words: [UInt64] = [
      0, .max, UInt64(Int64.max), UInt64(bitPattern: Int64.min), Double.infinity.bitPattern,
      Double.nan.bitPattern, Double.greatestFiniteMagnitude.bitPattern, 1 << 40,
    ]
    for offset in stride(from: 0, to: state.count - 8, by: 1) {
      for word in words {
        var forged = state
        withUnsafeBytes(of: word.littleEndian) {
          forged.replaceSubrange(offset..<(offset + 8), with: $0)
        }
        goOn(plan, forged)
      }
    }
    for count in 0..<state.count { goOn(plan, Array(state.prefix(count))) }
  }

  private func goOn(_ plan: Plan, _ state: [UInt8]) {
    var health = FeatureHealth(plan)
    health.restore(state)
    for arm in Outcome.Arm.allCases {
      _ = health.record(
        Outcome(
          result: .failed, arm: arm, user: 1, at: Samples.start, latency: 20,
          inputTokens: Int.max, outputTokens: Int.max, cost: Money(nanodollars: Int.max)))
    }
    _ = health.assessment(now: Samples.start + .seconds(60))
    _ = health.state
    _ = health.usageRate(now: Samples.start + .minutes(3))
  }

  @Test func `instants and spans stop at their ends`() {
    for milliseconds in [Int64.min, Int64.min + 1, -1, 0, 1, Int64.max - 1, Int64.max] {
      let instant = Instant(milliseconds: milliseconds)
      #expect(!instant.rfc3339.isEmpty)
      #expect(instant + TimeSpan(milliseconds: .max) >= instant)
      for other in [Int64.min, 0, Int64.max] {
        #expect(instant.since(Instant(milliseconds: other)) >= .zero)
      }
      #expect(!TimeSpan(milliseconds: milliseconds).words.isEmpty)
      #expect(!TimeSpan(milliseconds: milliseconds).text.isEmpty)
    }
  }

  @Test func `packed outcomes are read up to what is none`() {
    var packed = PackedOutcomes()
    packed.append(Outcome(result: .ok, arm: .treatment, user: 7, at: Samples.start, latency: 1))
    for offset in packed.bytes.indices {
      for byte in [UInt8(0), 0x7F, 0x80, 0xFF] {
        var bytes = packed.bytes
        bytes[offset] = byte
        for outcome in PackedOutcomes.unpack(bytes) {
          var meter = UsageMeter()
          meter.record(outcome)
          _ = meter.rate(since: Samples.start, now: Samples.start + .minutes(2))
        }
      }
    }
  }

  @Test func `integers stop where they end`() {
    #expect(Int(saturating: .nan) == 0)
    #expect(Int(saturating: .infinity) == Int.max && Int(saturating: -.infinity) == Int.min)
    #expect(Int(saturating: 9.3e18) == Int.max && Int(saturating: 2.9) == 2)
    #expect(Int.max.adding(1) == Int.max && Int.min.adding(-1) == Int.min)
    #expect(Int.min.multiplied(by: -1) == Int.max && Int.min.multiplied(by: 2) == Int.min)
    #expect(Int64.min.subtracting(1) == Int64.min && Int64.max.subtracting(-1) == Int64.max)
    #expect(Int64(0).subtracting(.min) == Int64.max)
  }
}
