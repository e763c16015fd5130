internal import CSQLite
import DocumentKit
import Glibc
import RolloutCore

/// A value SQLite stores.
enum SQLValue: Sendable, Equatable {
  case null
  case int(Int64)
  case text(String)
  case blob([UInt8])

  init(_ value: Int?) { self = value.map { .int(Int64($0)) } ?? .null }
  init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  init(_ value: Instant?) { self = value.map { .int($0.milliseconds) } ?? .null }
}

/// The one connection to a database file. Not thread-safe: owned by the database's thread.
final class Connection {
  enum Durability: String {
    /// Every commit survives power loss.
    case full = "FULL"
    /// A power loss may take the last commits; the file stays consistent.
    case normal = "NORMAL"
  }

  let handle: OpaquePointer
  private var statements: [String: OpaquePointer] = [:]
  private var isClosed = false

  /// `mode` is how it is opened, as SQLite has it.
  init(
    opening path: String, _ mode: Int32 = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
  ) throws {
    var opened: OpaquePointer?
    let flags = mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
      sqlite3_close_v2(opened)
      throw SQLiteError(code: code, message: message)
    }
    handle = opened
    _ = cs_defensive(handle)
  }

  /// Opens or creates; with `erasesDeleted` what is deleted is overwritten with zeros. Nobody else
  /// can open the file meanwhile, not even to read it. Throws `SQLiteError`, also when the file is
  /// damaged.
  convenience init(path: String, durability: Durability, erasesDeleted: Bool = false) throws {
    Self.keepPrivate(path)
    try self.init(opening: path)
    // What cannot be opened to be written, SQLite opens to be read, without a word.
    guard sqlite3_db_readonly(handle, "main") == 0 else {
      throw SQLiteError(code: SQLITE_READONLY, message: "it can only be read")
    }
    // Exclusive before the log is looked at, or the log's index is in a file that is mapped: who
    // truncates that one ends the process.
    try execute(
      """
      PRAGMA busy_timeout = 5000;
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = \(durability.rawValue);
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA mmap_size = 0;
      PRAGMA temp_store = MEMORY;
      PRAGMA journal_size_limit = 67108864;
      PRAGMA wal_autocheckpoint = 1000;
      PRAGMA secure_delete = \(erasesDeleted ? "ON" : "OFF");
      """)
    try check()
    // Of an earlier version, which ended without closing it.
    unlink(path + "-shm")
  }

  /// Opens a copy in memory; what is written to it is written nowhere else. Throws `SQLiteError`,
  /// also when the file was damaged.
  convenience init(_ image: FileImage) throws {
    try self.init(opening: ":memory:")
    if !image.bytes.isEmpty {
      let size = image.bytes.count
      guard let copy = sqlite3_malloc64(UInt64(size)) else {
        throw SQLiteError(code: SQLITE_NOMEM, message: "out of memory")
      }
      copy.copyMemory(from: image.bytes, byteCount: size)
      let flags = UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE)
      let code = sqlite3_deserialize(
        handle, "main", copy.assumingMemoryBound(to: UInt8.self), Int64(size), Int64(size), flags)
      guard code == SQLITE_OK else { throw error() }
    }
    try execute(
      """
      PRAGMA foreign_keys = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA temp_store = MEMORY;
      """)
    try check()
  }

  private func check() throws {
    let verdict = try query("PRAGMA quick_check(1)") { $0.text(0) }.first
    guard verdict == "ok" else {
      throw SQLiteError(code: SQLITE_CORRUPT, message: verdict ?? "no verdict")
    }
  }

  /// Only the owner may read it, whatever folder it is in; the log gets the mode of the file. Never
  /// through a descriptor of an existing file: closing that would end the locks of whoever has it
  /// open in this process.
  private static func keepPrivate(_ path: String) {
    let made = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    if made >= 0 {
      Glibc.close(made)
    } else {
      for suffix in ["", "-wal"] { chmod(path + suffix, 0o600) }
    }
  }

  /// Moves the write-ahead log into the file and empties it. What can be read is on disk then, also
  /// after an fsync of the log that failed: its pages are written anew. Throws `SQLiteError`.
  func settle() throws {
    let isBusy = try query("PRAGMA wal_checkpoint(TRUNCATE)") { $0.int(0) }.first ?? 1
    guard isBusy == 0 else {
      throw SQLiteError(code: SQLITE_BUSY, message: "the write-ahead log is in use")
    }
  }

  deinit { close() }

  /// Closes the file, whoever still holds the connection; nothing else may be asked of it then. The
  /// write-ahead log is moved into the file; `leavingLog` leaves both as they are.
  func close(leavingLog: Bool = false) {
    guard !isClosed else { return }
    isClosed = true
    if leavingLog { _ = cs_leave_log(handle) }
    for statement in statements.values { sqlite3_finalize(statement) }
    statements = [:]
    sqlite3_close_v2(handle)
  }

  /// Runs several statements without parameters.
  func execute(_ sql: String) throws {
    guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error() }
  }

  /// Runs one statement; returns how many rows it changed. Names are without the colon.
  @discardableResult
  func run(_ sql: String, _ values: KeyValuePairs<String, SQLValue> = [:]) throws -> Int {
    let statement = try prepare(sql, values)
    defer { sqlite3_reset(statement) }
    var code = sqlite3_step(statement)
    while code == SQLITE_ROW { code = sqlite3_step(statement) }
    guard code == SQLITE_DONE else { throw error() }
    return Int(sqlite3_changes(handle))
  }

  /// Reads all rows of one statement.
  func query<T>(
    _ sql: String, _ values: KeyValuePairs<String, SQLValue> = [:], _ row: (Row) throws -> T
  ) throws -> [T] {
    let statement = try prepare(sql, values)
    defer { sqlite3_reset(statement) }
    var rows: [T] = []
    while true {
      switch sqlite3_step(statement) {
      case SQLITE_ROW: rows.append(try row(Row(statement: statement)))
      case SQLITE_DONE: return rows
      default: throw error()
      }
    }
  }

  /// Rows changed since it was opened, also by what was rolled back.
  var changes: Int { Int(sqlite3_total_changes64(handle)) }

  var lastInsertedID: Int { Int(sqlite3_last_insert_rowid(handle)) }

  private func prepare(
    _ sql: String, _ values: KeyValuePairs<String, SQLValue>
  ) throws -> OpaquePointer {
    let statement = try statements[sql] ?? compile(sql)
    statements[sql] = statement
    sqlite3_reset(statement)
    sqlite3_clear_bindings(statement)
    for (name, value) in values {
      let index = sqlite3_bind_parameter_index(statement, ":" + name)
      precondition(index > 0, "no parameter :\(name) in \(sql)")
      try bind(statement, index, value)
    }
    return statement
  }

  private func compile(_ sql: String) throws -> OpaquePointer {
    var statement: OpaquePointer?
    let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
    guard sqlite3_prepare_v3(handle, sql, -1, flags, &statement, nil) == SQLITE_OK,
      let statement
    else { throw error() }
    return statement
  }

  private func bind(_ statement: OpaquePointer, _ index: Int32, _ value: SQLValue) throws {
    let code: Int32
    switch value {
    case .null: code = sqlite3_bind_null(statement, index)
    case .int(let number): code = sqlite3_bind_int64(statement, index, number)
    case .text(var text):
      code = text.withUTF8 { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          $0.baseAddress.map { cs_bind_text(statement, index, $0, UInt64(bytes.count)) }
            ?? cs_bind_text(statement, index, "", 0)
        }
      }
    case .blob(let bytes):
      code = bytes.withUnsafeBytes {
        cs_bind_blob(statement, index, $0.baseAddress, UInt64($0.count))
      }
    }
    guard code == SQLITE_OK else { throw error() }
  }

  func error() -> SQLiteError {
    SQLiteError(
      code: sqlite3_extended_errcode(handle), message: String(cString: sqlite3_errmsg(handle)))
  }
}
