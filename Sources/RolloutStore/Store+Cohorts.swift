import DocumentKit
package import RolloutCore
package import RolloutEvaluation

extension Store: CohortStore {
  private static let membersPerStatement = 5000

  package func loadCohorts() async throws -> [String: ByteSet] {
    try await database.read { connection in
      var cohorts: [String: ByteSet] = [:]
      _ = try connection.query("SELECT cohort, user FROM cohort_member") { row in
        cohorts[row.text(0), default: ByteSet()].insert(row.text(1))
      }
      return cohorts
    }
  }

  package func add(
    _ users: [String], to cohort: String, at now: Instant, noting entry: AuditRecord?
  ) async throws {
    try await database.write { connection in
      var count = 0
      // SQLite's JSON ends a text at its first NUL, which an id may hold.
      for user in users where user.utf8.contains(0) {
        count += try connection.run(
          """
          INSERT INTO cohort_member (cohort, user, added_at_ms) VALUES (:cohort, :user, :at)
          ON CONFLICT DO NOTHING
          """,
          ["cohort": .text(cohort), "user": .text(user), "at": SQLValue(now)])
      }
      // Thousands in one statement: long lists must not keep other writers waiting.
      let users = users.filter { !$0.utf8.contains(0) }
      for start in stride(from: 0, to: users.count, by: Self.membersPerStatement) {
        let part = users[start..<min(users.count, start + Self.membersPerStatement)]
        let list = Document.array(part.map { .string($0) }).jsonText
        count += try connection.run(
          """
          INSERT INTO cohort_member (cohort, user, added_at_ms)
          SELECT :cohort, value, :at FROM json_each(:users) WHERE true
          ON CONFLICT DO NOTHING
          """,
          ["cohort": .text(cohort), "users": .text(list), "at": SQLValue(now)])
      }
      try Self.keep(entry, users: count, connection)
    }
  }

  package func remove(
    _ user: String, from cohort: String, noting entry: AuditRecord?
  ) async throws {
    try await database.write { connection in
      let count = try connection.run(
        "DELETE FROM cohort_member WHERE cohort = :cohort AND user = :user",
        ["cohort": .text(cohort), "user": .text(user)])
      try Self.keep(entry, users: count, connection)
    }
  }

  package func removeAll(from cohort: String, noting entry: AuditRecord?) async throws {
    try await database.write { connection in
      let count = try connection.run(
        "DELETE FROM cohort_member WHERE cohort = :cohort", ["cohort": .text(cohort)])
      try Self.keep(entry, users: count, connection)
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

  /// Nothing where nobody joined or left.
  private static func keep(
    _ entry: AuditRecord?, users: Int, _ connection: Connection
  ) throws {
    guard var entry, users > 0 else { return }
    entry.users = users
    try keep(entry, connection)
  }
}
