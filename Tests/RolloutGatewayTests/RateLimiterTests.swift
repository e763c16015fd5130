import PlatformKit
import Testing

@testable import RolloutGateway

@Suite struct RateLimiterTests {
  @Test func `a burst of the whole count, then evenly`() throws {
    let limiter = RateLimiter(try #require(RateLimit("20/min")))
    for left in (0..<20).reversed() {
      let allowance = limiter.admit("anna", of: "app", now: 1000)
      #expect(allowance.isAllowed)
      #expect(allowance.remaining == left)
    }
    let refused = limiter.admit("anna", of: "app", now: 1000)
    #expect(!refused.isAllowed)
    #expect(refused.retryAfter == 3000)
    #expect(refused.reset == 60_000)
    #expect(limiter.admit("bob", of: "app", now: 1000).isAllowed)
    #expect(!limiter.admit("anna", of: "app", now: 3999).isAllowed)
    #expect(limiter.admit("anna", of: "app", now: 4000).isAllowed)
    #expect(!limiter.admit("anna", of: "app", now: 4000).isAllowed)
    // After a minute of rest all of it is back.
    #expect(limiter.admit("anna", of: "app", now: 64_000).remaining == 19)
  }

  @Test func `in the long run the rate is exact, high ones too`() throws {
    let limiter = RateLimiter(try #require(RateLimit("3000/min")))
    var allowed = 0
    for now in 0..<120_000
    where limiter.admit("app", of: "app", now: MonotonicInstant(milliseconds: now)).isAllowed {
      allowed += 1
    }
    #expect((8990...9001).contains(allowed))
  }

  @Test(arguments: ["20", "0/min", "-1/s", "20/week", "x/min", "20/min/min", ""])
  func `what is no rate is refused`(text: String) { #expect(RateLimit(text) == nil) }

  @Test func `however many users there are, what is remembered is bounded, app by app`() throws {
    let limiter = RateLimiter(try #require(RateLimit("1/d")))
    #expect(limiter.admit("anna", of: "quiet", now: 0).isAllowed)
    for number in 0..<250_000 {
      #expect(
        limiter.admit("u\(number)", of: "loud", now: MonotonicInstant(milliseconds: number / 1000))
          .isAllowed)
    }
    // The loud one's users push out nobody else's, and its own newest are known.
    #expect(!limiter.admit("anna", of: "quiet", now: 1000).isAllowed)
    #expect(!limiter.admit("u249999", of: "loud", now: 1000).isAllowed)
    #expect(limiter.admit("anna", of: "loud", now: 1000).isAllowed)
  }

  @Test func `what is remembered of an app is bounded, and a rest of a period empties it`() {
    var users = RestingUsers(since: 0)
    for number in 0..<450_000 {
      users.forgetRested(period: 60_000, now: MonotonicInstant(milliseconds: number / 100))
      users[number] = CellRate()
      #expect(users.count <= 2 * RestingUsers.halfMax)
    }
    #expect(users[449_999] != nil && users[0] == nil)
    users.forgetRested(period: 60_000, now: 200_000)
    #expect(users.count == 0)
  }

  @Test func `whoever rested is as new, and until then nobody is forgotten`() throws {
    let limiter = RateLimiter(try #require(RateLimit("2/min")))
    var random = SystemRandomNumberGenerator()
    var exact: [String: CellRate] = [:]
    var now = MonotonicInstant.beginning
    for _ in 0..<5000 {
      now = now.after(milliseconds: Int.random(in: 0..<4000, using: &random))
      let user = "u\(Int.random(in: 0..<40, using: &random))"
      var rate = exact[user] ?? CellRate()
      let isAllowed = rate.wait(1, limiter.limit, now: now) == 0
      if isAllowed { rate.take(1, limiter.limit, now: now) }
      exact[user] = rate
      #expect(limiter.admit(user, of: "app", now: now).isAllowed == isAllowed)
    }
  }
}
