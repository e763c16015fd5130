import Glibc
import RolloutCore

/// How a database file of the directory is opened: to be written, or, where the disk takes nothing,
/// as a copy in memory that is only read.
struct FileOpening: Sendable {
  let directory: DataDirectory
  let name: String
  let durability: Connection.Durability
  let erasesDeleted: Bool
  let migrations: [Migration]
  let now: Instant

  var path: String { "\(directory.path)/\(name)" }
  var isMain: Bool { name == DataDirectory.mainFile }
  /// Whether the file holds what was promised, so that its commits are counted. What was measured
  /// may be lost.
  var isPromised: Bool { name != DataDirectory.telemetryFile }

  /// What there is to work with.
  enum Found {
    case writable(Connection)
    /// `connection` is nil for what is too large to be held in memory; `why` is in words.
    case readable(Connection?, why: StoreError)
  }

  /// Throws `StoreError`, which names the file.
  func find() throws -> Found {
    try directory.checkPresence(of: name)
    do { return .writable(try writable()) } catch let error as StoreError {
      guard case .unavailable(let why) = error, let trouble = directory.diskTrouble() else {
        throw error
      }
      // Without plans and tokens there is nothing to serve.
      if isMain, directory.size(of: name) == 0, directory.size(of: name + "-wal") == 0 {
        throw StoreError.unavailable("\(why): the disk takes nothing (\(trouble))")
      }
      return .readable(
        try readable(), why: .unavailable("the disk takes nothing (\(trouble)): \(why)"))
    }
  }

  /// As it was opened before, without looking at what is in it. Throws `SQLiteError`.
  func again() throws -> Connection {
    try Connection(path: path, durability: durability, erasesDeleted: erasesDeleted)
  }

  /// Opens or creates the file and brings its schema up to date; one that is not this directory's
  /// is refused.
  func writable() throws -> Connection {
    let connection = try prepared { try again() }
    // Opening a file that is up to date writes nothing, and a full disk would be found out by the
    // first change.
    do { try Membership.touch(connection) } catch {
      connection.close()
      throw (error as? SQLiteError)?.named(path).storeError ?? error
    }
    return connection
  }

  private func readable() throws -> Connection? {
    let image: FileImage
    do { image = try FileImage(path) } catch {
      // Plans, tokens and cohorts are small. Of the others nothing is needed to decide.
      guard isMain else { return nil }
      throw error
    }
    let connection = try prepared { try Connection(image) }
    try connection.execute("PRAGMA query_only = ON")
    return connection
  }

  private func prepared(_ open: () throws -> Connection) throws -> Connection {
    do {
      let connection = try open()
      do {
        try Membership.check(connection, directory, name)
        try Migrator.migrate(connection, migrations, now: now)
        try Membership.take(connection, directory, name)
        return connection
      } catch {
        connection.close()
        throw error
      }
    } catch let error as SQLiteError { throw error.named(path).storeError } catch {
      if case StoreError.corrupt(let why) = error { throw StoreError.corrupt("\(path): \(why)") }
      throw error
    }
  }
}
