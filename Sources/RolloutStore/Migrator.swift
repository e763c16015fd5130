import DigestKit
import RolloutCore

/// One schema change: plain SQL, forward only.
package struct Migration: Sendable, Equatable {
  package var number: Int
  package var name: String
  package var sql: String

  package init(number: Int, name: String, sql: String) {
    self.number = number
    self.name = name
    self.sql = sql
  }

  /// `text` is the file's; its name begins with its number.
  private init(_ name: String, _ text: [UInt8], endsWithNewline: Bool = false) {
    number = Int(name.prefix(4)) ?? 0
    self.name = name
    // Most were applied without the newline that ends every file.
    sql = String(decoding: endsWithNewline ? text[...] : text.dropLast(), as: UTF8.self)
  }
}

/// The files below `migrations/`, compiled into the program.
extension Migration {
  /// Of `rollout.db`.
  package static let control = [
    Migration("0001-initial.sql", PackageResources._001_initial_sql, endsWithNewline: true),
    Migration(
      "0002-notices-and-outbox.sql", PackageResources._002_notices_and_outbox_sql,
      endsWithNewline: true),
    Migration("0003-clock.sql", PackageResources._003_clock_sql, endsWithNewline: true),
    Migration("0004-tokens.sql", PackageResources._004_tokens_sql, endsWithNewline: true),
    Migration(
      "0005-outbox-lanes.sql", PackageResources._005_outbox_lanes_sql, endsWithNewline: true),
    Migration("0006-alerts.sql", PackageResources._006_alerts_sql, endsWithNewline: true),
    Migration("0007-sessions.sql", PackageResources._007_sessions_sql, endsWithNewline: true),
    Migration("0008-audit.sql", PackageResources._008_audit_sql, endsWithNewline: true),
  ]

  /// Of `telemetry.db`.
  package static let telemetry = [
    Migration("0001-guard-windows.sql", PackageResources._001_guard_windows_sql),
    Migration(
      "0002-feature-states-and-outcomes.sql", PackageResources._002_feature_states_and_outcomes_sql),
    Migration("0003-cached-answers.sql", PackageResources._003_cached_answers_sql),
    Migration("0004-captures.sql", PackageResources._004_captures_sql),
    Migration("0005-answers-by-expiry.sql", PackageResources._005_answers_by_expiry_sql),
    Migration("0006-seen-ids.sql", PackageResources._006_seen_ids_sql),
    Migration("0007-series-and-failures.sql", PackageResources._007_series_and_failures_sql),
  ]

  /// Of `budget.db`.
  package static let money = [
    Migration("0001-accounts-and-holds.sql", PackageResources._001_accounts_and_holds_sql),
    Migration("0002-holds-in-a-file.sql", PackageResources._002_holds_in_a_file_sql),
    Migration("0003-losses.sql", PackageResources._003_losses_sql),
  ]

  /// Of `jobs.db`.
  package static let jobs = [
    Migration("0001-jobs.sql", PackageResources._001_jobs_sql),
    Migration("0002-jobs-by-finish.sql", PackageResources._002_jobs_by_finish_sql),
  ]
}

/// Brings a database to the newest schema: each migration in a transaction of its own, recorded
/// with the checksum of its text.
enum Migrator {
  /// `rout` in ASCII: tells our files from others'.
  static let applicationID = 0x726F_7574

  /// Throws `StoreError.corrupt` for a foreign or newer database, and for a migration whose text
  /// is not the one that was applied.
  static func migrate(_ connection: Connection, _ migrations: [Migration], now: Instant) throws {
    let application = try connection.query("PRAGMA application_id") { $0.int(0) }.first ?? 0
    let tables = try connection.query("SELECT count(*) FROM sqlite_schema") { $0.int(0) }.first ?? 0
    guard application == applicationID || tables == 0 else {
      throw StoreError.corrupt("this is not a Rollout database; name another data directory")
    }
    // A full disk is asked for nothing that is there already.
    if application != applicationID {
      try connection.execute("PRAGMA application_id = \(applicationID)")
    }
    try connection.execute(
      """
      CREATE TABLE IF NOT EXISTS schema_migration (
        number INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        sha256 BLOB NOT NULL,
        applied_at_ms INTEGER NOT NULL
      ) STRICT
      """)
    let applied = try connection.query(
      "SELECT number, name, sha256 FROM schema_migration ORDER BY number"
    ) { ($0.int(0), $0.text(1), $0.blob(2)) }
    for (number, name, checksum) in applied {
      guard let known = migrations.first(where: { $0.number == number }) else {
        throw StoreError.corrupt(
          "migration \(name) is not known here: a newer version wrote this database")
      }
      guard Digest.sha256(Array(known.sql.utf8)) == checksum else {
        throw StoreError.corrupt("migration \(name) was changed after it had been applied")
      }
    }
    for migration in migrations where !applied.contains(where: { $0.0 == migration.number }) {
      try apply(migration, connection, now)
    }
  }

  private static func apply(
    _ migration: Migration, _ connection: Connection, _ now: Instant
  ) throws {
    try connection.execute("BEGIN IMMEDIATE")
    do {
      try connection.execute(migration.sql)
      try connection.run(
        "INSERT INTO schema_migration VALUES (:number, :name, :sha256, :at)",
        [
          "number": .int(Int64(migration.number)), "name": .text(migration.name),
          "sha256": .blob(Digest.sha256(Array(migration.sql.utf8))), "at": SQLValue(now),
        ])
      try connection.execute("PRAGMA user_version = \(migration.number); COMMIT")
    } catch {
      try? connection.execute("ROLLBACK")
      throw error
    }
  }
}
