internal import CSQLite
import Glibc
import RolloutCore

/// A copy of all databases as they were at one moment, taken while they are in use. Its files have
/// no name any more: they are gone when it is.
package final class Backup: Sendable {
  /// One database of it.
  package struct File: Sendable {
    /// As in the data directory.
    package let name: String
    package let size: Int
    fileprivate let descriptor: Int32
  }

  package let files: [File]

  /// Where the copies lie while they are made; one that is there is left of a server that ended.
  private static let folder = "backup.part"
  /// How often it is tried to find the databases at one moment.
  private static let triesMax = 50

  /// Takes a copy: as much disk as the databases need must be free. Blocks for as long as that
  /// takes; nobody who writes waits for it. One at a time. Throws `StoreError`.
  package init(of directory: DataDirectory) throws {
    let folder = "\(directory.path)/\(Self.folder)"
    Self.remove(folder)
    guard mkdir(folder, 0o700) == 0 else {
      throw StoreError.unavailable("\(folder): \(String(cString: strerror(errno)))")
    }
    defer { Self.remove(folder) }
    do {
      let sources = try Self.sources(directory)
      files = try sources.map { name, source in
        let path = "\(folder)/\(name)"
        try source.copy(to: path)
        return try Self.opened(name, path)
      }
    } catch let error as SQLiteError {
      throw error.storeError
    }
  }

  deinit { for file in files { close(file.descriptor) } }

  /// Up to `count` bytes of a file; none at its end. Throws `StoreError`.
  package func read(_ file: File, from offset: Int, count: Int) throws -> [UInt8] {
    var buffer = [UInt8](repeating: 0, count: min(count, max(0, file.size - offset)))
    let count = pread(file.descriptor, &buffer, buffer.count, off_t(offset))
    guard count >= 0 else {
      throw StoreError.unavailable("\(file.name): \(String(cString: strerror(errno)))")
    }
    return Array(buffer.prefix(count))
  }

  /// Each database as it is at one moment: no one knows more of another than is in that. What a
  /// database knows of the others it has from between two looks, so that it is seldom looked twice.
  private static func sources(
    _ directory: DataDirectory
  ) throws -> [(name: String, source: Connection)] {
    let names = DataDirectory.databaseFiles
    for _ in 0..<triesMax {
      let sources = try names.map { name in
        (name: name, source: try Connection(reading: "\(directory.path)/\(name)"))
      }
      let known = try sources.map { try Membership.state($0.source) }
      let isOneMoment = known.allSatisfy { mine in
        zip(names, known).allSatisfy { name, its in
          mine.mark?.counts[name].map { $0.commits <= its.commits } ?? true
        }
      }
      if isOneMoment { return sources }
    }
    throw StoreError.unavailable("the databases change too fast for a copy of all at one moment")
  }

  private static func opened(_ name: String, _ path: String) throws -> File {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    var info = stat()
    guard descriptor >= 0, fstat(descriptor, &info) == 0 else {
      throw StoreError.unavailable("\(path): \(String(cString: strerror(errno)))")
    }
    return File(name: name, size: Int(info.st_size), descriptor: descriptor)
  }

  private static func remove(_ folder: String) {
    for name in DataDirectory.databaseFiles {
      for suffix in ["", "-journal", "-wal", "-shm"] { unlink("\(folder)/\(name)\(suffix)") }
    }
    rmdir(folder)
  }
}

extension Connection {
  /// Opens a database to be read as it is now, for as long as it is open, whoever writes to it.
  /// Throws `SQLiteError`.
  convenience init(reading path: String) throws {
    try self.init(opening: path, SQLITE_OPEN_READONLY)
    try execute("PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; BEGIN")
    _ = try query("SELECT count(*) FROM sqlite_schema") { $0.int(0) }
  }

  /// Writes what this connection sees into a new file. Throws `SQLiteError`.
  func copy(to path: String) throws {
    let copy = try Connection(opening: path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
    chmod(path, 0o600)
    try copy.execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
    guard let backup = sqlite3_backup_init(copy.handle, "main", handle, "main") else {
      throw copy.error()
    }
    let code = sqlite3_backup_step(backup, -1)
    sqlite3_backup_finish(backup)
    guard code == SQLITE_DONE else {
      throw SQLiteError(code: code, message: String(cString: sqlite3_errstr(code)))
    }
    copy.close()
  }
}
