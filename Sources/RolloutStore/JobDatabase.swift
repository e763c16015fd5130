package import RolloutCore
import Synchronization

/// The jobs, `<data>/jobs.db`. A file of its own: prompts lie in it until they are answered, so
/// what is deleted is overwritten; and large requests never stand in the way of a plan change.
package final class JobDatabase: JobStore {
  let database: Database
  /// Whether a prompt was overwritten in the file and may still lie in its write-ahead log.
  private let hasErased = Atomic<Bool>(false)

  package init(_ directory: DataDirectory, now: Instant) throws {
    database = try Database(
      directory, DataDirectory.jobsFile, durability: .full, erasesDeleted: true,
      migrations: Migration.jobs, now: now)
  }

  /// Why nothing can be written now, in words; nil when all is well.
  package var trouble: String? { database.trouble }

  /// Writes nothing, durably: whether writing works again. Throws `StoreError`.
  package func probe() async throws { try await database.probe() }

  private static let columns = """
    id, feature, app, user_id, request, status, attempts, created_at_ms, started_at_ms,
    finished_at_ms, expires_at_ms, result, length(request)
    """

  private static func job(_ row: Row) throws -> Job {
    guard let status = Job.Status(rawValue: row.text(5)) else {
      throw StoreError.corrupt("job \(row.text(0)) has an unknown status")
    }
    var job = Job(
      id: row.text(0), feature: row.text(1), app: row.text(2), user: row.optionalText(3),
      request: row.blob(4), createdAt: row.instant(7), expiresAt: row.instant(10))
    job.status = status
    job.attempts = row.int(6)
    job.startedAt = row.optionalInstant(8)
    job.finishedAt = row.optionalInstant(9)
    job.result = row.isNull(11) ? nil : row.blob(11)
    job.size = row.int(12)
    return job
  }

  private static func find(_ id: String, _ connection: Connection) throws -> Job? {
    try connection.query(
      "SELECT \(columns) FROM job WHERE id = :id", ["id": .text(id)], job
    ).first
  }

  // MARK: JobStore

  package func add(_ job: Job, _ key: IdempotencyKey?) async throws -> JobAddition {
    try await database.write { connection in
      if let key, let known = try Self.known(key, job, connection) { return known }
      try connection.run(
        """
        INSERT INTO job (
          id, feature, app, user_id, request, status, created_at_ms, expires_at_ms
        ) VALUES (:id, :feature, :app, :user, :request, 'queued', :created, :expires)
        """,
        [
          "id": .text(job.id), "feature": .text(job.feature), "app": .text(job.app),
          "user": SQLValue(job.user), "request": .blob(job.request),
          "created": SQLValue(job.createdAt), "expires": SQLValue(job.expiresAt),
        ])
      if let key {
        try connection.run(
          """
          INSERT INTO job_key (app, feature, key, request_hash, job)
          VALUES (:app, :feature, :key, :hash, :job)
          """,
          [
            "app": .text(job.app), "feature": .text(job.feature), "key": .text(key.key),
            "hash": .blob(key.requestHash), "job": .text(job.id),
          ])
      }
      return .added
    }
  }

  private static func known(
    _ key: IdempotencyKey, _ job: Job, _ connection: Connection
  ) throws -> JobAddition? {
    let found = try connection.query(
      """
      SELECT request_hash, job
      FROM job_key
      WHERE app = :app AND feature = :feature AND key = :key
      """,
      ["app": .text(job.app), "feature": .text(job.feature), "key": .text(key.key)]
    ) { (hash: $0.blob(0), id: $0.text(1)) }.first
    guard let found, let known = try find(found.id, connection) else { return nil }
    return found.hash == key.requestHash ? .known(known) : .keyReused
  }

  package func job(_ id: String) async throws -> Job? {
    try await database.read { connection in try Self.find(id, connection) }
  }

  package func claim(
    _ id: String, at now: Instant, leaseUntil: Instant
  ) async throws -> Job? {
    try await database.write { connection in
      let changed = try connection.run(
        """
        UPDATE job
        SET status = 'processing', attempts = attempts + 1, lease_until_ms = :lease,
          started_at_ms = coalesce(started_at_ms, :now)
        WHERE id = :id AND status = 'queued' AND expires_at_ms > :now
        """, ["id": .text(id), "now": SQLValue(now), "lease": SQLValue(leaseUntil)])
      return changed == 1 ? try Self.find(id, connection) : nil
    }
  }

  package func renew(_ id: String, leaseUntil: Instant) async throws {
    _ = try await database.write { connection in
      try connection.run(
        "UPDATE job SET lease_until_ms = :lease WHERE id = :id AND status = 'processing'",
        ["id": .text(id), "lease": SQLValue(leaseUntil)])
    }
  }

  package func release(_ id: String) async throws {
    _ = try await database.write { connection in
      try connection.run(
        """
        UPDATE job SET status = 'queued', lease_until_ms = NULL, attempts = max(0, attempts - 1)
        WHERE id = :id AND status = 'processing'
        """, ["id": .text(id)])
    }
  }

  package func finish(
    _ id: String, _ status: Job.Status, result: [UInt8]?, at now: Instant
  ) async throws -> Job? {
    defer { hasErased.store(true, ordering: .relaxed) }
    return try await database.write { connection in
      try connection.run(
        """
        UPDATE job
        SET status = :status, result = :result, finished_at_ms = :now, lease_until_ms = NULL,
          request = x''
        WHERE id = :id AND status IN ('queued', 'processing')
        """,
        [
          "id": .text(id), "status": .text(status.rawValue), "now": SQLValue(now),
          "result": result.map { .blob($0) } ?? .null,
        ])
      return try Self.find(id, connection)
    }
  }

  package func sweep(
    at now: Instant, attemptsMax: Int, keepFor: TimeSpan
  ) async throws -> [Job] {
    let again = try await database.write { connection in
      try connection.run(
        """
        UPDATE job
        SET status = :expired, finished_at_ms = :now, request = x''
        WHERE status = 'queued' AND expires_at_ms <= :now
        """, ["now": SQLValue(now), "expired": .text(Job.Status.expired.rawValue)])
      try connection.run(
        """
        UPDATE job
        SET status = 'failed', finished_at_ms = :now, lease_until_ms = NULL, request = x'',
          result = :why
        WHERE status = 'processing' AND lease_until_ms <= :now AND attempts >= :max
        """,
        [
          "now": SQLValue(now), "max": SQLValue(attemptsMax),
          "why": .blob(Job.interrupted),
        ])
      let again = try connection.query(
        """
        UPDATE job
        SET status = 'queued', lease_until_ms = NULL
        WHERE status = 'processing' AND lease_until_ms <= :now
        RETURNING \(Self.columns)
        """, ["now": SQLValue(now)], Self.job)
      try connection.run(
        "DELETE FROM job WHERE finished_at_ms <= :oldest",
        ["oldest": .int(now.milliseconds &- keepFor.milliseconds)])
      return again
    }
    if hasErased.exchange(false, ordering: .relaxed) {
      try await database.read { try $0.execute("PRAGMA wal_checkpoint(TRUNCATE)") }
    }
    return again
  }

  package func queued() async throws -> [Job] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT id, feature, app, user_id, x'', status, attempts, created_at_ms, started_at_ms,
          finished_at_ms, expires_at_ms, result, length(request)
        FROM job
        WHERE status = 'queued'
        ORDER BY created_at_ms, id
        """, [:], Self.job)
    }
  }

  package func endLeases() async throws {
    _ = try await database.write { connection in
      try connection.run("UPDATE job SET lease_until_ms = 0 WHERE status = 'processing'")
    }
  }

  package func counts() async throws -> [Job.Status: Int] {
    let rows = try await database.read { connection in
      try connection.query("SELECT status, count(*) FROM job GROUP BY status") {
        (Job.Status(rawValue: $0.text(0)), $0.int(1))
      }
    }
    var counts: [Job.Status: Int] = [:]
    for case (let status?, let count) in rows { counts[status] = count }
    return counts
  }

  package func close() async { await database.close() }
}
