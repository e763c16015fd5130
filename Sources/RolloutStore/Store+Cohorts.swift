package import RolloutCore

extension Store: CohortStore {
  package func loadCohorts() async throws -> [String: ByteSet] {
    try await database.read { connection in
      var cohorts: [String: ByteSet] = [:]
      _ = try connection.query("SELECT cohort, user FROM cohort_member") { row in
        cohorts[row.text(0), default: ByteSet()].insert(row.text(1))
      }
      return cohorts
    }
  }

  package func add(_ users: [String], to cohort: String, at now: Instant) async throws {
    try await database.write { connection in
      for user in users {
        try connection.run(
          """
          INSERT INTO cohort_member (cohort, user, added_at_ms) VALUES (:cohort, :user, :at)
          ON CONFLICT DO NOTHING
          """,
          ["cohort": .text(cohort), "user": .text(user), "at": SQLValue(now)])
      }
    }
  }

  package func remove(_ user: String, from cohort: String) async throws {
    try await database.write { connection in
      _ = try connection.run(
        "DELETE FROM cohort_member WHERE cohort = :cohort AND user = :user",
        ["cohort": .text(cohort), "user": .text(user)])
    }
  }

  package func members(
    of cohort: String, after: String?, limit: Int
  ) async throws -> [String] {
    try await database.read { connection in
      try connection.query(
        """
        SELECT user FROM cohort_member
        WHERE cohort = :cohort AND user > :after
        ORDER BY user
        LIMIT :limit
        """,
        ["cohort": .text(cohort), "after": .text(after ?? ""), "limit": SQLValue(limit)]
      ) { $0.text(0) }
    }
  }
}
