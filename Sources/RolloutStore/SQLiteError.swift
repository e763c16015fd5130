internal import CSQLite
import DocumentKit
import Glibc
import RolloutCore

/// A failed SQLite call.
struct SQLiteError: Error, CustomStringConvertible {
  var code: Int32
  var message: String
  var description: String { "\(message) (SQLite \(code))" }

  /// The primary code, without its extension.
  var primary: Int32 { code & 0xFF }

  /// Whether the disk had no room: nothing of the transaction is in the file then, and what was
  /// there before can be read on.
  var isFull: Bool { primary == SQLITE_FULL }

  /// The same with the file named.
  func named(_ path: String) -> SQLiteError {
    SQLiteError(code: code, message: "\(path): \(message)")
  }

  /// As callers outside the store see it.
  var storeError: StoreError {
    switch primary {
    case SQLITE_BUSY:
      .unavailable(
        "\(description): another program has it open (a sqlite3 shell, a copy that is being made); "
          + "end that")
    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT: .corrupt(description)
    default: .unavailable(description)
    }
  }
}
