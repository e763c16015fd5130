import Glibc
package import RolloutCore
import Synchronization

/// The server's data directory, held for one process by a lock file.
///
/// Every file in it carries the identity of the directory. The main file counts its commits, and
/// the lock file is told that count with each of them: so a main file that is missing, older than
/// what was acknowledged, or from elsewhere is noticed before anything is written.
package final class DataDirectory: Sendable {
  /// What a person allows with the command line, once.
  package struct Permissions: Sendable, Equatable {
    /// To begin anew where the main file is missing.
    package var acceptsEmpty = false
    /// To go on with a main file that is older than the files beside it.
    package var acceptsOlder = false
    /// To set a damaged `jobs.db` aside.
    package var quarantines = false

    package init() {}
  }

  /// What the lock file says.
  struct Mark: Sendable, Equatable {
    var identity: String
    /// Commits of the main file that were acknowledged.
    var commits: Int
    /// Whether a server has it open; false after a proper end.
    var isOpen: Bool
  }

  package let path: String
  package let permissions: Permissions
  private let lock: Mutex<Int32>
  private let mark: Mutex<Mark?>
  /// How the server before this one left the directory; nil when nobody knows.
  let markAtStart: Mark?

  /// Creates the directory (mode 0700) where it is missing. Throws `StoreError.unavailable` when
  /// another server holds it: two writers on one WAL can corrupt it.
  package init(_ path: String, _ permissions: Permissions = Permissions()) throws {
    self.path = path
    self.permissions = permissions
    if mkdir(path, 0o700) != 0, errno != EEXIST, access(path, F_OK) != 0 {
      throw StoreError.unavailable("\(path): \(String(cString: strerror(errno)))")
    }
    let file = "\(path)/rollout.lock"
    var descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    // A disk that can only be read can be served from.
    if descriptor < 0, errno == EROFS { descriptor = open(file, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else {
      throw StoreError.unavailable("\(file): \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw StoreError.unavailable(
        "another server holds \(path); stop it, or start this one with another --data")
    }
    let found = Mark(readFrom: descriptor)
    markAtStart = found
    mark = Mutex(found)
    lock = Mutex(descriptor)
  }

  deinit { release() }

  /// Lets another server have the directory; call it once the databases are closed.
  package func release() {
    lock.withLock { lock in
      if lock >= 0 { close(lock) }
      lock = -1
    }
  }

  static let mainFile = "rollout.db"
  static let siblings = ["telemetry.db", "jobs.db", "budget.db", "holds.bin"]

  // MARK: Identity

  /// nil until the main file has been opened.
  var identity: String? { mark.withLock { $0?.identity } }

  /// Whether there was a server on this directory before: then its files must be there.
  package var isKnown: Bool { markAtStart != nil }

  /// Whether the server before this one ended properly.
  var wasClosed: Bool { markAtStart?.isOpen == false }

  /// Refuses to begin anew beside what belongs to a main file that is gone. Throws `StoreError`.
  func checkMainFile() throws {
    guard !permissions.acceptsEmpty, size(of: Self.mainFile) == 0 else { return }
    let left = Self.siblings.filter { size(of: $0) > 0 }
    guard isKnown || !left.isEmpty else { return }
    let beside = left.isEmpty ? "rollout.lock" : left.joined(separator: ", ")
    throw StoreError.unavailable(
      "\(path)/\(Self.mainFile) is missing, though \(beside) belong to one: plans, history and "
        + "tokens would begin empty. Put it back (restore a copy), or start with --accept-empty")
  }

  /// Takes in what the main file says of itself, before anything is written to it. Throws
  /// `StoreError`.
  func check(identity: String, commits: Int) throws {
    guard let known = markAtStart, !permissions.acceptsEmpty, !permissions.acceptsOlder else {
      return
    }
    guard known.identity == identity else {
      throw StoreError.unavailable(
        "\(path)/\(Self.mainFile) is from another data directory than the files beside it; put "
          + "the right one back, or start with --accept-older to go on with this one")
    }
    guard commits >= known.commits else {
      throw StoreError.unavailable(
        "\(path)/\(Self.mainFile) is older than what this directory has acknowledged "
          + "(\(known.commits - commits) commits are missing): an old copy, or its "
          + "\(Self.mainFile)-wal is gone. Put the newest back, or start with --accept-older, "
          + "which goes on with the older state")
    }
  }

  /// The main file is open: from now on its commits are counted here.
  func begin(identity: String, commits: Int) {
    note(Mark(identity: identity, commits: commits, isOpen: true))
  }

  /// The main file has this many commits on disk. Without an fsync: it is for what happens to files
  /// while the machine runs, and a power loss only makes it say less.
  func note(commits: Int) {
    guard var next = mark.withLock({ $0 }), commits > next.commits else { return }
    next.commits = commits
    note(next)
  }

  /// The files are about to be closed properly.
  package func end() {
    guard var last = mark.withLock({ $0 }) else { return }
    last.isOpen = false
    note(last)
  }

  private func note(_ new: Mark) {
    mark.withLock { $0 = new }
    let text = Array(new.text.utf8)
    lock.withLock { lock in
      guard lock >= 0, pwrite(lock, text, text.count, 0) < 0, errno == EBADF else { return }
      // Opened to be read, when the disk could only be read. The lock stays with the first.
      let writer = open("\(path)/rollout.lock", O_WRONLY | O_CLOEXEC)
      guard writer >= 0 else { return }
      _ = pwrite(writer, text, text.count, 0)
      close(writer)
    }
  }

  // MARK: Files

  /// What the system says when the disk takes nothing. Not being allowed to write is not among
  /// them: that is for whoever starts the server to put right.
  private static let diskErrors: Set<Int32> = [ENOSPC, EDQUOT, EROFS, EFBIG, EIO]
  /// Bytes that a disk must still take.
  private static let probeSize: off_t = 1 << 20

  /// Why the disk takes nothing now, in words: it is full, can only be read, or fails. nil when it
  /// does, and when something else is wrong.
  func diskTrouble() -> String? {
    let probe = "\(path)/rollout.probe"
    let descriptor = open(probe, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    var result = descriptor < 0 ? errno : 0
    if descriptor >= 0 {
      result = posix_fallocate(descriptor, 0, Self.probeSize)
      if result == 0, fsync(descriptor) != 0 { result = errno }
      close(descriptor)
      unlink(probe)
    }
    return Self.diskErrors.contains(result) ? String(cString: strerror(result)) : nil
  }

  func size(of name: String) -> Int {
    var info = stat()
    return stat("\(path)/\(name)", &info) == 0 ? Int(info.st_size) : 0
  }

  /// Renames a file that cannot be used, with what belongs to it; returns its new name. Throws
  /// `StoreError`.
  package func setAside(_ name: String, now: Instant) throws -> String {
    let time = now.rfc3339.filter { $0.isNumber || $0 == "T" }
    let kept = "\(name).corrupt-\(time)"
    for suffix in ["", "-wal"] {
      let old = "\(path)/\(name)\(suffix)"
      if access(old, F_OK) != 0 { continue }
      guard rename(old, "\(path)/\(kept)\(suffix)") == 0 else {
        throw StoreError.unavailable("\(old): \(String(cString: strerror(errno)))")
      }
    }
    unlink("\(path)/\(name)-shm")
    return kept
  }

  /// Writes a file that only the owner can read, whole or not at all.
  package func writeSecret(_ text: String, to name: String) throws {
    let target = "\(path)/\(name)"
    let temporary = target + ".new"
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError.unavailable("\(temporary): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0,
      rename(temporary, target) == 0
    else { throw StoreError.unavailable("\(target): \(String(cString: strerror(errno)))") }
    // The name is durable once the folder is.
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { return }
    fsync(folder)
    close(folder)
  }
}

extension DataDirectory.Mark {
  /// One line of a fixed length, so that a newer one covers an older one.
  fileprivate var text: String {
    let digits = String(commits)
    let padding = String(repeating: "0", count: max(0, 20 - digits.count))
    return "rollout \(identity) \(padding)\(digits) \(isOpen ? "open  " : "closed")\n"
  }

  /// nil for an empty file, and for one of another shape.
  fileprivate init?(readFrom descriptor: Int32) {
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = pread(descriptor, &buffer, buffer.count, 0)
    guard count > 0 else { return nil }
    let words = String(decoding: buffer[..<count], as: UTF8.self)
      .split(whereSeparator: \.isWhitespace)
    guard words.count == 4, words[0] == "rollout", let commits = Int(words[2]),
      words[3] == "open" || words[3] == "closed"
    else { return nil }
    self.init(identity: String(words[1]), commits: commits, isOpen: words[3] == "open")
  }
}

/// Whether a path still leads to the file that was opened there.
struct FileWitness: Sendable {
  let path: String
  private let device: UInt
  private let number: UInt

  init(_ path: String) {
    self.path = path
    (device, number) = Self.look(path) ?? (0, 0)
  }

  /// Whether there was a file.
  var isOfFile: Bool { number != 0 }

  private static func look(_ path: String) -> (UInt, UInt)? {
    var info = stat()
    return stat(path, &info) == 0 ? (UInt(info.st_dev), UInt(info.st_ino)) : nil
  }

  /// Why nothing may be written any more; nil when all is well, and when there was no file yet.
  var trouble: String? {
    guard isOfFile else { return nil }
    guard let now = Self.look(path) else { return "\(path) was deleted while it was in use" }
    return now == (device, number) ? nil : "\(path) was replaced while it was in use"
  }
}
