package import RolloutCore

/// A job store in memory. It keeps the promises of `JobStore` except durability.
package actor MemoryJobStore: JobStore {
  private struct Kept {
    var job: Job
    var leaseUntil: Instant?
  }

  private struct Key: Hashable {
    var app: String
    var feature: String
    var key: String
  }

  private var jobs: [String: Kept] = [:]
  private var keys: [Key: (hash: [UInt8], job: String)] = [:]

  package init() {}

  package func add(_ job: Job, _ key: IdempotencyKey?) throws -> JobAddition {
    if let key {
      let name = Key(app: job.app, feature: job.feature, key: key.key)
      if let known = keys[name], let kept = jobs[known.job] {
        return known.hash == key.requestHash ? .known(kept.job) : .keyReused
      }
      keys[name] = (key.requestHash, job.id)
    }
    guard jobs[job.id] == nil else { throw StoreError.alreadyExists("That job") }
    jobs[job.id] = Kept(job: job)
    return .added
  }

  package func job(_ id: String) -> Job? { jobs[id]?.job }

  package func claim(_ id: String, at now: Instant, leaseUntil: Instant) -> Job? {
    guard var kept = jobs[id], kept.job.status == .queued, kept.job.expiresAt > now else {
      return nil
    }
    kept.job.status = .processing
    kept.job.attempts += 1
    kept.job.startedAt = kept.job.startedAt ?? now
    kept.leaseUntil = leaseUntil
    jobs[id] = kept
    return kept.job
  }

  package func renew(_ id: String, leaseUntil: Instant) {
    if jobs[id]?.job.status == .processing { jobs[id]?.leaseUntil = leaseUntil }
  }

  package func release(_ id: String) {
    guard var kept = jobs[id], kept.job.status == .processing else { return }
    kept.job.status = .queued
    kept.job.attempts = max(0, kept.job.attempts - 1)
    kept.leaseUntil = nil
    jobs[id] = kept
  }

  package func finish(
    _ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant
  ) -> Job? {
    guard let kept = jobs[id] else { return nil }
    if !kept.job.status.isFinal { end(id, status, result: result, at: now) }
    return jobs[id]?.job
  }

  private func end(_ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant) {
    jobs[id]?.job.status = status
    jobs[id]?.job.result = result
    jobs[id]?.job.finishedAt = now
    jobs[id]?.job.request = []
    jobs[id]?.job.size = 0
    jobs[id]?.leaseUntil = nil
  }

  package func sweep(at now: Instant, attemptsMax: Int, keepFor: TimeSpan) -> [Job] {
    var again: [Job] = []
    for (id, kept) in jobs {
      switch kept.job.status {
      case .queued where kept.job.expiresAt <= now: end(id, .expired, result: nil, at: now)
      case .processing where kept.leaseUntil.map({ $0 <= now }) ?? false:
        if kept.job.attempts >= attemptsMax {
          end(id, .failed, result: Job.interrupted, at: now)
        } else {
          jobs[id]?.job.status = .queued
          jobs[id]?.leaseUntil = nil
          again += [jobs[id]?.job].compactMap(\.self)
        }
      case .queued, .processing, .succeeded, .failed, .expired, .cancelled: continue
      }
    }
    jobs = jobs.filter { $0.value.job.finishedAt.map { $0 + keepFor > now } ?? true }
    keys = keys.filter { jobs[$0.value.job] != nil }
    return again
  }

  package func queued() -> [Job] {
    jobs.values.map(\.job).filter { $0.status == .queued }
      .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
      .map { job in
        var job = job
        job.request = []
        return job
      }
  }

  package func endLeases() {
    for (id, kept) in jobs where kept.job.status == .processing {
      jobs[id]?.leaseUntil = Instant(milliseconds: 0)
    }
  }

  package func counts() -> [Job.Status: Int] {
    Dictionary(grouping: jobs.values, by: \.job.status).mapValues(\.count)
  }
}
