internal import CSQLite
import DocumentKit
import Glibc
import RolloutCore

/// The row a query stands on; columns count from 0.
struct Row {
  let statement: OpaquePointer

  func int(_ column: Int32) -> Int { Int(sqlite3_column_int64(statement, column)) }

  func text(_ column: Int32) -> String {
    guard let bytes = sqlite3_column_text(statement, column) else { return "" }
    let count = Int(sqlite3_column_bytes(statement, column))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  func blob(_ column: Int32) -> [UInt8] {
    guard let bytes = sqlite3_column_blob(statement, column) else { return [] }
    let count = Int(sqlite3_column_bytes(statement, column))
    return Array(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  func isNull(_ column: Int32) -> Bool {
    sqlite3_column_type(statement, column) == SQLITE_NULL
  }

  func optionalInt(_ column: Int32) -> Int? { isNull(column) ? nil : int(column) }
  func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
  func instant(_ column: Int32) -> Instant { Instant(milliseconds: Int64(int(column))) }
  func optionalInstant(_ column: Int32) -> Instant? { isNull(column) ? nil : instant(column) }

  /// JSON; what cannot be read is shown as the text it is. nil for NULL.
  func document(_ column: Int32) -> Document? {
    optionalText(column).map { text in
      do throws(DocumentError) { return try JSONReader.read(Array(text.utf8)) } catch {
        return .string(text)
      }
    }
  }
}
