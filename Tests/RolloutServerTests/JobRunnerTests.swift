import RolloutCore
import RolloutTesting
import Synchronization
import Testing

@testable import RolloutServer

@Suite struct JobRunnerTests {
  private let clock = ManualClock()

  @Test func `a job that gets free while its turn comes to nothing has another turn`() async throws
  {
    let store = LateStore()
    let job = Job(
      id: "job_1", feature: "f", app: "a", user: nil, request: [1], createdAt: clock.steady,
      expiresAt: clock.steady + .hours(2))
    _ = try await store.add(job, nil)
    // Somebody has it, of whom nothing is heard any more.
    _ = await store.jobs.claim("job_1", at: clock.steady, leaseUntil: clock.steady)
    let runner = JobRunner(
      store: store, settings: Current(ServerConfiguration()), clock: clock,
      log: Log(clock: clock, isSilent: true)
    ) { _ in .done(.succeeded, []) }
    store.meanwhile { [clock] in
      for job in await store.jobs.sweep(at: clock.steady, attemptsMax: 2, keepFor: .hours(1)) {
        runner.enqueue(job)
      }
    }
    runner.enqueue(job)
    for _ in 0..<200 where await store.jobs.job("job_1")?.status != .succeeded {
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(await store.jobs.job("job_1")?.status == .succeeded)
    await runner.stop()
  }
}

/// Jobs in memory. The first who is refused one hears of it late.
private final class LateStore: JobStore {
  let jobs = MemoryJobStore()
  private let work = Mutex<(@Sendable () async -> Void)?>(nil)

  /// What happens between the first refusal and its answer.
  func meanwhile(_ happens: @escaping @Sendable () async -> Void) {
    work.withLock { $0 = happens }
  }

  func claim(_ id: String, at now: Instant, leaseUntil: Instant) async throws -> Job? {
    let job = await jobs.claim(id, at: now, leaseUntil: leaseUntil)
    guard job == nil else { return job }
    let happens = work.withLock { work in
      defer { work = nil }
      return work
    }
    await happens?()
    return nil
  }

  func add(_ job: Job, _ key: IdempotencyKey?) async throws -> JobAddition {
    try await jobs.add(job, key)
  }
  func job(_ id: String) async throws -> Job? { await jobs.job(id) }
  func renew(_ id: String, leaseUntil: Instant) async throws {
    await jobs.renew(id, leaseUntil: leaseUntil)
  }
  func release(_ id: String) async throws { await jobs.release(id) }
  func finish(
    _ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant
  ) async throws -> Job? { await jobs.finish(id, status, result: result, at: now) }
  func sweep(at now: Instant, attemptsMax: Int, keepFor: TimeSpan) async throws -> [Job] {
    await jobs.sweep(at: now, attemptsMax: attemptsMax, keepFor: keepFor)
  }
  func queued() async throws -> [Job] { await jobs.queued() }
  func endLeases() async throws { await jobs.endLeases() }
  func counts() async throws -> [Job.Status: Int] { await jobs.counts() }
}
