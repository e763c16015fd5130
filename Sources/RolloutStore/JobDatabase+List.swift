import DocumentKit
package import RolloutCore

extension JobDatabase: JobList {
  package func jobs(
    app: String?, features: Set<String>?, status: Job.Status?, skipping: Int, limit: Int
  ) async throws -> [Job] {
    let features = features.map { names in
      SQLValue.text(Document.array(names.sorted().map { .string($0) }).jsonText)
    }
    return try await database.readAside { connection in
      try connection.query(
        """
        SELECT id, feature, app, status, attempts, created_at_ms, started_at_ms, finished_at_ms,
          expires_at_ms
        FROM job
        WHERE (:app IS NULL OR app = :app) AND (:status IS NULL OR status = :status)
          AND (:features IS NULL OR feature IN (SELECT value FROM json_each(:features)))
        ORDER BY created_at_ms DESC, id
        LIMIT :limit OFFSET :skipping
        """,
        [
          "app": SQLValue(app), "status": SQLValue(status?.rawValue), "features": features ?? .null,
          "limit": SQLValue(limit), "skipping": SQLValue(skipping),
        ]
      ) { row -> Job? in
        // What its status is nobody can say: it is none to be shown among the others.
        guard let status = Job.Status(rawValue: row.text(3)) else { return nil }
        var job = Job(
          id: row.text(0), feature: row.text(1), app: row.text(2), user: nil, request: [],
          createdAt: row.instant(5), expiresAt: row.instant(8))
        job.status = status
        job.attempts = row.int(4)
        job.startedAt = row.optionalInstant(6)
        job.finishedAt = row.optionalInstant(7)
        return job
      }.compactMap(\.self)
    }
  }
}
