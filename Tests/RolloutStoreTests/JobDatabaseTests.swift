import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@Suite struct JobDatabaseTests {
  private let folder = TemporaryFolder()
  private let now = Samples.start

  private func open() throws -> (JobDatabase, DataDirectory) {
    let directory = try DataDirectory(folder.path)
    return (try JobDatabase(directory, now: now), directory)
  }

  private func job(_ id: String, expiresIn: TimeSpan = .hours(1)) -> Job {
    Job(
      id: id, feature: "f", app: "app", user: "anna", request: Array("secret prompt".utf8),
      createdAt: now, expiresAt: now + expiresIn)
  }

  @Test func `a job goes from queued to claimed to final, and a final one never changes`()
    async throws
  {
    let (store, _) = try open()
    #expect(try await store.add(job("a"), nil) == .added)
    #expect(try await store.queued().map(\.id) == ["a"])
    let claimed = try #require(
      try await store.claim("a", at: now, leaseUntil: now + .minutes(1)))
    #expect(claimed.status == .processing && claimed.attempts == 1 && claimed.startedAt == now)
    #expect(try await store.claim("a", at: now, leaseUntil: now + .minutes(1)) == nil)
    #expect(try await store.queued().isEmpty)
    let done = try #require(
      try await store.finish("a", .succeeded, result: [1, 2], at: now + .seconds(3)))
    #expect(done.status == .succeeded && done.result == [1, 2])
    #expect(done.request.isEmpty)
    #expect(try await store.finish("a", .cancelled, result: nil, at: now)?.status == .succeeded)
    try await store.release("a")
    #expect(try await store.job("a") == done)
    #expect(try await store.finish("nope", .cancelled, result: nil, at: now) == nil)
    #expect(try await store.counts() == [.succeeded: 1])
    await store.close()
  }

  @Test func `a lost lease puts a job back once, then it fails`() async throws {
    let (store, _) = try open()
    _ = try await store.add(job("a"), nil)
    for attempt in 1...2 {
      _ = try await store.claim("a", at: now, leaseUntil: now + .minutes(1))
      try await store.renew("a", leaseUntil: now + .minutes(2))
      let early = try await store.sweep(
        at: now + .minutes(1), attemptsMax: 2, keepFor: .days(1))
      #expect(early.isEmpty)
      let back = try await store.sweep(at: now + .minutes(2), attemptsMax: 2, keepFor: .days(1))
      #expect(back.map(\.id) == (attempt == 1 ? ["a"] : []))
    }
    let failed = try #require(try await store.job("a"))
    #expect(failed.status == .failed && failed.attempts == 2 && failed.request.isEmpty)
    #expect(String(decoding: failed.result ?? [], as: UTF8.self).contains("interrupted"))
    await store.close()
  }

  @Test func `what could not begin counts as no attempt`() async throws {
    let (store, _) = try open()
    _ = try await store.add(job("a"), nil)
    for _ in 0..<5 {
      _ = try await store.claim("a", at: now, leaseUntil: now + .minutes(1))
      try await store.release("a")
    }
    #expect(try await store.job("a")?.attempts == 0)
    await store.close()
  }

  @Test func `queued jobs expire, and final ones are forgotten in time`() async throws {
    let (store, _) = try open()
    _ = try await store.add(job("a"), IdempotencyKey(key: "k", requestHash: [1]))
    let later = now + .hours(1)
    #expect(try await store.claim("a", at: later, leaseUntil: later + .minutes(1)) == nil)
    _ = try await store.sweep(at: later, attemptsMax: 2, keepFor: .days(1))
    #expect(try await store.job("a")?.status == .expired)
    _ = try await store.sweep(at: later + .days(1), attemptsMax: 2, keepFor: .days(1))
    #expect(try await store.job("a") == nil)
    // With the job its key is free again.
    let key = IdempotencyKey(key: "k", requestHash: [2])
    #expect(try await store.add(job("b"), key) == .added)
    await store.close()
  }

  @Test func `one key makes one job, of one token and feature`() async throws {
    let (store, _) = try open()
    let key = IdempotencyKey(key: "k", requestHash: [1])
    #expect(try await store.add(job("a"), key) == .added)
    guard case .known(let known) = try await store.add(job("b"), key) else {
      Issue.record("it was added twice")
      return
    }
    #expect(known.id == "a")
    let other = IdempotencyKey(key: "k", requestHash: [2])
    #expect(try await store.add(job("c"), other) == .keyReused)
    var foreign = job("d")
    foreign.app = "other app"
    #expect(try await store.add(foreign, other) == .added)
    await store.close()
  }

  @Test func `jobs survive the process, and its leases end with it`() async throws {
    let (first, directory) = try open()
    for id in ["a", "b"] { _ = try await first.add(job(id), nil) }
    _ = try await first.claim("a", at: now, leaseUntil: now + .hours(1))
    await first.close()
    let again = try JobDatabase(directory, now: now)
    try await again.endLeases()
    #expect(try await again.sweep(at: now, attemptsMax: 2, keepFor: .days(1)).map(\.id) == ["a"])
    #expect(try await again.queued().map(\.id) == ["a", "b"])
    await again.close()
  }

  @Test func `the prompt of a final job is not in the file any more`() async throws {
    let (store, directory) = try open()
    _ = try await store.add(job("a"), nil)
    _ = try await store.finish("a", .cancelled, result: nil, at: now)
    await store.close()
    let again = try JobDatabase(directory, now: now)
    await again.close()
    let bytes = folder.read("jobs.db")
    #expect(!bytes.isEmpty)
    #expect(!String(decoding: bytes, as: UTF8.self).contains("secret prompt"))
  }
}
