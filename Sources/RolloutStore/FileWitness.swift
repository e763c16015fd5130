import Glibc
import Synchronization

/// Looks from outside at a database file that is open, and at its log: whether the next start will
/// find there what is written now.
///
/// It keeps a descriptor of its own until it goes, which must be after the connection has: closing
/// any descriptor of a file ends the locks that this process has on it.
final class FileWitness: Sendable {
  private struct State {
    /// As it was when it was opened, and with the largest size it has had: it never shrinks.
    var file: FileIdentity?
    var log: FileIdentity?
    /// -1 where the log cannot be opened to be written.
    var logDescriptor: Int32 = -1
    var logCopy = LogCopy()
    /// Whether a commit has failed, and what it wrote may still be in the log.
    var owesCut = false
    /// Whether the database's thread is at work: what is written to the log then is its own.
    var isWorking = false
    /// What makes the content untrue until the next start.
    var cut: String?
  }

  /// How every database file begins.
  private static let header = Array("SQLite format 3\0".utf8)

  let path: String
  private let descriptor: Int32
  private let state: Mutex<State>

  /// Of a file that is open already.
  init(_ path: String) {
    self.path = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    state = Mutex(State(file: FileIdentity(descriptor: descriptor)))
    connectedAnew()
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    state.withLock { if $0.logDescriptor >= 0 { close($0.logDescriptor) } }
  }

  /// Whether there was a file.
  var isOfFile: Bool { descriptor >= 0 }

  /// The connection is a new one, with a new log.
  func connectedAnew() {
    let log = path + "-wal"
    state.withLock { state in
      if state.logDescriptor >= 0 { close(state.logDescriptor) }
      state.logDescriptor = -1
      state.log = if case .file(let found) = FileIdentity.at(log) { found } else { nil }
      state.owesCut = false
      openLog(&state)
    }
  }

  private func openLog(_ state: inout State) {
    state.logDescriptor = open(path + "-wal", O_RDWR | O_CLOEXEC | O_NONBLOCK)
    state.logCopy = LogCopy()
    if state.logDescriptor >= 0 { state.logCopy.follow(state.logDescriptor) }
  }

  /// The database's thread begins to read and write.
  func beginWork() { state.withLock { $0.isWorking = true } }

  func endWork() { state.withLock { $0.isWorking = false } }

  /// Takes in what the database's thread has written to the log. Whether all of it is known; a log
  /// that has become too large is not.
  func followLog() -> Bool {
    state.withLock { state in
      // What a failed commit wrote is not to be taken for the log.
      guard state.logDescriptor >= 0, !state.owesCut else { return true }
      state.logCopy.follow(state.logDescriptor)
      return state.logCopy.isWhole
    }
  }

  /// What somebody else has done to the content of the log, in words; for the database's thread.
  var logDamage: String? { state.withLock { logDamage(&$0) } }

  private func logDamage(_ state: inout State) -> String? {
    guard state.logDescriptor >= 0, !state.owesCut else { return nil }
    return state.logCopy.change(state.logDescriptor).map { "\(path)-wal \($0)" }
  }

  /// Whether all that is in the log is known, so that what a commit adds to it can be told from it.
  func knowsLog() -> Bool {
    state.withLock { state in
      if state.logDescriptor < 0 {
        openLog(&state)
      } else if !state.logCopy.isCurrent {
        state.logCopy.follow(state.logDescriptor)
      }
      return state.logDescriptor >= 0 && state.logCopy.isCurrent
    }
  }

  /// What a commit that has failed left in the log.
  enum Remains {
    case none
    /// Taken out again; `isDurable` says whether a power loss cannot bring it back.
    case cut(isDurable: Bool)
    /// Still there; it can be tried again.
    case left
  }

  /// A commit has failed: whoever opens the file anew would take what it wrote for a transaction.
  func noteFailedCommit() { state.withLock { $0.owesCut = true } }

  /// Takes out of the log what a failed commit has left there, for nobody was told of it.
  func cutRemains() -> Remains {
    state.withLock { state in
      guard state.owesCut else { return .none }
      let log = state.logDescriptor
      guard log >= 0, state.logCopy.cutUnfollowed(log) else { return .left }
      state.owesCut = false
      return .cut(isDurable: fdatasync(log) == 0)
    }
  }

  /// Writes the log as it was before somebody else changed it. Whether it could be; where nobody
  /// knows what was in it, the content is untrue until the next start.
  func restoreLog(after damage: String) -> Bool {
    state.withLock { state in
      if !state.logCopy.isWhole { state.cut = damage }
      return state.logCopy.restore(state.logDescriptor)
    }
  }

  /// Why the content is untrue since somebody changed it: nothing can be read or written before the
  /// next start, which will want another file. nil when it is as it was written.
  var damage: String? {
    state.withLock { state in
      guard let file = state.file, state.cut == nil else { return state.cut }
      // A read that fails says nothing of what is there.
      guard let size = FileIdentity(descriptor: descriptor)?.size else { return nil }
      var header = [UInt8](repeating: 0, count: Self.header.count)
      if size < file.size {
        state.cut = "\(path) was cut from \(file.size) to \(size) bytes while it was in use"
      } else if file.size > 0, pread(descriptor, &header, header.count, 0) == header.count,
        header != Self.header
      {
        state.cut = "\(path) was written over while it was in use"
      }
      state.file?.size = max(size, file.size)
      return state.cut
    }
  }

  /// Why nothing may be written any more; nil when all is well, and when there was no file yet.
  var trouble: String? {
    if let damage { return damage }
    return Self.change(of: path, from: state.withLock { $0.file })
  }

  /// Why what is committed now would not outlive the process: the log is not at its place. What is
  /// in it can still be moved into the file.
  var misplacedLog: String? { Self.change(of: path + "-wal", from: state.withLock { $0.log }) }

  /// The same, and what was done to its content: the database's thread puts both right.
  var logTrouble: String? {
    misplacedLog ?? state.withLock { $0.isWorking ? nil : logDamage(&$0) }
  }

  private static func change(of path: String, from before: FileIdentity?) -> String? {
    guard let before else { return nil }
    switch FileIdentity.at(path) {
    case .file(let now):
      return now.isSameFile(as: before) ? nil : "\(path) was replaced while it was in use"
    case .nothing: return "\(path) was deleted while it was in use"
    case .unknown: return nil
    }
  }
}
