import DocumentKit

/// What a store could not do.
package enum StoreError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The version was not the expected one; somebody else's change came first.
  case stale
  case alreadyExists(String)
  case notFound(String)
  /// Disk full, I/O error, lock: nothing was written; try again later.
  case unavailable(String)
  /// A commit has failed, and whether the disk has it is not known before the disk is well again;
  /// it is not in force.
  case uncertain(String)
  /// The file cannot be used; a person must look.
  case corrupt(String)
  /// What was to be stored would not be read back as it is: nothing was written.
  case unreadable(String)

  package var description: String {
    switch self {
    case .stale: "somebody else's change came first"
    case .alreadyExists(let what): "\(what) already exists"
    case .notFound(let what): "\(what) does not exist"
    case .unavailable(let why): "the database is not available: \(why)"
    case .uncertain(let why): why
    case .corrupt(let why): "the database cannot be used: \(why)"
    case .unreadable(let what): "it would not be read back as it is: \(what)"
    }
  }
}
