import RolloutCore
import Synchronization

/// Jobs on a disk that outlives its process.
final class SimulatedJobDisk: Sendable {
  struct Content: Sendable {
    var jobs: [String: Job] = [:]
    var leases: [String: Instant] = [:]
    /// What broke a promise, in words.
    var violations: [String] = []
  }

  private let content = Mutex(Content())

  func with<T: Sendable>(_ body: (inout Content) -> T) -> T { content.withLock { body(&$0) } }
  var current: Content { content.withLock { $0 } }
}

/// One process's connection to it; dead after a crash.
final class SimulatedJobStore: JobStore, Sendable {
  private let disk: SimulatedJobDisk
  private let state = Mutex((dead: false, failing: false))

  init(_ disk: SimulatedJobDisk) { self.disk = disk }

  func crash() { state.withLock { $0.dead = true } }
  func setFailing(_ failing: Bool) { state.withLock { $0.failing = failing } }

  private func perform<T: Sendable>(
    _ body: @Sendable (inout SimulatedJobDisk.Content) -> T
  ) async throws -> T {
    await Task.yield()
    guard state.withLock({ !$0.dead && !$0.failing }) else {
      throw StoreError.unavailable("simulated")
    }
    let result = disk.with { body(&$0) }
    await Task.yield()
    if state.withLock({ $0.dead }) { throw StoreError.unavailable("simulated crash") }
    return result
  }

  func add(_ job: Job, _ key: IdempotencyKey?) async throws -> JobAddition {
    try await perform { content in
      content.jobs[job.id] = job
      return .added
    }
  }

  func job(_ id: String) async throws -> Job? { try await perform { $0.jobs[id] } }

  func claim(_ id: String, at now: Instant, leaseUntil: Instant) async throws -> Job? {
    try await perform { content in
      guard var job = content.jobs[id], job.status == .queued, job.expiresAt > now else {
        return nil
      }
      if let lease = content.leases[id], lease > now {
        content.violations.append("\(id) was claimed under a lease of somebody else's")
      }
      job.status = .processing
      job.attempts += 1
      job.startedAt = now
      content.jobs[id] = job
      content.leases[id] = leaseUntil
      return job
    }
  }

  func renew(_ id: String, leaseUntil: Instant) async throws {
    try await perform { content in
      if content.jobs[id]?.status == .processing { content.leases[id] = leaseUntil }
    }
  }

  func release(_ id: String) async throws {
    try await perform { content in
      guard content.jobs[id]?.status == .processing else { return }
      content.jobs[id]?.status = .queued
      content.jobs[id]?.attempts -= 1
      content.leases[id] = nil
    }
  }

  func finish(
    _ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant
  ) async throws -> Job? {
    try await perform { content in
      guard var job = content.jobs[id] else { return nil }
      guard !job.status.isFinal else { return job }
      job.status = status
      job.result = result
      job.finishedAt = now
      content.jobs[id] = job
      content.leases[id] = nil
      return job
    }
  }

  func sweep(at now: Instant, attemptsMax: Int, keepFor: TimeSpan) async throws -> [Job] {
    try await perform { content in
      var again: [Job] = []
      for (id, job) in content.jobs.sorted(by: { $0.key < $1.key }) {
        if job.status == .queued, job.expiresAt <= now {
          content.jobs[id]?.status = .expired
        } else if job.status == .processing, let lease = content.leases[id], lease <= now {
          content.leases[id] = nil
          content.jobs[id]?.status = job.attempts >= attemptsMax ? .failed : .queued
          if job.attempts < attemptsMax { again.append(job) }
        }
      }
      return again
    }
  }

  func queued() async throws -> [Job] {
    try await perform { content in
      content.jobs.values.filter { $0.status == .queued }
        .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }
  }

  func endLeases() async throws {
    try await perform { content in
      for id in content.leases.keys { content.leases[id] = Instant(milliseconds: 0) }
    }
  }

  func counts() async throws -> [Job.Status: Int] { [:] }
}
