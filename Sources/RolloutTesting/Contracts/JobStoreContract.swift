package import RolloutCore

/// What every store of jobs must do.
package enum JobStoreContract {
  private static let now = Samples.start

  /// The promises that `store` breaks; it must be empty and working.
  package static func broken(by store: some JobStore) async throws -> [String] {
    var promises = Promises()
    try await life(store, &promises)
    try await leases(store, &promises)
    try await keys(store, &promises)
    return promises.broken
  }

  private static func job(_ id: String, expiresIn: TimeSpan = .hours(1)) -> Job {
    Job(
      id: id, feature: "f", app: "app", user: "anna", request: Array("a prompt".utf8),
      createdAt: now, expiresAt: now + expiresIn)
  }

  private static func life(_ store: some JobStore, _ promises: inout Promises) async throws {
    promises.keep(try await store.add(job("a"), nil) == .added, "a job is taken in")
    promises.keep(try await store.job("a") == job("a"), "it is kept as it was given")
    promises.keep(try await store.job("nobody") == nil, "a job that is not there is none")
    let waiting = try await store.queued()
    promises.keep(
      waiting.map(\.id) == ["a"] && waiting.first?.request.isEmpty == true
        && waiting.first?.size == job("a").size,
      "what waits is listed with its size, and without its prompt")
    let claimed = try await store.claim("a", at: now, leaseUntil: now + .minutes(1))
    promises.keep(
      claimed?.status == .processing && claimed?.attempts == 1 && claimed?.startedAt == now,
      "a claim begins it")
    let second = try await store.claim("a", at: now, leaseUntil: now + .minutes(1))
    promises.keep(second == nil, "one worker has it at a time")
    try await store.release("a")
    promises.keep(
      try await store.job("a")?.attempts == 0, "what could not begin counts as no attempt")
    let done = try await store.finish("a", .succeeded, result: [1, 2], at: now + .seconds(3))
    promises.keep(
      done?.status == .succeeded && done?.result == [1, 2] && done?.request.isEmpty == true,
      "a job that is done has its answer, and its prompt no more")
    let late = try await store.finish("a", .cancelled, result: nil, at: now + .seconds(4))
    promises.keep(late == done, "a final job never changes")
    promises.keep(
      try await store.finish("nobody", .cancelled, result: nil, at: now) == nil,
      "what is not there cannot be ended")
    promises.keep(try await store.counts() == [.succeeded: 1], "jobs are counted by status")
  }

  private static func leases(_ store: some JobStore, _ promises: inout Promises) async throws {
    _ = try await store.add(job("b"), nil)
    for attempt in 1...2 {
      _ = try await store.claim("b", at: now, leaseUntil: now + .minutes(1))
      try await store.renew("b", leaseUntil: now + .minutes(2))
      let early = try await store.sweep(at: now + .minutes(1), attemptsMax: 2, keepFor: .days(1))
      promises.keep(early.isEmpty, "a lease that was renewed lasts")
      let back = try await store.sweep(at: now + .minutes(2), attemptsMax: 2, keepFor: .days(1))
      promises.keep(
        back.map(\.id) == (attempt == 1 ? ["b"] : []), "a lost lease puts a job back, once")
    }
    let failed = try await store.job("b")
    promises.keep(
      failed?.status == .failed && failed?.result == Job.interrupted
        && failed?.request.isEmpty == true,
      "after its attempts it fails, and says that it was interrupted")
    _ = try await store.add(job("c"), nil)
    _ = try await store.claim("c", at: now, leaseUntil: now + .hours(9))
    try await store.endLeases()
    let back = try await store.sweep(at: now, attemptsMax: 2, keepFor: .days(1))
    promises.keep(back.map(\.id) == ["c"], "the leases of a process that is gone end")
  }

  private static func keys(_ store: some JobStore, _ promises: inout Promises) async throws {
    let key = IdempotencyKey(key: "k", requestHash: [1])
    _ = try await store.add(job("d"), key)
    promises.keep(
      try await store.add(job("e"), key) == .known(job("d")), "the same request makes one job")
    let other = IdempotencyKey(key: "k", requestHash: [2])
    promises.keep(
      try await store.add(job("e"), other) == .keyReused, "a key is one request's")
    let later = now + .hours(1)
    promises.keep(
      try await store.claim("d", at: later, leaseUntil: later + .minutes(1)) == nil,
      "what has expired does not begin")
    _ = try await store.sweep(at: later, attemptsMax: 2, keepFor: .days(1))
    promises.keep(try await store.job("d")?.status == .expired, "what waited too long expires")
    _ = try await store.sweep(at: later + .days(1), attemptsMax: 2, keepFor: .days(1))
    promises.keep(try await store.job("d") == nil, "final jobs are forgotten in time")
    promises.keep(
      try await store.add(job("f"), other) == .added, "with the job its key is free again")
  }
}
