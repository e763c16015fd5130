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
    /// What the lock file says, unless somebody else has written to it.
    var written: DirectoryMark?
    /// How the server before this one left the directory; nil when nobody knows.
    var before: DirectoryMark?
    /// Files whose loss a person has accepted.
    var givenUp: Set<String> = []
    var mended: [String] = []
  }

  package let path: String
  package let permissions: Permissions
  private let state: Mutex<State>

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
      let written: DirectoryMark?
      do { written = try DirectoryMark(readFrom: lock) } catch StoreError.unavailable(let why) {
        throw StoreError.unavailable("\(path)/\(Self.lockFile): \(why)")
      }
      let found = written?.afterStart
      state = Mutex(State(folder: folder, lock: lock, mark: found, written: written, before: found))
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
    do {
      try take(descriptor, of: path)
      var info = stat()
      guard fstat(descriptor, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
        throw StoreError.unavailable("\(file) is no file; move it away")
      }
    } catch {
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
      for descriptor in [state.lock, state.folder] where descriptor >= 0 {
        // Closing alone leaves it locked while a child that was just forked holds it too.
        flock(descriptor, LOCK_UN)
        close(descriptor)
      }
      (state.lock, state.folder) = (-1, -1)
    }
  }

  static let mainFile = "rollout.db"
  package static let telemetryFile = "telemetry.db"
  package static let jobsFile = "jobs.db"
  static let budgetFile = "budget.db"
  static let holdsFile = "holds.bin"
  static let siblings = [telemetryFile, jobsFile, budgetFile, holdsFile]
  /// What a back-up holds.
  static let databaseFiles = [mainFile, telemetryFile, jobsFile, budgetFile]

  // MARK: Identity

  /// nil until the main file has been opened.
  var identity: String? { state.withLock { $0.mark?.identity } }

  /// Whether the server before this one had the file: then it must be there.
  package func wasHere(_ name: String) -> Bool {
    state.withLock { state in
      guard let before = state.before, !state.givenUp.contains(name) else { return false }
      // Before they were counted, every start made all of them.
      return before.boot == nil || before.counts[name] != nil
    }
  }

  /// How many commits the file must have.
  func acknowledged(_ name: String) -> Int { state.withLock { acknowledged(name, $0) } }

  private func acknowledged(_ name: String, _ state: borrowing State) -> Int {
    state.givenUp.contains(name) ? 0 : state.before?.counts[name]?.commits ?? 0
  }

  /// A person accepts that the file's content is lost; a new one may take its place.
  package func giveUp(_ name: String) { state.withLock { _ = $0.givenUp.insert(name) } }

  /// Takes in what a file that is found says of itself and of the others, before it is checked: any
  /// of them may have been replaced by an older one, and the lock file too. Where that says nothing
  /// a main file that has been used is what there is to go by.
  func learn(_ name: String, _ found: Membership.Record) {
    let kept = found.mark?.afterStart
    state.withLock { state in
      if state.before == nil, name == Self.mainFile,
        found.commits > 0 || kept?.counts.count ?? 0 > 1
      {
        var mark = DirectoryMark(identity: found.identity, counts: [:])
        // An earlier version wrote it, and made all of them at every start.
        if kept == nil {
          for name in Self.siblings { mark.counts[name] = .init(commits: 0, durable: 0) }
        }
        mark.isRebuilt = true
        (state.before, state.mark) = (mark, mark)
      }
      guard let kept, kept.identity == found.identity, kept.identity == state.before?.identity
      else { return }
      state.before?.merge(kept)
      state.mark?.merge(kept)
    }
  }

  /// Whether `rollout.lock` was missing or could not be read although the directory had been used,
  /// and what that means for the money is not kept yet.
  package var isRebuilt: Bool { state.withLock { $0.mark?.isRebuilt == true } }

  /// It is kept.
  func settleRebuilt() {
    state.withLock { state in
      guard var mark = state.mark, mark.isRebuilt else { return }
      mark.isRebuilt = false
      note(mark, &state)
    }
  }

  /// What a file keeps of the others; nil before there is anything to keep.
  func mark(for name: String) -> String? { state.withLock { $0.mark?.without(name).text } }

  /// Refuses to begin anew beside what belongs to a file that is gone. Throws `StoreError`.
  func checkPresence(of name: String) throws {
    try checkIsFile(name)
    guard size(of: name) == 0 else { return }
    switch name {
    case Self.mainFile: try checkMainFile()
    case Self.jobsFile where wasHere(name) && !permissions.acceptsEmpty:
      throw StoreError.corrupt("\(path)/\(name) is missing or empty")
    default: break
    }
  }

  /// Throws `StoreError.corrupt` for a folder, a pipe, or a link to nothing. Beside a database that
  /// must not be lost it is no fault of that one, which stays where it is: `unavailable`.
  func checkIsFile(_ name: String) throws {
    // All that SQLite opens, which waits for whoever writes into a pipe.
    for suffix in ["", "-wal", "-journal", "-shm"] {
      let file = "\(path)/\(name)\(suffix)"
      var info = stat()
      guard lstat(file, &info) == 0 else { continue }
      guard stat(file, &info) == 0, info.st_mode & S_IFMT == S_IFREG else {
        guard !suffix.isEmpty, name == Self.mainFile || name == Self.jobsFile else {
          throw StoreError.corrupt("\(file) is no file")
        }
        throw StoreError.unavailable(
          "\(file) is no file. Move it away, and leave \(name) where it is: whether anything of it "
            + "is missing, the next start says")
      }
    }
  }

  private func checkMainFile() throws {
    guard !permissions.acceptsEmpty else { return }
    let left = Self.siblings.filter { size(of: $0) > 0 }
    guard state.withLock({ $0.before != nil }) || !left.isEmpty else { return }
    let beside = left.isEmpty ? Self.lockFile : left.joined(separator: ", ")
    throw StoreError.unavailable(
      "\(path)/\(Self.mainFile) is missing or empty, though \(beside) belong to one: plans, history "
        + "and tokens would begin empty. Put it back (restore a copy), or start with --accept-empty"
    )
  }

  /// Takes in what a file says of itself, before anything is written to it. Throws `StoreError`.
  func check(_ name: String, identity: String?, commits: Int) throws {
    guard let known = state.withLock({ $0.before }), !permissions.acceptsEmpty,
      !permissions.acceptsOlder
    else { return }
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
      mark.isRebuilt = state.mark?.isRebuilt ?? false
      note(mark, &state)
      // Its content is written in place from here on: it must not be empty after a power loss.
      if name == Self.mainFile, state.lock >= 0 { fsync(state.lock) }
    }
  }

  /// All that the file has acknowledged outlives a power loss.
  func settled(_ name: String) {
    state.withLock { state in
      guard var mark = state.mark, let count = mark.counts[name] else { return }
      mark.counts[name]?.durable = count.commits
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

  /// Whether the lock file says it.
  @discardableResult
  private func note(_ new: DirectoryMark, _ state: inout State) -> Bool {
    state.mark = new
    let text = Array(new.text.utf8)
    guard state.lock >= 0 else { return false }
    var count = pwrite(state.lock, text, text.count, 0)
    if count < 0, errno == EBADF {
      // Opened to be read, when the disk could only be read. The lock stays with the first.
      let writer = open("\(path)/\(Self.lockFile)", O_WRONLY | O_CLOEXEC)
      if writer >= 0 {
        count = pwrite(writer, text, text.count, 0)
        close(writer)
      }
    }
    guard count == text.count else { return false }
    state.written = new
    return true
  }

  // MARK: Under the server

  /// Makes the lock file anew where somebody has deleted or replaced it: what it says is in memory,
  /// and the directory itself is locked all the time. Returns what keeps it from that, in words.
  package func keepLock() -> String? {
    state.withLock { state in
      guard state.lock >= 0, FileIdentity.isInPlace(state.folder, path) else { return nil }
      guard !FileIdentity.isInPlace(state.lock, "\(path)/\(Self.lockFile)") else {
        keepMark(&state)
        return nil
      }
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

  /// Writes the mark where the lock file does not say it: somebody has written over it, or the disk
  /// took nothing.
  private func keepMark(_ state: inout State) {
    // What cannot be read is looked at again.
    let found: DirectoryMark?
    do { found = try DirectoryMark(readFrom: state.lock) } catch { return }
    guard let mark = state.mark, found != mark else { return }
    let isOurs = found == state.written
    guard note(mark, &state), !isOurs else { return }
    state.mended.append("\(Self.lockFile) was written over under the server and is made anew")
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
    var kept = "\(name).corrupt-\(time)"
    var info = stat()
    var number = 1
    // What was kept in the same second stays.
    while lstat("\(path)/\(kept)", &info) == 0 {
      number += 1
      kept = "\(name).corrupt-\(time)-\(number)"
    }
    for suffix in ["", "-wal", "-journal", "-shm"] {
      let old = "\(path)/\(name)\(suffix)"
      if lstat(old, &info) != 0 { continue }
      guard rename(old, "\(path)/\(kept)\(suffix)") == 0 else {
        throw StoreError.unavailable("\(old): \(String(cString: strerror(errno)))")
      }
    }
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
