import RolloutGateway
import Testing

@Suite struct RateLimiterTests {
  @Test func `a burst of the whole count, then evenly`() throws {
    let limiter = RateLimiter(try #require(RateLimit("20/min")))
    for left in (0..<20).reversed() {
      let allowance = limiter.admit("anna", now: 1000)
      #expect(allowance.isAllowed)
      #expect(allowance.remaining == left)
    }
    let refused = limiter.admit("anna", now: 1000)
    #expect(!refused.isAllowed)
    #expect(refused.retryAfter == 3000)
    #expect(refused.reset == 60_000)
    #expect(limiter.admit("bob", now: 1000).isAllowed)
    #expect(!limiter.admit("anna", now: 3999).isAllowed)
    #expect(limiter.admit("anna", now: 4000).isAllowed)
    #expect(!limiter.admit("anna", now: 4000).isAllowed)
    // After a minute of rest all of it is back.
    #expect(limiter.admit("anna", now: 64_000).remaining == 19)
  }

  @Test func `in the long run the rate is exact, high ones too`() throws {
    let limiter = RateLimiter(try #require(RateLimit("3000/min")))
    var allowed = 0
    for now in 0..<120_000 where limiter.admit("app", now: now).isAllowed { allowed += 1 }
    #expect((8990...9001).contains(allowed))
  }

  @Test(arguments: ["20", "0/min", "-1/s", "20/week", "x/min", "20/min/min", ""])
  func `what is no rate is refused`(text: String) { #expect(RateLimit(text) == nil) }
}
