import DigestKit
import RolloutCore

/// What every file says of the data directory it belongs to.
enum Membership {
  /// `mark` is what was known of the other files, as `rollout.lock` says it.
  private static let table = """
    CREATE TABLE IF NOT EXISTS data_directory (
      only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
      identity TEXT NOT NULL,
      commits INTEGER NOT NULL,
      mark TEXT
    ) STRICT
    """

  /// What a file says of itself and of the others.
  struct Record {
    var identity: String
    var commits: Int
    var mark: DirectoryMark?
  }

  /// Throws `StoreError.corrupt` for what no server has written.
  private static func find(_ connection: Connection) throws -> Record? {
    let mark = try keepsMark(connection) ? "mark" : "NULL"
    let found = try connection.query("SELECT identity, commits, \(mark) FROM data_directory") {
      Record(
        identity: $0.text(0), commits: $0.int(1),
        mark: $0.optionalText(2).flatMap { DirectoryMark($0) })
    }.first
    guard let found else { return nil }
    guard DirectoryMark.isCount(found.commits) else {
      throw StoreError.corrupt("it says that it has \(found.commits) commits")
    }
    guard DirectoryMark.isIdentity(found.identity) else {
      throw StoreError.corrupt("its identity is none")
    }
    return found
  }

  /// Files of earlier versions know nothing of the others.
  private static func keepsMark(_ connection: Connection) throws -> Bool {
    let columns = try connection.query(
      "SELECT 1 FROM pragma_table_info('data_directory') WHERE name = 'mark'"
    ) { $0.int(0) }
    return !columns.isEmpty
  }

  /// Whether a file may be gone on with; before anything is written to it. Throws `StoreError`.
  static func check(_ connection: Connection, _ directory: DataDirectory, _ name: String) throws {
    let tables = try connection.query(
      "SELECT 1 FROM sqlite_schema WHERE name = 'data_directory'"
    ) { $0.int(0) }
    // All of it may have been in the log.
    let found = tables.isEmpty ? nil : try find(connection)
    if let found { directory.learn(name, found) }
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
    if try !keepsMark(connection) {
      try connection.execute("ALTER TABLE data_directory ADD COLUMN mark TEXT")
    }
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
    // A row that stays as it was is written nowhere; the file's header always is.
    let version = try connection.query("PRAGMA user_version") { $0.int(0) }.first ?? 0
    try connection.execute("PRAGMA user_version = \(version)")
  }

  /// Keeps what is known of the other files.
  static func keep(_ mark: String?, _ connection: Connection) throws {
    guard let mark else { return }
    try connection.run(
      "UPDATE data_directory SET mark = :mark WHERE mark IS NOT :mark", ["mark": .text(mark)])
  }

  /// Counts one more commit, in its transaction, and keeps what is known of the other files.
  static func count(_ connection: Connection, keeping mark: String?) throws -> Int {
    try connection.query(
      "UPDATE data_directory SET commits = commits + 1, mark = :mark RETURNING commits",
      ["mark": SQLValue(mark)]
    ) { $0.int(0) }.first ?? 0
  }
}
