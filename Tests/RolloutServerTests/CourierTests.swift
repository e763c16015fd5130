import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutServer

/// The courier on a real outbox.
@Suite struct CourierTests {
  private let folder = TemporaryFolder()
  private let clock = ManualClock()

  /// Takes what it is told to take, and remembers what it was asked.
  private final class Post: Messenger {
    private struct State {
      var dead: Set<String> = []
      var told: [(target: String, id: String)] = []
    }
    private let state = Mutex(State())

    var told: [(target: String, id: String)] { state.withLock { $0.told } }
    func set(_ target: String, dead: Bool) {
      state.withLock {
        if dead { $0.dead.insert(target) } else { $0.dead.remove(target) }
      }
    }
    func send(_ message: Message, to target: String, at now: Instant) async throws {
      let isDead = state.withLock { state in
        state.told.append((target, message.id))
        return state.dead.contains(target)
      }
      if isDead { throw DeliveryFailure(reason: "dead") }
    }
  }

  private func store(_ targets: [String]) throws -> Store {
    try Store(
      try DataDirectory(folder.path), migrations: Migration.control,
      subscriptions: targets.map { Subscription(receiver: $0, kinds: nil) }, now: clock.now)
  }

  private func courier(
    _ store: Store, _ post: Post,
    report: @escaping @Sendable (String, String?) -> Void = { _, _ in }
  ) -> Courier {
    Courier(
      store: store, messenger: post, clock: clock, log: Log(clock: clock), jitter: { 0.5 },
      report: report)
  }

  /// A plan of its own with these events after `applied`.
  private func happen(_ store: Store, _ feature: String, _ commands: [Command]) async throws {
    let definition = try PlanDefinition(.object(["feature": .string(feature)]))
    let context = CommandContext(actor: .token("a"), reason: "because", now: clock.now)
    var change = Lifecycle.create(definition, context)
    _ = try await store.commit(change, answer: nil)
    for command in commands {
      guard let next = try Lifecycle.perform(command, on: change.plan, context) else { continue }
      change = next
      _ = try await store.commit(change, answer: nil)
    }
  }

  @Test func `emergencies go first, the newest of them before all`() async throws {
    let store = try store(["hook"])
    for feature in ["a", "b", "c"] { try await happen(store, feature, [.start]) }
    try await happen(store, "d", [.start, .kill])
    try await happen(store, "e", [.start, .kill])
    let post = Post()
    post.set("hook", dead: true)
    let courier = courier(store, post)
    // One at a time once it is shut: the order is seen.
    for _ in 0..<3 { _ = await courier.deliverOnce() }
    #expect(post.told.prefix(2).map(\.id).sorted() == ["evt_12", "evt_9"])
    post.set("hook", dead: false)
    let before = post.told.count
    clock.advance(.minutes(5))
    while await courier.deliverOnce() > 0 {}
    let after = post.told[before...].map(\.id)
    #expect(after.prefix(2) == ["evt_12", "evt_9"])
    // Several are under way at once: which of the others arrives first is open.
    #expect(
      Set(after.dropFirst(2)) == Set((1...12).filter { $0 != 9 && $0 != 12 }.map { "evt_\($0)" }))
    #expect(try await store.backlog() == (0, 0))
    await store.close()
  }

  @Test func `a dead target is asked seldom, wears out nobody's attempts, and is told all at once`()
    async throws
  {
    let store = try store(["hook"])
    for number in 0..<50 { try await happen(store, "f\(number)", [.start]) }
    let post = Post()
    post.set("hook", dead: true)
    let reports = Mutex<[String?]>([])
    let courier = courier(store, post) { _, trouble in reports.withLock { $0.append(trouble) } }
    for _ in 0..<3600 {
      _ = await courier.deliverOnce()
      clock.advance(.seconds(1))
    }
    // A hundred messages for an hour: without a breaker each would have been tried seven times.
    #expect(post.told.count < 80)
    #expect(try await store.backlog() == (100, 0))
    #expect(reports.withLock { $0.first } == "hook takes no notifications: dead")
    post.set("hook", dead: false)
    let before = post.told.count
    clock.advance(.minutes(1))
    while await courier.deliverOnce() > 0 {}
    #expect(post.told.count - before == 100)
    #expect(try await store.backlog() == (0, 0))
    #expect(reports.withLock { $0.last } == .some(nil))
    await store.close()
  }

  @Test func `what waits for one target is bounded, and emergencies are given up last`()
    async throws
  {
    let store = try store(["hook", "other"])
    try await happen(store, "old", [.start, .kill])
    for number in 0..<10 { try await happen(store, "f\(number)", [.start]) }
    #expect(try await store.trim(waitingMax: 5, at: clock.steady) == 2 * (23 - 5))
    #expect(try await store.backlog() == (10, 36))
    let left = try await store.due(
      DeliveryLane(receiver: "hook", isUrgent: true), now: clock.steady, limit: 9)
    #expect(left.map(\.message.id) == ["evt_3"])
    let rest = try await store.due(
      DeliveryLane(receiver: "hook", isUrgent: false), now: clock.steady, limit: 9)
    #expect(rest.map(\.message.id) == ["evt_20", "evt_21", "evt_22", "evt_23"])
    // What was given up long ago is forgotten.
    #expect(try await store.trim(waitingMax: 5, at: clock.steady + .days(31)) == 0)
    #expect(try await store.backlog() == (10, 0))
    await store.close()
  }

  @Test func `one dead webhook delays nobody, and its own emergencies overtake its news`()
    async throws
  {
    let dead = ScriptedUpstream()
    let well = ScriptedUpstream()
    dead.always(.hang)
    well.always(.send("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"))
    let server = try await TestServer(
      """
      notify:
        - {kind: webhook, name: dead, url: "\(dead.url)/", allow_private: true}
        - {kind: webhook, name: well, url: "\(well.url)/", allow_private: true}
      """)
    for number in 0..<20 { try await server.startPlan("f\(number)") }
    #expect(try await server.eventually { dead.requests.count >= 4 })
    try await server.command("kill", "f7", #"{"reason":"now"}"#)
    // Far sooner than the dead one's silence ends, on both.
    #expect(
      try await server.eventually { well.requests.contains { $0.contains("rollout.killed") } })
    #expect(
      try await server.eventually { dead.requests.contains { $0.contains("rollout.killed") } })
    #expect(try await server.eventually { well.requests.count == 41 })
    #expect(dead.requests.count <= 8)
    await server.stop()
  }
}

extension Courier {
  /// Every lane once, one after the other, emergencies first; how many deliveries are settled.
  fileprivate func deliverOnce() async -> Int {
    var settled = 0
    for lane in await takeLanes() { settled += await work(lane) }
    return settled
  }
}
