import PlatformKit
import Testing

@testable import RolloutGateway

@Suite struct BreakerTests {
  /// A breaker that has seen so many calls, of which `failed` failed.
  private func make(_ calls: Int, failed: Int, at now: MonotonicInstant = 0) -> Breaker {
    var breaker = Breaker()
    for number in 0..<calls {
      let admitted1 = breaker.admit(now)
      #expect(admitted1)
      if number < failed { breaker.fail(now, jitter: 0.5) } else { breaker.succeed(now) }
    }
    return breaker
  }

  @Test func `it opens at half of at least twenty calls, and not below`() {
    #expect(make(19, failed: 19).state(0) == .closed)
    #expect(make(40, failed: 8).state(0) == .closed)
    var breaker = make(30, failed: 9)
    #expect(breaker.state(0) == .closed)
    for _ in 0..<12 {
      guard breaker.admit(10) else { break }
      breaker.fail(10, jitter: 0.5)
    }
    #expect(breaker.state(10) == .open)
    let admitted2 = breaker.admit(20)
    #expect(!admitted2)
  }

  @Test func `calls that hang count as begun, old ones are forgotten`() {
    var breaker = Breaker()
    // Nineteen healthy calls half a minute ago say nothing about now.
    for _ in 0..<19 {
      _ = breaker.admit(0)
      breaker.succeed(0)
    }
    for _ in 0..<20 { _ = breaker.admit(40_000) }
    for _ in 0..<10 { breaker.fail(40_000, jitter: 0.5) }
    #expect(breaker.state(40_000) == .open)
  }

  @Test func `one probe at a time decides`() {
    var breaker = make(20, failed: 20)
    #expect(breaker.state(4000) == .open)
    #expect(breaker.state(5001) == .halfOpen)
    let admitted3 = breaker.admit(5001)
    #expect(admitted3)
    let admitted4 = breaker.admit(5001)
    #expect(!admitted4, "a second probe")
    breaker.fail(5100, jitter: 0.5)
    let admitted5 = breaker.admit(10_200)
    #expect(!admitted5, "the pause doubles")
    let admitted6 = breaker.admit(15_200)
    #expect(admitted6)
    breaker.succeed(15_300)
    #expect(breaker.state(15_300) == .closed)
    let admitted7 = breaker.admit(15_300)
    #expect(admitted7)
  }

  @Test func `calls from before say nothing: neither while it probes, nor after it has closed`() {
    var breaker = make(20, failed: 20)
    #expect(breaker.openedBy == 0)
    let probes = breaker.admit(5001)
    #expect(probes)
    breaker.fail(5002, began: 100, jitter: 0.5)
    breaker.forget(5002, began: 100)
    let second = breaker.admit(5003)
    #expect(!second, "the probe is still under way")
    breaker.succeed(5100)
    #expect(breaker.state(5100) == .closed && breaker.openedBy == nil)
    for _ in 0..<20 { _ = breaker.admit(5200) }
    for _ in 0..<20 { breaker.fail(5300, began: 100, jitter: 0.5) }
    #expect(breaker.state(5300) == .closed)
    for _ in 0..<20 { breaker.fail(5400, began: 5200, jitter: 0.5) }
    #expect(breaker.state(5400) == .open && breaker.openedBy == 5200)
  }

  @Test func `a probe that tells nothing makes room for the next`() {
    var breaker = make(20, failed: 20)
    let admitted8 = breaker.admit(5001)
    #expect(admitted8)
    breaker.forget(5002)
    let admitted9 = breaker.admit(5003)
    #expect(admitted9)
  }

  @Test func `what a provider asks for is waited for`() {
    var breaker = Breaker()
    for _ in 0..<20 { _ = breaker.admit(0) }
    for _ in 0..<10 { breaker.fail(0, retryAfter: 30_000, jitter: 0) }
    let admitted10 = breaker.admit(29_999)
    #expect(!admitted10)
    let admitted11 = breaker.admit(30_000)
    #expect(admitted11)
  }

  @Test func `retries stop when half of the budget is gone, and come back with successes`() {
    var budget = RetryBudget()
    for _ in 0..<4 { budget.fail() }
    #expect(budget.allowsRetry)
    budget.fail()
    #expect(!budget.allowsRetry)
    for _ in 0..<9 { budget.succeed() }
    #expect(budget.allowsRetry)
  }
}
