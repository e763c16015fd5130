import DigestKit
import RolloutCore

/// What every file says of the data directory it belongs to.
enum Membership {
  private static let table = """
    CREATE TABLE IF NOT EXISTS data_directory (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      identity TEXT NOT NULL,
      commits INTEGER NOT NULL
    ) STRICT
    """

  private static func find(_ connection: Connection) throws -> (identity: String, commits: Int)? {
    try connection.query("SELECT identity, commits FROM data_directory") {
      ($0.text(0), $0.int(1))
    }.first
  }

  /// Whether a file may be gone on with; before anything is written to it. Throws `StoreError`.
  static func check(_ connection: Connection, _ directory: DataDirectory, _ name: String) throws {
    let tables = try connection.query(
      "SELECT 1 FROM sqlite_schema WHERE name = 'data_directory'"
    ) { $0.int(0) }
    // All of it may have been in the log.
    let found = tables.isEmpty ? nil : try find(connection)
    try directory.check(name, identity: found?.identity, commits: found?.commits ?? 0)
  }

  /// Commits that the file has counted.
  static func commits(_ connection: Connection) throws -> Int {
    try find(connection)?.commits ?? 0
  }

  /// Writes into a new file where it belongs, and refuses one that belongs elsewhere. Throws
  /// `StoreError.corrupt` then.
  static func take(
    _ connection: Connection, _ directory: DataDirectory, _ name: String
  ) throws {
    try connection.execute(table)
    let found = try find(connection)
    let isMain = name == DataDirectory.mainFile
    // Alone, without its main file: in tests.
    guard
      let identity = isMain
        ? found?.identity ?? Digest.hexadecimal(Digest.random(16)) : directory.identity
    else { return }
    let mayChange = directory.permissions.acceptsEmpty || directory.permissions.acceptsOlder
    guard found == nil || found?.identity == identity || mayChange else {
      throw StoreError.corrupt("it belongs to another data directory")
    }
    if found?.identity != identity { try write(identity, connection) }
    // Who accepts an older state goes on counting where the newer one ended. What an older
    // `budget.db` means is for the budgets to say.
    if isMain || name == DataDirectory.jobsFile {
      try raise(connection, to: directory.acknowledged(name))
    }
    // What a process that was killed left in the log of the spending is in no fsync yet.
    let isDurable = name != DataDirectory.budgetFile || (try? connection.settle()) != nil
    directory.begin(
      name, identity: identity, commits: try commits(connection), isDurable: isDurable)
  }

  private static func write(_ identity: String, _ connection: Connection) throws {
    try connection.run(
      """
      INSERT INTO data_directory (only_row, identity, commits) VALUES (1, :identity, 0)
      ON CONFLICT (only_row) DO UPDATE SET identity = excluded.identity
      """, ["identity": .text(identity)])
  }

  /// Counts on from `commits` where the file has fewer.
  static func raise(_ connection: Connection, to commits: Int) throws {
    // A full disk is asked for nothing that is there already.
    guard try Self.commits(connection) < commits else { return }
    try connection.run(
      "UPDATE data_directory SET commits = :commits", ["commits": SQLValue(commits)])
  }

  /// Changes nothing, by writing.
  static func touch(_ connection: Connection) throws {
    try connection.run("UPDATE data_directory SET commits = commits")
  }

  /// Counts one more commit, in its transaction.
  static func count(_ connection: Connection) throws -> Int {
    try connection.query(
      "UPDATE data_directory SET commits = commits + 1 RETURNING commits"
    ) { $0.int(0) }.first ?? 0
  }
}
