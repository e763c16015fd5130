import Glibc
import Synchronization

/// Looks from outside at a database file that is open, and at its log: whether the next start will
/// find there what is written now.
///
/// It keeps a descriptor of its own until it goes, which must be after the connection has: closing
/// any descriptor of a file ends the locks that this process has on it.
final class FileWitness: Sendable {
  private struct Identity: Equatable {
    var device: UInt
    var number: UInt
    var size: Int

    /// nil when there is no such file.
    init?(path: String) {
      var info = stat()
      guard stat(path, &info) == 0 else { return nil }
      self.init(info)
    }

    init?(descriptor: Int32) {
      var info = stat()
      guard fstat(descriptor, &info) == 0 else { return nil }
      self.init(info)
    }

    private init(_ info: stat) {
      device = UInt(info.st_dev)
      number = UInt(info.st_ino)
      size = Int(info.st_size)
    }

    func isSameFile(as other: Identity) -> Bool {
      device == other.device && number == other.number
    }
  }

  private struct State {
    /// As it was when it was opened, and with the largest size it has had: it never shrinks.
    var file: Identity?
    var log: Identity?
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
    state = Mutex(
      State(file: Identity(descriptor: descriptor), log: Identity(path: path + "-wal")))
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Whether there was a file.
  var isOfFile: Bool { descriptor >= 0 }

  /// The connection is a new one, with a new log.
  func connectedAnew() {
    state.withLock { $0.log = Identity(path: path + "-wal") }
  }

  /// Why the content is untrue since somebody changed it: nothing can be read or written before the
  /// next start, which will want another file. nil when it is as it was written.
  var damage: String? {
    state.withLock { state in
      guard let file = state.file, state.cut == nil else { return state.cut }
      let size = Identity(descriptor: descriptor)?.size ?? 0
      var header = [UInt8](repeating: 0, count: Self.header.count)
      if size < file.size {
        state.cut = "\(path) was cut from \(file.size) to \(size) bytes while it was in use"
      } else if file.size > 0,
        pread(descriptor, &header, header.count, 0) != header.count
          || header != Self.header
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
  var logTrouble: String? { Self.change(of: path + "-wal", from: state.withLock { $0.log }) }

  private static func change(of path: String, from before: Identity?) -> String? {
    guard let before else { return nil }
    guard let now = Identity(path: path) else { return "\(path) was deleted while it was in use" }
    return now.isSameFile(as: before) ? nil : "\(path) was replaced while it was in use"
  }
}
