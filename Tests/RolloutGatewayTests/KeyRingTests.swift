import HTTPKit
import PlatformKit
import RolloutCore
import Testing

@testable import RolloutGateway

@Suite struct KeyRingTests {
  private func ring(_ names: String..., limit: String? = nil) -> KeyRing {
    KeyRing(
      names.map { .init(name: $0, secret: $0) },
      quota: ProviderQuota(requests: limit.flatMap(RateLimit.init), tokens: nil))
  }

  /// Sends a call out and brings its outcome back; the key it went with.
  private func call(
    _ ring: inout KeyRing, _ failure: ProviderFailure? = nil, now: MonotonicInstant = 0
  ) -> Int? {
    guard case .key(let key) = ring.choose(10, now: now) else { return nil }
    let isProbe = ring.take(key, 10, now: now)
    ring.note(key, failure, isProbe: isProbe, now: now)
    ring.leave(key, guessed: 10, used: 10, isProbe: isProbe, now: now)
    return key
  }

  @Test func `keys take turns, and the one with fewer calls under way comes first`() {
    var ring = ring("A", "B", "C")
    let turns = (0..<6).map { _ in call(&ring) }
    #expect(turns == [0, 1, 2, 0, 1, 2])
    _ = ring.take(0, 10, now: 0)
    _ = ring.take(1, 10, now: 0)
    _ = ring.take(1, 10, now: 0)
    #expect(call(&ring) == 2)
    _ = ring.take(2, 10, now: 0)
    #expect(call(&ring) == 0)
    #expect(ring.statuses(now: 0).map(\.inFlight) == [1, 2, 1])
    #expect(ring.statuses(now: 0).map(\.requests) == [4, 4, 4])
  }

  @Test func `a refused key rests, longer each time, and comes back when it is taken`() {
    var ring = ring("A", "B")
    #expect(call(&ring, .credentialRefused) == 0)
    #expect(ring.statuses(now: 0).map(\.state) == [.refused, .ok])
    #expect((0..<4).map { _ in call(&ring, now: 9999) } == [1, 1, 1, 1])
    // Its turn is a try, of one call only.
    guard case .key(0) = ring.choose(10, now: 10_000) else {
      Issue.record("it is not tried")
      return
    }
    let isProbe = ring.take(0, 10, now: 10_000)
    #expect(isProbe)
    #expect(call(&ring, now: 10_000) == 1)
    ring.note(0, .credentialRefused, isProbe: isProbe, now: 10_000)
    ring.leave(0, guessed: 10, used: 0, isProbe: isProbe, now: 10_000)
    #expect((0..<2).map { _ in call(&ring, now: 29_999) } == [1, 1])
    #expect(call(&ring, now: 30_000) == 0)
    #expect(ring.statuses(now: 30_000).map(\.state) == [.ok, .ok])
  }

  @Test func `no rest is longer than five minutes`() {
    var ring = ring("A")
    var now = MonotonicInstant.beginning
    var rests: [Int] = []
    for _ in 0..<8 {
      #expect(call(&ring, .credentialRefused, now: now) == 0)
      let began = now
      while case .refused = ring.choose(10, now: now) { now = now.after(milliseconds: 1000) }
      rests.append(now.milliseconds(since: began) / 1000)
    }
    #expect(rests == [10, 20, 40, 80, 160, 300, 300, 300])
  }

  @Test func `a try that tells nothing makes room for the next`() {
    var ring = ring("A")
    _ = call(&ring, .credentialRefused)
    #expect(ring.choose(10, now: 5000) == .refused(.credentialRefused))
    let isProbe = ring.take(0, 10, now: 10_000)
    #expect(ring.choose(10, now: 10_000) == .refused(.credentialRefused))
    // The client left.
    ring.note(0, .cancelled, isProbe: isProbe, now: 10_000)
    ring.leave(0, guessed: 10, used: nil, isProbe: isProbe, now: 10_000)
    #expect(ring.choose(10, now: 10_000) == .key(0))
  }

  @Test func `calls from before a refusal neither end nor lengthen it`() {
    var ring = ring("A")
    let early = (0..<3).map { _ in ring.take(0, 10, now: 0) }
    #expect(early == [false, false, false])
    ring.note(0, .credentialRefused, isProbe: false, now: 0)
    ring.note(0, .credentialRefused, isProbe: false, now: 5000)
    ring.note(0, nil, isProbe: false, now: 5000)
    #expect(ring.choose(10, now: 9999) == .refused(.credentialRefused))
    #expect(ring.choose(10, now: 10_000) == .key(0))
  }

  @Test func `an account without money rests for a minute, and says that it is that`() {
    var ring = ring("A", "B")
    #expect(call(&ring, .outOfMoney) == 0)
    #expect(call(&ring, .outOfMoney) == 1)
    #expect(ring.statuses(now: 0).map(\.state) == [.outOfMoney, .outOfMoney])
    #expect(ring.choose(10, now: 59_999) == .refused(.outOfMoney))
    #expect(call(&ring, now: 60_000) == 0)
  }

  @Test(arguments: [
    ProviderFailure.permissionDenied, .timeout, .overloaded, .serverError(status: 500),
    .callerError(status: 400, message: ""), .cancelled, .malformed(""),
  ])
  func `no other failure takes a key from others`(failure: ProviderFailure) {
    var ring = ring("A")
    #expect(call(&ring, failure) == 0)
    #expect(call(&ring) == 0)
  }

  @Test func `each key has limits of its own, and together they allow the sum`() {
    var ring = ring("A", "B", limit: "2/min")
    #expect((0..<4).map { _ in call(&ring) } == [0, 1, 0, 1])
    #expect(ring.choose(10, now: 0) == .shut(.init(limit: .requests, wait: 30_000)))
    #expect(ring.statuses(now: 0).map(\.state) == [.limited, .limited])
    #expect(ring.perMinute.requests == 4)
    ring.throttle(0, milliseconds: 90_000, now: 0)
    #expect(call(&ring, now: 30_000) == 1)
    // A key that rests is not counted on.
    #expect(call(&ring, .credentialRefused, now: 60_000) == 1)
    #expect(ring.perMinute.requests == 2)
    #expect(ring.choose(10, now: 60_000) == .shut(.init(limit: .requests, wait: 30_000)))
  }

  @Test func `what one key has not told is not guessed`() {
    var ring = ring("A", "B")
    let head = HTTPAnswerHead(
      status: 200,
      headers: HeaderLines([
        (name: "x-ratelimit-limit-tokens", value: "1000"),
        (name: "x-ratelimit-remaining-tokens", value: "5"),
        (name: "x-ratelimit-reset-tokens", value: "10s"),
      ]))
    ring.learn(0, head, now: 0, wall: 0)
    #expect(ring.perMinute.tokens == nil)
    #expect((0..<2).map { _ in call(&ring) } == [1, 1])
    ring.learn(1, head, now: 0, wall: 0)
    #expect(ring.perMinute.tokens == 2000)
  }

  @Test func `a provider that needs no key has nothing to show`() {
    var ring = ring()
    #expect(call(&ring) == 0)
    #expect(ring.statuses(now: 0).isEmpty)
  }
}
