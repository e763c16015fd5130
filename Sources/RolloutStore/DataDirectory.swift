import Glibc
package import RolloutCore
import Synchronization

/// The server's data directory, held for one process by locks on itself and on a file in it.
///
/// Every file in it carries the identity of the directory. Those that hold what was promised count
/// their commits, and the lock file is told that count with each of them: so a file that is
/// missing, older than what was acknowledged, or from elsewhere is noticed before anything is
/// written.
package final class DataDirectory: Sendable {
  /// What a person allows with the command line, once.
  package struct Permissions: Sendable, Equatable {
    /// To begin anew where the main file is missing.
    package var acceptsEmpty = false
    /// To go on with a main file, or jobs, that are older than what was acknowledged.
    package var acceptsOlder = false
    /// To set a `jobs.db` aside that cannot be used.
    package var quarantines = false

    package init() {}
  }

  private struct State {
    /// Both are locked; -1 once released. Whoever deletes the file takes only one of them.
    var folder: Int32
    var lock: Int32
    var mark: DirectoryMark?
    /// Files whose loss a person has accepted.
    var givenUp: Set<String> = []
    var mended: [String] = []
  }

  package let path: String
  package let permissions: Permissions
  private let state: Mutex<State>
  /// How the server before this one left the directory; nil when nobody knows.
  private let markAtStart: DirectoryMark?

  /// Creates the directory (mode 0700) where it is missing. Throws `StoreError.unavailable` when
  /// another server holds it: two writers on one WAL can corrupt it.
  package init(_ path: String, _ permissions: Permissions = Permissions()) throws {
    self.path = path
    self.permissions = permissions
    if mkdir(path, 0o700) != 0, errno != EEXIST, access(path, F_OK) != 0 {
      throw StoreError.unavailable("\(path): \(String(cString: strerror(errno)))")
    }
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else {
      throw StoreError.unavailable("\(path): \(String(cString: strerror(errno)))")
    }
    do {
      try Self.take(folder, of: path)
      let lock = try Self.openLock(path)
      let found = DirectoryMark(readFrom: lock)?.afterStart
      markAtStart = found
      state = Mutex(State(folder: folder, lock: lock, mark: found))
    } catch {
      close(folder)
      throw error
    }
  }

  private static let lockFile = "rollout.lock"

  /// Opens or creates the lock file, and locks it.
  private static func openLock(_ path: String) throws -> Int32 {
    let file = "\(path)/\(lockFile)"
    var descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    // A disk that can only be read can be served from.
    if descriptor < 0, errno == EROFS { descriptor = open(file, O_RDONLY | O_CLOEXEC) }
    guard descriptor >= 0 else {
      throw StoreError.unavailable("\(file): \(String(cString: strerror(errno)))")
    }
    do { try take(descriptor, of: path) } catch {
      close(descriptor)
      throw error
    }
    return descriptor
  }

  private static func take(_ descriptor: Int32, of path: String) throws {
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else {
        throw StoreError.unavailable(
          "\(path) cannot be locked: \(String(cString: strerror(errno)))")
      }
      throw StoreError.unavailable(
        "another server holds \(path); stop it, or start this one with another --data")
    }
  }

  deinit { release() }

  /// Lets another server have the directory; call it once the databases are closed.
  package func release() {
    state.withLock { state in
      for descriptor in [state.lock, state.folder] where descriptor >= 0 { close(descriptor) }
      (state.lock, state.folder) = (-1, -1)
    }
  }

  static let mainFile = "rollout.db"
  package static let telemetryFile = "telemetry.db"
  package static let jobsFile = "jobs.db"
  static let budgetFile = "budget.db"
  static let holdsFile = "holds.bin"
  static let siblings = [telemetryFile, jobsFile, budgetFile, holdsFile]

  // MARK: Identity

  /// nil until the main file has been opened.
  var identity: String? { state.withLock { $0.mark?.identity } }

  /// Whether the server before this one had the file: then it must be there.
  package func wasHere(_ name: String) -> Bool {
    guard let markAtStart, !state.withLock({ $0.givenUp.contains(name) }) else { return false }
    // Before they were counted, every start made all of them.
    return markAtStart.boot == nil || markAtStart.counts[name] != nil
  }

  /// How many commits the file must have.
  func acknowledged(_ name: String) -> Int { state.withLock { acknowledged(name, $0) } }

  private func acknowledged(_ name: String, _ state: borrowing State) -> Int {
    state.givenUp.contains(name) ? 0 : markAtStart?.counts[name]?.commits ?? 0
  }

  /// A person accepts that the file's content is lost; a new one may take its place.
  package func giveUp(_ name: String) { state.withLock { _ = $0.givenUp.insert(name) } }

  /// Refuses to begin anew beside what belongs to a file that is gone. Throws `StoreError`.
  func checkPresence(of name: String) throws {
    guard size(of: name) == 0 else { return }
    switch name {
    case Self.mainFile: try checkMainFile()
    case Self.jobsFile where wasHere(name) && !permissions.acceptsEmpty:
      throw StoreError.corrupt("\(path)/\(name) is missing or empty")
    default: break
    }
  }

  private func checkMainFile() throws {
    guard !permissions.acceptsEmpty else { return }
    let left = Self.siblings.filter { size(of: $0) > 0 }
    guard markAtStart != nil || !left.isEmpty else { return }
    let beside = left.isEmpty ? Self.lockFile : left.joined(separator: ", ")
    throw StoreError.unavailable(
      "\(path)/\(Self.mainFile) is missing or empty, though \(beside) belong to one: plans, history "
        + "and tokens would begin empty. Put it back (restore a copy), or start with --accept-empty"
    )
  }

  /// Takes in what a file says of itself, before anything is written to it. Throws `StoreError`.
  func check(_ name: String, identity: String?, commits: Int) throws {
    guard let known = markAtStart, !permissions.acceptsEmpty, !permissions.acceptsOlder else {
      return
    }
    let isMain = name == Self.mainFile
    guard known.identity == identity ?? known.identity || !isMain else {
      throw StoreError.unavailable(
        "\(path)/\(name) is from another data directory than the files beside it; put "
          + "the right one back, or start with --accept-older to go on with this one")
    }
    let missing = acknowledged(name) - commits
    // Older spending is for the budgets to judge.
    guard missing > 0, isMain || name == Self.jobsFile else { return }
    let why =
      "\(path)/\(name) is older than what this directory has acknowledged "
      + "(\(missing) commits are missing): an old copy, or its \(name)-wal is gone. "
      + "Put the newest back, or start with --accept-older, which goes on with the older state"
    throw isMain ? StoreError.unavailable(why) : StoreError.corrupt(why)
  }

  /// A file is open: from now on its commits are counted here. One that is older than it should be
  /// is not gone down to: whoever accepts the loss raises the count in the file.
  func begin(_ name: String, identity: String, commits: Int, isDurable: Bool) {
    state.withLock { state in
      var mark = DirectoryMark(identity: identity, counts: state.mark?.counts ?? [:])
      let known = mark.counts[name]?.commits ?? 0
      let count = commits < acknowledged(name, state) ? known : commits
      let durable = isDurable ? commits : mark.counts[name]?.durable ?? 0
      mark.counts[name] = DirectoryMark.Count(commits: count, durable: min(durable, commits))
      note(mark, &state)
    }
  }

  /// The file has this many commits; `isDurable` says whether all of them outlive a power loss.
  /// Without an fsync: it is for what happens to files while the machine runs, and a power loss
  /// only makes it say less.
  func note(_ name: String, commits: Int, isDurable: Bool) {
    state.withLock { state in
      guard var mark = state.mark, commits > mark.counts[name]?.commits ?? 0 else { return }
      let durable = isDurable ? commits : mark.counts[name]?.durable ?? 0
      mark.counts[name] = DirectoryMark.Count(commits: commits, durable: durable)
      note(mark, &state)
    }
  }

  /// The files are closed properly.
  package func end() {
    state.withLock { state in
      guard var last = state.mark else { return }
      last.isOpen = false
      note(last, &state)
    }
  }

  private func note(_ new: DirectoryMark, _ state: inout State) {
    state.mark = new
    let text = Array(new.text.utf8)
    guard state.lock >= 0, pwrite(state.lock, text, text.count, 0) < 0, errno == EBADF else {
      return
    }
    // Opened to be read, when the disk could only be read. The lock stays with the first.
    let writer = open("\(path)/\(Self.lockFile)", O_WRONLY | O_CLOEXEC)
    guard writer >= 0 else { return }
    _ = pwrite(writer, text, text.count, 0)
    close(writer)
  }

  // MARK: Under the server

  /// Makes the lock file anew where somebody has deleted or replaced it: what it says is in memory,
  /// and the directory itself is locked all the time. Returns what keeps it from that, in words.
  package func keepLock() -> String? {
    state.withLock { state in
      guard state.lock >= 0, isOurs(state.folder, path),
        !isOurs(state.lock, "\(path)/\(Self.lockFile)")
      else { return nil }
      let new: Int32
      do { new = try Self.openLock(path) } catch {
        return "\(path)/\(Self.lockFile) was deleted or replaced under the server: \(error)"
      }
      close(state.lock)
      state.lock = new
      ftruncate(new, 0)
      if let mark = state.mark { note(mark, &state) }
      state.mended.append(
        "\(Self.lockFile) was deleted or replaced under the server and is made anew")
      return nil
    }
  }

  private func isOurs(_ descriptor: Int32, _ path: String) -> Bool {
    var (ours, found) = (stat(), stat())
    return fstat(descriptor, &ours) == 0 && stat(path, &found) == 0
      && ours.st_dev == found.st_dev && ours.st_ino == found.st_ino
  }

  /// Tells of a file that was put right while it was in use.
  func tellMended(_ text: String) { state.withLock { $0.mended.append(text) } }

  /// What was put right since the last time, in words.
  package func takeMended() -> [String] {
    state.withLock { state in
      defer { state.mended = [] }
      return state.mended
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

  /// In bytes; 0 for a file that is not there.
  package func size(of name: String) -> Int {
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
