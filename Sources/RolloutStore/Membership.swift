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

  /// Whether the main file may be gone on with; before anything is written to it. Throws
  /// `StoreError`.
  static func check(_ connection: Connection, _ directory: DataDirectory) throws {
    let tables = try connection.query(
      "SELECT 1 FROM sqlite_schema WHERE name = 'data_directory'"
    ) { $0.int(0) }
    guard !tables.isEmpty, let found = try find(connection) else { return }
    try directory.check(identity: found.identity, commits: found.commits)
  }

  /// Commits that the main file has counted; 0 for the others.
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
    if name == DataDirectory.mainFile {
      let identity = found?.identity ?? Digest.hexadecimal(Digest.random(16))
      if found == nil { try write(identity, directory.markAtStart?.commits ?? 0, connection) }
      directory.begin(identity: identity, commits: found?.commits ?? 0)
      return
    }
    // Alone, without its main file: in tests.
    guard let identity = directory.identity else { return }
    let mayChange = directory.permissions.acceptsEmpty || directory.permissions.acceptsOlder
    guard found == nil || found?.identity == identity || mayChange else {
      throw StoreError.corrupt("it belongs to another data directory")
    }
    if found?.identity != identity { try write(identity, 0, connection) }
  }

  private static func write(
    _ identity: String, _ commits: Int, _ connection: Connection
  ) throws {
    try connection.run(
      """
      INSERT INTO data_directory (only_row, identity, commits) VALUES (1, :identity, :commits)
      ON CONFLICT (only_row) DO UPDATE SET identity = excluded.identity
      """, ["identity": .text(identity), "commits": SQLValue(commits)])
  }

  /// Counts one more commit, in its transaction.
  static func count(_ connection: Connection) throws -> Int {
    try connection.query(
      "UPDATE data_directory SET commits = commits + 1 RETURNING commits"
    ) { $0.int(0) }.first ?? 0
  }
}
