import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutStore

/// Rows of every kind come back from the real files as they were written, whatever they hold.
@Suite struct StoredRowTests {
  private let folder = TemporaryFolder()

  private static let texts = [
    "plain", "\"quoted\" \\", "line\nline\r\n\u{2028}end", "a\u{0}b", "\u{1F600}e\u{301}é",
    "\u{202E}abc", " ", String(repeating: "long ", count: 100),
  ]

  private static let times = [Int64.min, -1, 0, 1_800_000_000_000, Int64.max].map {
    Instant(milliseconds: $0)
  }

  @Test func `tokens, alerts and members are read back as they were written`() async throws {
    let store = try Store(DataDirectory(folder.path), now: Samples.start)
    var random = SeededRandom(seed: 1)
    func pick<T>(_ values: [T]) -> T { values[random.below(values.count)] }
    var tokens: [String: TokenRecord] = [:]
    var members: Set<String> = []
    for number in 0..<200 {
      let features: Set<String>? = pick([nil, [], ["a"], ["a", "b.c-d_e"], Set(Self.texts)])
      let token = TokenRecord(
        id: "id\(number)", name: "n\(number)",
        secretHash: (0..<32).map { _ in UInt8(random.below(256)) },
        scopes: Set(Scope.allCases.filter { _ in random.chance(0.5) }), features: features,
        createdAt: pick(Self.times), expiresAt: pick([nil] + Self.times))
      try await store.insert(token)
      tokens[token.id] = token
      let alert = Alert(
        dedupeKey: "\(number) \(pick(Self.texts))", name: pick(Self.texts),
        feature: pick(Self.texts), action: pick(Alert.Action.allCases), reason: pick(Self.texts),
        startsAt: pick(Self.times), receivedAt: pick(Self.times))
      try await store.keep([AlertRecord(.acted, alert, sender: pick(Self.texts))])
      let recorded = try await store.alerts(before: nil, limit: 1, features: nil)
      #expect(recorded.first?.alert == alert)
      let user = "\(number)\(pick(Self.texts))"
      try await store.add([user], to: "c", at: pick(Self.times))
      members.insert(user)
    }
    for token in try await store.loadTokens() { #expect(token == tokens[token.id]) }
    let read = Set(try await store.members(of: "c", after: nil, limit: 1000))
    #expect(read == members, "\(read.symmetricDifference(members))")
    await store.close()
  }

  @Test(arguments: [
    ("steady_ms = 9223372036854775807", 0), ("latest_ms = 9223372036854775807", 0),
    ("steady_ms = -9223372036854775808", 0), ("latest_ms = 1, steady_ms = 253402300800000", nil),
    ("steady_ms = 9223372036854775807, latest_ms = 9223372036854775807", nil),
    ("stepped_at_ms = 9223372036854775807, stepped_by_ms = -9223372036854775808", 0),
    ("wall_ms = -9223372036854775808, uptime_ms = -9223372036854775808", 0),
  ])
  func `a clock that nobody can have written moves no time, and ends nothing`(
    forged: String, ahead: Int64?
  ) async throws {
    let reading = ClockReading(wall: Samples.start, uptime: 5000, boot: "a")
    do {
      let directory = try DataDirectory(folder.path)
      let store = try Store(directory, now: Samples.start)
      try await store.keep(.resume(nil, at: reading))
      try await store.database.write { try $0.execute("UPDATE clock SET \(forged)") }
      await store.close()
      directory.release()
    }
    let store = try Store(DataDirectory(folder.path), now: Samples.start)
    let read = ClockCheckpoint.resume(try await store.loadClock(), at: reading)
    if let ahead { #expect(read.steady.milliseconds == Samples.start.milliseconds + ahead) }
    #expect(read.steady <= ClockCheckpoint.lastPlace)
    #expect(read.steady >= Instant(milliseconds: 0))
    // What is kept next is in its place again.
    try await store.keep(read)
    #expect(try await store.loadClock()?.latest == read.latest)
    await store.close()
  }

  @Test func `jobs are read back as they were written`() async throws {
    let store = try JobDatabase(DataDirectory(folder.path), now: Samples.start)
    var random = SeededRandom(seed: 2)
    func pick<T>(_ values: [T]) -> T { values[random.below(values.count)] }
    for number in 0..<200 {
      let job = Job(
        id: "job\(number)", feature: pick(Self.texts), app: pick(Self.texts),
        user: pick([nil] + Self.texts.map { $0 }),
        request: (0..<random.below(300)).map { _ in UInt8(random.below(256)) },
        createdAt: pick(Self.times), expiresAt: pick(Self.times))
      _ = try await store.add(job, nil)
      #expect(try await store.job(job.id) == job)
    }
    await store.close()
  }

  @Test func `a limit of a token that cannot be read lets it do nothing`() async throws {
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    try await store.insert(
      TokenRecord(
        id: "a", name: "a", secretHash: [UInt8](repeating: 1, count: 32), scopes: [.evaluate],
        features: ["x"], createdAt: Samples.start, expiresAt: nil))
    await store.close()
    directory.release()
    let file = try Connection(path: "\(folder.path)/rollout.db", durability: .normal)
    try file.execute("UPDATE token SET features_json = '[\"x\"'")
    file.close()
    let again = try Store(DataDirectory(folder.path), now: Samples.start)
    #expect(try await again.loadTokens().first?.features == [])
    await again.close()
  }

  @Test func `the audit is read back as it was written, whatever is in it`() async throws {
    let store = try Store(DataDirectory(folder.path), now: Samples.start)
    var random = SeededRandom(seed: 3)
    func pick<T>(_ values: [T]) -> T { values[random.below(values.count)] }
    for number in 0..<200 {
      // Each alone: what is alike is folded, which the contract asks for.
      var record = AuditRecord(
        pick(AuditRecord.Kind.allCases),
        by: pick([.token(pick(Self.texts)), .server, .anonymous, .unknown("robot:r2")]),
        target: "\(number) \(pick(Self.texts))", reason: pick(Self.texts),
        details: pick([nil, .object(["a": .string(pick(Self.texts))]), .array([])]),
        at: pick(Self.times))
      record.users = pick([0, 1, 4_000_000])
      record.count = pick([1, 7])
      try await store.keep([record])
      let read = try #require(
        try await store.audit(
          AuditQuery(before: nil, since: nil, type: nil, actor: nil, limit: 1)
        ).first)
      record.id = read.id
      #expect(read == record)
      #expect(!read.sentence.isEmpty)
    }
    await store.close()
  }

  @Test func `what another edition noted is shown as it is written, and says nothing of who may`()
    async throws
  {
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    try await store.keep([
      AuditRecord(
        .tokenCreated, by: .token("a"), target: "shop",
        details: .object(["scopes": .array([.string("view")])]), at: Samples.start)
    ])
    await store.close()
    directory.release()
    try spoil(
      "rollout.db",
      """
      UPDATE audit SET type = 'moon_moved', actor = 'robot:r2', details_json = '{"a":',
        repeat_count = 9223372036854775807, users = 9223372036854775807
      """)
    let again = try Store(DataDirectory(folder.path), now: Samples.start)
    let query = AuditQuery(before: nil, since: nil, type: nil, actor: nil, limit: 9)
    let read = try #require(try await again.audit(query).first)
    #expect(read.kind == nil)
    #expect(read.sentence == "moon_moved shop")
    #expect(read.actor == .unknown("robot:r2"))
    #expect(read.details?.string == "{\"a\":")
    // More of the same ends nothing.
    var same = read
    same.merge(read)
    #expect(same.count == .max)
    await again.close()
  }

  /// Does something to a file of which nobody has it open.
  private func spoil(_ file: String, _ sql: String) throws {
    let connection = try Connection(path: "\(folder.path)/\(file)", durability: .normal)
    try connection.execute(sql)
    connection.close()
  }

  @Test func `an actor that is not known is no person, and is shown as it is written`()
    async throws
  {
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    let created = Lifecycle.create(PlanDefinition(feature: "a"), Samples.context())
    _ = try await store.commit(created, answer: nil)
    await store.close()
    directory.release()
    try spoil(
      "rollout.db",
      """
      DROP TRIGGER plan_event_is_append_only_update;
      UPDATE plan_event SET actor = 'robot:r2', evidence_json = '{"a":'
      """)
    let again = try Store(DataDirectory(folder.path), now: Samples.start)
    let event = try #require(
      try await again.events(feature: "a", before: nil, limit: 1).first?.event)
    #expect(event.actor == .unknown("robot:r2"))
    #expect(!event.actor.isPerson)
    #expect(event.actor.text == "robot:r2")
    // What people are to see of it is not hidden from them.
    #expect(event.evidence?.string == "{\"a\":")
    await again.close()
  }

  @Test func `a plan without its place cannot be read, and serves nobody`() async throws {
    let members = ["status", "stage_index", "version"]
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    for member in members {
      let created = Lifecycle.create(PlanDefinition(feature: member), Samples.context())
      _ = try await store.commit(created, answer: nil)
    }
    await store.close()
    directory.release()
    try spoil("rollout.db", "DROP TRIGGER plan_version_is_append_only_update")
    for member in members {
      try spoil(
        "rollout.db",
        """
        UPDATE plan_version SET body_json = json_remove(body_json, '$.\(member)')
        WHERE feature = '\(member)'
        """)
    }
    let again = try Store(DataDirectory(folder.path), now: Samples.start)
    let loaded = try await again.loadPlans()
    #expect(loaded.readable.isEmpty)
    #expect(Set(loaded.unreadable.map(\.feature)) == Set(members))
    await again.close()
  }

  @Test func `a file with a job of unknown status is refused`() async throws {
    let store = try JobDatabase(DataDirectory(folder.path), now: Samples.start)
    _ = try await store.add(
      Job(
        id: "a", feature: "f", app: "app", user: nil, request: [1], createdAt: Samples.start,
        expiresAt: Samples.start + .hours(1)), nil)
    await store.close()
    try spoil(
      "jobs.db",
      """
      PRAGMA ignore_check_constraints = 1;
      UPDATE job SET status = 'paused'
      """)
    #expect(throws: StoreError.self) {
      try JobDatabase(DataDirectory(folder.path), now: Samples.start)
    }
  }
}
