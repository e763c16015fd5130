import DocumentKit
import HTTPKit
import PlatformKit
import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutGateway

@Suite struct FairQueueTests {
  @Test func `users take turns, each in the order of their own`() {
    var queue = FairQueue<Int>()
    for number in 0..<5 { queue.append(number, user: "greedy") }
    queue.append(10, user: "anna")
    queue.append(20, user: "bob")
    #expect(queue.position(of: 10, user: "anna") == 2)
    #expect(queue.position(of: 1, user: "greedy") == 4)
    #expect(queue.position(of: 4, user: "greedy") == 7)
    let removed = (queue.remove(20, user: "bob"), queue.remove(20, user: "bob"))
    #expect(removed == (true, false))
    #expect(queue.count == 6)
    var order: [Int] = []
    while let next = queue.popFirst() { order.append(next) }
    #expect(order == [0, 10, 1, 2, 3, 4])
    #expect(queue.isEmpty && queue.first == nil)
  }

  @Test func `an app of many users gets no more turns than one of few`() {
    var queue = FairQueue<Int>()
    for number in 0..<100 { queue.append(number, app: "loud", user: "u\(number)") }
    queue.append(1000, app: "quiet", user: "u0")
    queue.append(1001, app: "quiet", user: "u0")
    #expect(queue.position(of: 1001, app: "quiet", user: "u0") == 4)
    let largest = queue.lastOfLargest
    #expect(largest?.app == "loud")
    #expect((0..<4).map { _ in queue.popFirst() } == [0, 1000, 1, 1001])
    #expect(queue.count(of: "loud") == 98 && queue.count(of: "quiet") == 0)
  }

  @Test func `a position is the number of those who are served until then`() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<200 {
      var queue = FairQueue<Int>()
      let count = Int.random(in: 1...20, using: &random)
      let users = (0..<count).map { _ in "u\(Int.random(in: 0...4, using: &random))" }
      let apps = (0..<count).map { _ in "a\(Int.random(in: 0...2, using: &random))" }
      for number in 0..<count { queue.append(number, app: apps[number], user: users[number]) }
      for _ in 0..<Int.random(in: 0..<count, using: &random) { _ = queue.popFirst() }
      var place = 0
      var rest = queue
      while let next = rest.popFirst() {
        place += 1
        #expect(queue.position(of: next, app: apps[next], user: users[next]) == place)
      }
    }
  }
}

@Suite struct ProviderQuotaTests {
  private func head(_ fields: (String, String)...) -> HTTPAnswerHead {
    HTTPAnswerHead(
      status: 200, headers: HeaderLines(fields.map { (name: $0.0, value: $0.1) }))
  }

  @Test(arguments: [
    ("12ms", 12), ("6s", 6000), ("1m0s", 60_000), ("1h2m3.5s", 3_723_500), ("0.25", 250),
    ("2027-01-15T08:00:30Z", 30_000), ("2027-01-15T07:00:00Z", 0), ("0s", 0), ("-1e300", 0),
  ])
  func `a reset is a span or an instant`(text: String, expected: Int) {
    let wall = Instant(rfc3339: "2027-01-15T08:00:00Z")?.milliseconds ?? 0
    #expect(RateReset.milliseconds(text, wall: wall) == expected)
  }

  @Test(arguments: [
    "", "soon", "5 s", "-", "s", "1x", "nan", "inf", "900h", "2099-01-01T00:00:00Z",
  ])
  func `what is no reset is not believed`(text: String) {
    #expect(RateReset.milliseconds(text, wall: 1_800_000_000_000) == nil)
  }

  @Test func `both dialects' headers are learnt, and nonsense is not`() {
    var quota = ProviderQuota(requests: nil, tokens: nil)
    quota.learn(
      head(
        ("x-ratelimit-limit-requests", "500"), ("x-ratelimit-remaining-requests", "2"),
        ("x-ratelimit-reset-requests", "6s")), now: 1000, wall: 0)
    #expect(quota.requests == .init(limit: 500, remaining: 2, resetAt: 7000))
    quota.take(10, now: 1000)
    #expect(quota.shut(10, now: 1000) == nil)
    quota.take(10, now: 1000)
    #expect(quota.shut(10, now: 1000) == .init(limit: .requests, wait: 6000))
    #expect(quota.shut(10, now: 7000) == nil)
    quota.learn(
      head(
        ("anthropic-ratelimit-tokens-limit", "1000"),
        ("anthropic-ratelimit-tokens-remaining", "50"),
        ("anthropic-ratelimit-tokens-reset", "1970-01-01T00:00:20Z")), now: 8000, wall: 10_000)
    #expect(quota.shut(40, now: 8000) == nil)
    #expect(quota.shut(60, now: 8000) == .init(limit: .tokens, wait: 10_000))
    let before = quota.tokens
    quota.learn(
      head(("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-reset-tokens", "0")), now: 9000,
      wall: 0)
    #expect(quota.tokens == before)
    #expect(quota.perMinute == (500, 1000))
  }

  @Test func `configured tokens are taken by guess and corrected by use`() throws {
    var quota = ProviderQuota(requests: nil, tokens: RateLimit("600/min"))
    quota.take(600, now: 0)
    #expect(quota.shut(100, now: 0) == .init(limit: .tokens, wait: 10_000))
    quota.correct(600, to: 100, now: 0)
    #expect(quota.shut(500, now: 0) == nil)
    // Dearer than the whole: allowed when all of it is there, and never before.
    #expect(quota.shut(5000, now: 0)?.wait == 10_000)
    #expect(quota.shut(5000, now: 10_000) == nil)
  }
}

@Suite struct ProviderGateTests {
  private func gate(inFlight: Int = 1, length: Int = 100, wait: TimeSpan = .seconds(5))
    -> ProviderGate
  {
    var settings = GatewayConfiguration.ProviderSettings(name: "p", kind: .echo)
    settings.maxInFlight = inFlight
    return ProviderGate(settings, .init(length: length, wait: wait), clock: ManualClock())
  }

  private func deadline(_ seconds: Int = 5) -> MonotonicInstant {
    MachineClock.now.after(milliseconds: seconds * 1000)
  }

  /// Waits until so many stand in the queue.
  private func queued(_ gate: ProviderGate, _ count: Int) async throws {
    for _ in 0..<500 where gate.status.queued < count {
      try await Task.sleep(for: .milliseconds(2))
    }
    try #require(gate.status.queued == count)
  }

  @Test func `who waits is served in turns of users, people before batches`() async throws {
    let gate = gate()
    let order = Shared<[String]>([])
    let first = try gate.enterAtOnce(Caller(user: "x"), tokens: 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      let arrivals = [
        ("job", true), ("greedy", false), ("greedy", false), ("greedy", false), ("anna", false),
      ]
      for (index, (user, isBatch)) in arrivals.enumerated() {
        group.addTask {
          let permit = try await gate.enter(
            Caller(user: user, isBatch: isBatch), tokens: 1, deadline: deadline())
          order.value.withLock { $0.append(user) }
          permit.leave(usedTokens: nil)
        }
        try await queued(gate, index + 1)
      }
      // Nobody overtakes those who wait.
      #expect(throws: ProviderFailure.self) {
        try gate.enterAtOnce(Caller(user: "late"), tokens: 1)
      }
      first.leave(usedTokens: nil)
      first.leave(usedTokens: nil)
      try await group.waitForAll()
    }
    #expect(order.value.withLock { $0 } == ["greedy", "anna", "greedy", "greedy", "job"])
    #expect(gate.status.inFlight == 0)
  }

  @Test func `the queue is bounded in length and in time`() async throws {
    let gate = gate(length: 1, wait: .milliseconds(150))
    let permit = try gate.enterAtOnce(Caller(user: "x"), tokens: 1)
    let waiting = Task { try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline()) }
    try await queued(gate, 1)
    await #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      _ = try await gate.enter(Caller(user: "b"), tokens: 1, deadline: deadline())
    }
    await #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      _ = try await waiting.value
    }
    #expect(gate.status.rejected == [.queue: 2])
    #expect(gate.status.queued == 0)
    permit.leave(usedTokens: nil)
    #expect(gate.status.inFlight == 0)
  }

  @Test func `who leaves the queue is forgotten, and a permit nobody holds is free`() async throws {
    let gate = gate()
    var permit: ProviderGate.Permit? = try gate.enterAtOnce(Caller(user: "x"), tokens: 1)
    let waiting = Task { try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline()) }
    try await queued(gate, 1)
    waiting.cancel()
    await #expect(throws: ProviderFailure.cancelled) { _ = try await waiting.value }
    #expect(gate.status.queued == 0)
    #expect(permit != nil)
    permit = nil
    #expect(gate.status.inFlight == 0)
    _ = try gate.enterAtOnce(Caller(user: "y"), tokens: 1)
  }

  @Test func `a throttle opens by itself, and a long one is refused at once`() async throws {
    let gate = gate(inFlight: 5)
    let permit = try gate.enterAtOnce(Caller(user: "x"), tokens: 1)
    permit.note(.throttled(retryAfter: 0.1))
    #expect(throws: ProviderFailure.self) { try gate.enterAtOnce(Caller(user: "a"), tokens: 1) }
    _ = try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline())
    permit.note(.throttled(retryAfter: 60))
    do {
      _ = try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline())
      Issue.record("it entered")
    } catch ProviderFailure.limited(let limit, let seconds) {
      #expect(limit == .requests)
      #expect((50...60).contains(seconds))
    }
  }

  @Test func `providers share the room for calls, and wait for each other's`() async throws {
    let room = CallRoom { 1 }
    let settings = GatewayConfiguration.ProviderSettings(name: "p", kind: .openai)
    let gates = (0..<2).map { _ in
      ProviderGate(
        settings, .init(length: 1, wait: .seconds(5)), clock: ManualClock(), room: room)
    }
    let permit = try gates[0].enterAtOnce(Caller(user: "x"), tokens: 1)
    #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      try gates[1].enterAtOnce(Caller(user: "y"), tokens: 1)
    }
    let waiting = Task {
      try await gates[1].enter(Caller(user: "y"), tokens: 1, deadline: deadline())
    }
    try await queued(gates[1], 1)
    permit.leave(usedTokens: 1)
    let other = try await waiting.value
    #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      try gates[0].enterAtOnce(Caller(user: "x"), tokens: 1)
    }
    other.leave(usedTokens: 1)
    try gates[0].enterAtOnce(Caller(user: "x"), tokens: 1).leave(usedTokens: 1)
  }

  @Test func `who waits for a key hears at once that it is refused`() async throws {
    let gate = gate()
    let permit = try gate.enterAtOnce(Caller(user: "x"), tokens: 1)
    let waiting = Task { try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline()) }
    try await queued(gate, 1)
    permit.note(.credentialRefused)
    await #expect(throws: ProviderFailure.credentialRefused) { _ = try await waiting.value }
    permit.leave(usedTokens: 0)
    await #expect(throws: ProviderFailure.credentialRefused) {
      _ = try await gate.enter(Caller(user: "a"), tokens: 1, deadline: deadline())
    }
    #expect(gate.status.inFlight == 0 && gate.status.queued == 0)
  }

  @Test func `a full queue is shared: who has little waiting takes the place of who has much`()
    async throws
  {
    let gate = gate(length: 4)
    let permit = try gate.enterAtOnce(Caller(app: "loud", user: "x"), tokens: 1)
    func wait(_ app: String, isBatch: Bool = false) -> Task<ProviderGate.Permit, any Error> {
      Task {
        try await gate.enter(
          Caller(app: app, user: "u", isBatch: isBatch), tokens: 1, deadline: deadline())
      }
    }
    var loud: [Task<ProviderGate.Permit, any Error>] = []
    for number in 1...4 {
      loud.append(wait("loud"))
      try await queued(gate, number)
    }
    // Its own next finds no room, another's does.
    await #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      _ = try await wait("loud").value
    }
    let quiet = wait("quiet")
    await #expect(throws: ProviderFailure.limited(.queue, retryAfter: 1)) {
      _ = try await loud[3].value
    }
    #expect(gate.status.queued == 4)
    for task in loud.prefix(3) + [quiet] { task.cancel() }
    for task in loud.prefix(3) + [quiet] { _ = try? await task.value }
    permit.leave(usedTokens: 0)
    #expect(gate.status.inFlight == 0 && gate.status.queued == 0)
  }

  @Test func `a thousand at once never are more than allowed, and all come through`() async throws {
    let gate = gate(inFlight: 7, length: 1000)
    let running = Shared((now: 0, most: 0))
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<1000 {
        group.addTask {
          let permit = try await gate.enter(
            Caller(user: "u\(number % 10)"), tokens: 1, deadline: deadline(20))
          running.value.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
          }
          await Task.yield()
          running.value.withLock { $0.now -= 1 }
          permit.leave(usedTokens: nil)
        }
      }
      try await group.waitForAll()
    }
    #expect(running.value.withLock { $0.most } <= 7)
    #expect(gate.status.inFlight == 0 && gate.status.queued == 0)
  }
}

/// What several tasks write to.
private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
}

extension TimeSpan {
  fileprivate static func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(milliseconds: count) }
}
