import DocumentKit
import Glibc
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutStore

@Suite struct StoreTests {
  private let folder = TemporaryFolder()

  private func open() throws -> Store {
    try Store(DataDirectory(folder.path), now: Samples.start)
  }

  @Test func `what was committed is there after closing and opening`() async throws {
    let created = Lifecycle.create(PlanDefinition(feature: "a"), Samples.context())
    do {
      let directory = try DataDirectory(folder.path)
      let store = try Store(directory, now: Samples.start)
      _ = try await store.commit(created, answer: nil)
      try await store.add(["anna", "bob"], to: "beta", at: Samples.start)
      try await store.remove("bob", from: "beta")
      await store.close()
      directory.release()
    }
    let store = try open()
    #expect(try await store.loadPlans() == LoadedPlans(readable: [created.plan]))
    #expect(try await store.members(of: "beta", after: nil, limit: 10) == ["anna"])
    let cohorts = try await store.loadCohorts()
    #expect(cohorts["beta"]?.count == 1)
  }

  @Test func `nobody else opens a file that is in use, and its log's index is in no file`()
    async throws
  {
    let stranger = try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
    #expect {
      _ = try open()
    } throws: {
      "\($0)".contains("rollout.db") && "\($0)".contains("another program has it open")
    }
    stranger.close()
    // As an earlier version leaves it when it is killed.
    _ = folder.write("no index", to: "rollout.db-shm")
    let store = try open()
    _ = try await store.commit(
      Lifecycle.create(PlanDefinition(feature: "a"), Samples.context()), answer: nil)
    #expect(!folder.read("rollout.db-wal").isEmpty)
    #expect(access("\(folder.path)/rollout.db-shm", F_OK) != 0)
    #expect(throws: SQLiteError.self) {
      try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
    }
    await store.close()
  }

  @Test func `many writers at once all succeed or fail by themselves`() async throws {
    let store = try open()
    let results = await withTaskGroup(of: Bool.self) { group in
      for index in 0..<200 {
        group.addTask {
          // Every second one is a repeat and must fail alone.
          let change = Lifecycle.create(PlanDefinition(feature: "f\(index / 2)"), Samples.context())
          return (try? await store.commit(change, answer: nil)) != nil
        }
      }
      return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
    }
    #expect(results == 100)
    #expect(try await store.loadPlans().readable.count == 100)
    let page = try await store.page(after: .beginning, features: nil)
    #expect(page.messages.map(\.place.event) == Array(1...100))
    #expect(page.isLast)
  }

  @Test func `a second server on the same data is refused`() throws {
    let directory = try DataDirectory(folder.path)
    let error = try #require(throws: StoreError.self) { try DataDirectory(folder.path) }
    #expect(error.description.contains("another server holds"))
    _ = directory
  }

  @Test func `changed, newer and foreign schemas are refused`() async throws {
    let directory = try DataDirectory(folder.path)
    do {
      let store = try Store(directory, now: Samples.start)
      await store.close()
    }
    var changed = Migration.control
    changed[0].sql += "\n-- touched"
    let first = try #require(throws: StoreError.self) {
      try Store(directory, migrations: changed, now: Samples.start)
    }
    #expect(first.description.contains("was changed after it had been applied"))
    let newer = try #require(throws: StoreError.self) {
      try Store(directory, migrations: [], now: Samples.start)
    }
    #expect(newer.description.contains("a newer version wrote this database"))
    let broken =
      Migration.control + [Migration(number: 9, name: "0009.sql", sql: "CREATE NONSENSE")]
    #expect(throws: StoreError.self) {
      try Store(directory, migrations: broken, now: Samples.start)
    }
    let good = try Store(directory, now: Samples.start)
    #expect(try await good.loadPlans() == LoadedPlans())
  }

  @Test func `a damaged database is refused, not replaced`() throws {
    let file = folder.write(
      String(repeating: "this is not a database ", count: 100), to: "rollout.db")
    let error = try #require(throws: StoreError.self) { try open() }
    guard case .corrupt = error else {
      Issue.record("was \(error)")
      return
    }
    #expect(!file.isEmpty)
  }

  @Test func `tokens are found by id, named once, and revoked for good`() async throws {
    let store = try open()
    let token = TokenRecord(
      id: "abc", name: "app", secretHash: [UInt8](repeating: 7, count: 32),
      scopes: [.evaluate, .alert], features: ["a"], createdAt: Samples.start,
      expiresAt: Samples.start + .days(1))
    try await store.insert(token)
    #expect(try await store.loadTokens() == [token])
    await #expect(throws: StoreError.self) { try await store.insert(token) }
    #expect(try await store.revoke(id: "abc", at: Samples.start) == .done)
    let revoked = try await store.loadTokens()[0]
    #expect(!revoked.isValid(at: Samples.start))
    await #expect(throws: StoreError.self) { try await store.revoke(id: "x", at: Samples.start) }
    #expect(!token.isValid(at: Samples.start + .days(2)))
  }

  private func alert(_ key: String, _ feature: String = "a", name: String = "High") -> Alert {
    Alert(
      dedupeKey: key, name: name, feature: feature, action: .rollback, reason: "r",
      startsAt: Samples.start, receivedAt: Samples.start)
  }

  @Test func `what acted is known whoever sends it, what was resolved to who said so`() async throws
  {
    let store = try open()
    try await store.keep([
      AlertRecord(.acted, alert("k1"), sender: "t1"),
      AlertRecord(.resolved, alert("k2"), sender: "t1"),
      AlertRecord(.inert, alert("k3"), sender: "t1", why: .held),
    ])
    func known(_ sender: String, _ feature: String = "a") async throws -> [String: String] {
      try await store.finalAlerts(
        ["k1", "k2", "k3"], feature: feature, action: .rollback, sender: sender
      ).mapValues(\.rawValue)
    }
    #expect(try await known("t1") == ["k1": "acted", "k2": "resolved"])
    #expect(try await known("t2") == ["k1": "acted"])
    #expect(try await known("t1", "b").isEmpty)
    let other = try await store.finalAlerts(["k1"], feature: "a", action: .kill, sender: "t1")
    #expect(other.isEmpty)
  }

  @Test func `inert alerts are folded and bounded for each sender`() async throws {
    let store = try open()
    for round in 0..<3 {
      try await store.keep(
        (0..<2000).map { AlertRecord(.inert, alert("k\(round)-\($0)"), sender: "t", why: .held) })
    }
    let folded = try await store.alerts(before: nil, limit: 10, features: nil)
    #expect(folded.count == 1)
    #expect(folded.first?.count == 6000)
    #expect(folded.first?.alert.dedupeKey == "k2-1999")
    // Names are the sender's to invent: another token's rows stay.
    try await store.keep([AlertRecord(.inert, alert("x"), sender: "other", why: .held)])
    try await store.keep(
      (0..<3000).map { AlertRecord(.inert, alert("k", name: "n\($0)"), sender: "t", why: .held) })
    let all = try await store.alerts(before: nil, limit: 5000, features: nil)
    #expect(all.filter { $0.sender == "t" }.count <= 1001)
    #expect(all.contains { $0.sender == "other" })
  }

  @Test func `telemetry survives a restart`() async throws {
    let directory = try DataDirectory(folder.path)
    let state = FeatureState(feature: "a", state: [1, 2, 3])
    func chunk(_ count: Int, _ byte: UInt8) -> OutcomeChunk {
      OutcomeChunk(feature: "a", count: count, at: Samples.start, bytes: [byte])
    }
    do {
      let store = try TelemetryDatabase(directory, now: Samples.start)
      try await store.save(TelemetryChanges(states: [state], chunks: [chunk(2000, 1)]))
      try await store.save(TelemetryChanges(states: [state], chunks: [chunk(48, 2), chunk(1, 3)]))
      await store.close()
    }
    let store = try TelemetryDatabase(directory, now: Samples.start)
    #expect(try await store.loadStates() == [state])
    // A row is filled up before the next begins, and the order stays.
    #expect(try await store.outcomes("a") == [[1, 2], [3]])
    #expect(try await store.outcomes("b") == [])
    await store.close()
  }

  @Test func `only the newest outcomes are kept`() async throws {
    let store = try TelemetryDatabase(try DataDirectory(folder.path), now: Samples.start)
    for number in 0..<6 {
      let chunk = OutcomeChunk(
        feature: "a", count: Retention.outcomesMax / 4, at: Samples.start,
        bytes: [UInt8(number)])
      try await store.save(TelemetryChanges(chunks: [chunk]))
    }
    #expect(try await store.outcomes("a") == [[2], [3], [4], [5]])
    await store.close()
  }
}

@Suite struct AccessTokenTests {
  @Test func `a token is read back, and every changed character is noticed`() throws {
    let token = AccessToken.generate()
    let text = Array(token.text.utf8)
    #expect(AccessToken(text)?.secretHash == token.secretHash)
    for index in text.indices {
      var changed = text
      changed[index] = changed[index] == 0x61 ? 0x62 : 0x61
      #expect(AccessToken(changed) == nil || changed == text)
    }
  }

  @Test(arguments: [
    "", "ro_", "ro_a_b_c", String(repeating: "_", count: 64), String(repeating: "é", count: 32),
  ])
  func `what is no token is refused`(text: String) {
    #expect(AccessToken(Array(text.utf8)) == nil)
  }
}
