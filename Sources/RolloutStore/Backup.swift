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

  /// Takes a copy: as much disk as the databases need must be free. Nobody else can open them, so
  /// each is copied on its own thread, and who writes to it waits for as long as that takes. One at
  /// a time. Throws `StoreError`.
  package init(
    of directory: DataDirectory, _ control: Store, _ telemetry: TelemetryDatabase,
    _ money: BudgetDatabase, _ jobs: JobDatabase
  ) async throws {
    let folder = "\(directory.path)/\(Self.folder)"
    Self.remove(folder)
    guard mkdir(folder, 0o700) == 0 else {
      throw StoreError.unavailable("\(folder): \(String(cString: strerror(errno)))")
    }
    defer { Self.remove(folder) }
    // Plans are the last to be held up, and the first to go on.
    let databases = [telemetry.database, money.database, jobs.database, control.database]
    try await withCheckedThrowingContinuation { continuation in
      BackupRound(databases, into: folder) { continuation.resume(with: $0) }.begin()
    }
    files = try DataDirectory.databaseFiles.map { try Self.opened($0, "\(folder)/\($0)") }
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
