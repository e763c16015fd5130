internal import CSQLite
import Glibc
import RolloutCore
import Synchronization

/// A database file behind one thread. Writes that wait together are committed together, so that
/// one fsync acknowledges them all; each still succeeds or fails by itself.
final class Database: Sendable {
  private let queue: WorkQueue<Job>
  private let ended = Ending()
  private let health: Health
  let name: String

  /// Whether writing works, as the last write found.
  private final class Health: Sendable {
    let witness: Mutex<FileWitness>
    let failure: Mutex<StoreError?>
    /// Whether the file could not be opened to be written, and still cannot: reads are of a copy in
    /// memory, of the start, and each write tries again to open it.
    let isReadOnly: Atomic<Bool>

    init(_ path: String, readOnly why: StoreError?) {
      witness = Mutex(FileWitness(path))
      failure = Mutex(why)
      isReadOnly = Atomic(why != nil)
    }

    var file: FileWitness { witness.withLock { $0 } }

    /// Why what was opened is no longer what the next start will find; nil when it is.
    var fileTrouble: String? { file.trouble }
  }

  /// Why nothing can be written now, in words; nil when all is well.
  var trouble: String? {
    fileTrouble ?? health.failure.withLock { $0 }.map { "\($0)" }
  }

  /// Why nothing may be written any more because of what somebody did to the file, in words.
  var fileTrouble: String? {
    let file = health.file
    if let damage = file.damage { return damage + ": stop the server, and put a copy in its place" }
    return (file.trouble ?? file.logTrouble).map {
      $0 + ": put it back, or stop the server and restore a copy"
    }
  }

  /// Writes what changes nothing, to know whether writing works; and puts a log that is not at its
  /// place right. Throws `StoreError`.
  func probe() async throws {
    try await write { try Membership.touch($0) }
  }

  /// Keeps in the file what the others have acknowledged, where that is news. Throws `StoreError`.
  func keepMark(_ directory: DataDirectory) async throws {
    let name = name
    try await write { try Membership.keep(directory.mark(for: name), $0) }
  }

  /// Once the files that were opened after it have said what they know: whether it is as new as
  /// they have seen it. Throws `StoreError` when it is not, and nobody has accepted that.
  func confirm(_ directory: DataDirectory) async throws {
    let commits = try await read(Membership.commits)
    try directory.check(name, identity: nil, commits: commits)
    let known = directory.acknowledged(name)
    guard commits < known else { return }
    // Where the disk takes nothing, the next start asks again.
    try? await write { try Membership.raise($0, to: known) }
  }

  /// One piece of work. `perform` runs on the database's thread and returns what to do once the
  /// batch is on disk; `fail` is called instead when it is not.
  private struct Job: Sendable {
    var writes: Bool
    var perform: @Sendable (Connection) -> @Sendable () -> Void
    var fail: @Sendable (StoreError) -> Void
  }

  /// Opens the file `name` of the directory and brings its schema up to date before returning; a
  /// file that is not this directory's is refused. Where the disk takes nothing, what it holds is
  /// read into memory and can only be read. Throws `StoreError`, which names the file.
  init(
    _ directory: DataDirectory, _ name: String, durability: Connection.Durability,
    erasesDeleted: Bool = false, migrations: [Migration], now: Instant
  ) throws {
    let opening = FileOpening(
      directory: directory, name: name, durability: durability, erasesDeleted: erasesDeleted,
      migrations: migrations, now: now)
    let queue = WorkQueue<Job>()
    self.queue = queue
    self.name = name
    // The connection moves to the thread and is never touched here again.
    nonisolated(unsafe) let moved: Connection?
    let health: Health
    switch try opening.find() {
    case .writable(let connection):
      moved = connection
      health = Health(opening.path, readOnly: nil)
    case .readable(let connection, let why):
      moved = connection
      health = Health(opening.path, readOnly: why)
    }
    self.health = health
    let ended = ended
    startDatabaseThread {
      var worker = Worker(connection: moved, health: health, opening: opening)
      while let jobs = queue.takeAll() { worker.run(jobs) }
      worker.finish()
      // Closing moves the write-ahead log into the file, unless somebody has spoilt that.
      worker.connection?.close(leavingLog: health.file.damage != nil)
      ended.signal()
    }
  }

  deinit { queue.close() }

  /// Runs `body` in a transaction; returns once it is durable. `committed` is told before, on the
  /// database's thread, in the order of the commits. Throws `StoreError`.
  func write<T: Sendable>(
    committed: @escaping @Sendable (T) -> Void = { _ in },
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await submit(writes: true, committed: committed, body)
  }

  /// Runs `body` between transactions. Throws `StoreError`.
  func read<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await submit(writes: false, body)
  }

  /// Runs `body` between transactions without anybody waiting; `failed` is told instead where
  /// nothing can be read.
  func read(
    _ body: @escaping @Sendable (Connection) -> Void,
    failed: @escaping @Sendable (StoreError) -> Void
  ) {
    let job = Job(writes: false) { connection in
      body(connection)
      return {}
    } fail: { error in
      failed(error)
    }
    if !queue.append(job) { job.fail(.unavailable("the server is shutting down")) }
  }

  /// The same for what can wait: between two batches one such `body` runs at most, so it must be
  /// short. Throws `StoreError`.
  func readAside<T: Sendable>(
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await submit(writes: false, isAside: true, body)
  }

  /// Runs `body` in a transaction without anybody waiting; `then` is told on the database's thread
  /// how it ended.
  func write(
    _ body: @escaping @Sendable (Connection) throws -> Void,
    then: @escaping @Sendable (StoreError?) -> Void
  ) {
    let job = Job(writes: true) { connection in
      do {
        try body(connection)
        return { then(nil) }
      } catch {
        try? connection.execute("ROLLBACK TO job")
        let seen = (error as? SQLiteError)?.storeError ?? .unavailable("\(error)")
        return { then(seen) }
      }
    } fail: { error in
      then(error)
    }
    if !queue.append(job) { job.fail(.unavailable("the server is shutting down")) }
  }

  private func submit<T: Sendable>(
    writes: Bool, isAside: Bool = false, committed: @escaping @Sendable (T) -> Void = { _ in },
    _ body: @escaping @Sendable (Connection) throws -> T
  ) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
      let job = Job(writes: writes) { connection in
        do {
          let value = try body(connection)
          return {
            committed(value)
            continuation.resume(returning: value)
          }
        } catch {
          if writes { try? connection.execute("ROLLBACK TO job") }
          let seen = (error as? SQLiteError)?.storeError ?? error
          return { continuation.resume(throwing: seen) }
        }
      } fail: { error in
        continuation.resume(throwing: error)
      }
      if !queue.append(job, isAside: isAside) {
        job.fail(.unavailable("the server is shutting down"))
      }
    }
  }

  /// Returns once everything submitted so far is done and the file is closed.
  func close() async {
    queue.close()
    await ended.wait()
  }

  /// The thread's side: the connection, and a new one after a failed commit.
  private struct Worker {
    /// nil after a failed commit, and where there is nothing to read.
    var connection: Connection?
    let health: Health
    let opening: FileOpening

    mutating func run(_ jobs: [Job]) {
      beginWork()
      let answers = perform(jobs)
      endWork()
      // Last: who cuts the log once somebody knows of a commit must not be taken for ourselves.
      for answer in answers { answer() }
    }

    /// Does everything; what is still to be told to those whose changes are committed.
    private mutating func perform(_ jobs: [Job]) -> [@Sendable () -> Void] {
      let writes = jobs.filter(\.writes)
      do {
        try cutRemains()
        try keepLog()
      } catch {
        // Nothing of it can be believed before the log is what it was.
        let seen = Self.storeError(error)
        health.failure.withLock { $0 = seen }
        for job in jobs { job.fail(seen) }
        return []
      }
      do {
        // What is read of it now may be anything.
        if let damage = health.file.damage {
          for job in jobs { job.fail(.unavailable(damage)) }
          return []
        }
        if health.isReadOnly.load(ordering: .acquiring), !writes.isEmpty { try becomeWritable() }
        let connection = try self.connection ?? reopened()
        self.connection = connection
        for job in jobs where !job.writes { job.perform(connection)() }
        guard !writes.isEmpty else { return [] }
        if let trouble = health.fileTrouble {
          for job in writes { job.fail(.unavailable(trouble)) }
          return []
        }
        // Of a commit that fails it must be known what was there before.
        guard health.file.knowsLog() else {
          let seen = StoreError.unavailable("\(opening.path)-wal cannot be read")
          health.failure.withLock { $0 = seen }
          for job in writes { job.fail(seen) }
          return []
        }
        let (answers, hasWritten) = try commit(writes, connection)
        if hasWritten { health.failure.withLock { $0 = nil } }
        return answers
      } catch {
        let seen = Self.storeError(error)
        health.failure.withLock { $0 = seen }
        end(jobs, with: seen, wasFull: (error as? SQLiteError)?.isFull == true)
        return []
      }
    }

    private static func storeError(_ error: any Error) -> StoreError {
      (error as? SQLiteError)?.storeError ?? error as? StoreError ?? .unavailable("\(error)")
    }

    /// Takes out of the log what a failed commit has left there, before anybody takes it for a
    /// transaction. Throws `StoreError` while that cannot be done.
    private func cutRemains() throws {
      guard case .left = health.file.cutRemains() else { return }
      throw StoreError.unavailable(
        "what a failed write has left in \(opening.path)-wal cannot be taken out yet")
    }

    private func beginWork() { health.file.beginWork() }

    /// Takes in what was written to the log. One that is too large to be held goes into the file.
    private func endWork() {
      let file = health.file
      if !file.followLog(), let connection, (try? connection.settle()) != nil {
        _ = file.followLog()
      }
      file.endWork()
    }

    /// Puts a log right that somebody has cut or written over, and moves what one holds that is not
    /// at its place into the file, and begins a new one. Throws `SQLiteError` or `StoreError`.
    private mutating func keepLog() throws {
      guard !health.isReadOnly.load(ordering: .acquiring), health.fileTrouble == nil,
        let connection
      else { return }
      let file = health.file
      if let damage = file.logDamage {
        guard file.restoreLog(after: damage) else { throw StoreError.unavailable(damage) }
        try connection.settle()
        opening.directory.tellMended("\(damage); what was in it is in \(opening.name)")
        _ = file.followLog()
      }
      guard let trouble = file.misplacedLog else { return }
      try connection.settle()
      connection.close()
      self.connection = nil
      self.connection = try reopened()
      opening.directory.tellMended("\(trouble); what was in it is in \(opening.name)")
    }

    /// Before the end: what the others have acknowledged stands in the file, and all of it in the
    /// file itself.
    mutating func finish() {
      beginWork()
      try? keepLog()
      guard !health.isReadOnly.load(ordering: .acquiring), health.fileTrouble == nil,
        let connection
      else { return }
      let (directory, name) = (opening.directory, opening.name)
      try? Membership.keep(directory.mark(for: name), connection)
      guard (try? connection.settle()) != nil, opening.isPromised else { return }
      directory.settled(name)
    }

    private mutating func end(_ jobs: [Job], with error: StoreError, wasFull: Bool) {
      defer { tell(jobs.filter(\.writes), error) }
      let reads = jobs.filter { !$0.writes }
      if health.isReadOnly.load(ordering: .acquiring), let connection {
        for job in reads { job.perform(connection)() }
        return
      }
      if connection == nil { for job in reads { job.fail(error) } }
      if wasFull, connection != nil { return }
      // After a failed fsync nobody knows what the file holds: read it anew before going on, and
      // never through two connections.
      connection?.close()
      connection = nil
    }

    /// Tells of writes that failed what is known of them: where their commit failed on its way to
    /// the disk, what it left in the log is taken out again, so that no later start takes it for a
    /// change that was refused.
    private func tell(_ writes: [Job], _ error: StoreError) {
      var seen = error
      switch health.file.cutRemains() {
      case .none, .cut(isDurable: true): break
      case .cut(isDurable: false), .left: seen = .uncertain("\(error)")
      }
      for job in writes { job.fail(seen) }
    }

    private func reopened() throws -> Connection {
      // What could not be read at the start cannot be read before it can be written.
      if health.isReadOnly.load(ordering: .acquiring) {
        throw health.failure.withLock { $0 } ?? StoreError.unavailable(opening.path)
      }
      // Never a new file in its place.
      if let trouble = health.fileTrouble { throw StoreError.unavailable(trouble) }
      let connection = try opening.again()
      health.file.connectedAnew()
      try connection.settle()
      return connection
    }

    /// Opens the file once the disk takes something again; it must be what the copy was made of.
    private mutating func becomeWritable() throws {
      if let trouble = health.fileTrouble { throw StoreError.unavailable(trouble) }
      let opened: Connection
      do { opened = try opening.writable() } catch {
        // Why it could not be opened at the start says more: nothing else has changed.
        throw health.failure.withLock { $0 } ?? error
      }
      if let copy = connection, try Membership.commits(copy) != Membership.commits(opened) {
        opened.close()
        throw StoreError.unavailable(
          "\(opening.path) was changed while it could not be written; restart the server")
      }
      connection?.close()
      connection = opened
      health.witness.withLock { witness in
        if witness.isOfFile {
          witness.connectedAnew()
        } else {
          witness = FileWitness(opening.path)
        }
        witness.beginWork()
      }
      health.isReadOnly.store(false, ordering: .releasing)
    }

    /// Commits between two that take everything along that a power loss might take.
    private static let commitsPerCheckpoint = 1024

    /// What is to be told once the log is known, and whether anything was written. Throws
    /// `SQLiteError`.
    private func commit(
      _ jobs: [Job], _ connection: Connection
    ) throws -> (answers: [@Sendable () -> Void], hasWritten: Bool) {
      try connection.run("BEGIN IMMEDIATE")
      var commits = 0
      var answers: [@Sendable () -> Void] = []
      let before = connection.changes
      do {
        for job in jobs {
          try connection.run("SAVEPOINT job")
          answers.append(job.perform(connection))
          try connection.run("RELEASE job")
        }
        // The main file's probe is to be a write.
        let isCounted = opening.isMain || opening.isPromised && connection.changes > before
        let mark = opening.directory.mark(for: opening.name)
        if isCounted {
          commits = try Membership.count(connection, keeping: mark)
        } else if connection.changes > before {
          try Membership.keep(mark, connection)
        }
        try connection.run("COMMIT")
      } catch {
        try? connection.execute("ROLLBACK")
        health.file.noteFailedCommit()
        throw error
      }
      if commits > 0 {
        let isDurable =
          opening.durability == .full
          || commits % Self.commitsPerCheckpoint == 0 && (try? connection.settle()) != nil
        opening.directory.note(opening.name, commits: commits, isDurable: isDurable)
      }
      return (answers, connection.changes > before)
    }
  }
}

/// Something that ends once, and that several may wait for.
private final class Ending: Sendable {
  private struct State {
    var hasEnded = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func signal() {
    let waiters = state.withLock { state in
      state.hasEnded = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { waiter in
      let hasEnded = state.withLock { state in
        if !state.hasEnded { state.waiters.append(waiter) }
        return state.hasEnded
      }
      if hasEnded { waiter.resume() }
    }
  }
}

private func startDatabaseThread(_ body: @escaping @Sendable () -> Void) {
  let box = Unmanaged.passRetained(DatabaseThread(body)).toOpaque()
  var thread = pthread_t()
  let result = pthread_create(&thread, nil, databaseThreadMain, box)
  precondition(result == 0, "out of threads at start-up")
  pthread_detach(thread)
}

private final class DatabaseThread: Sendable {
  let run: @Sendable () -> Void
  init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

private func databaseThreadMain(_ raw: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let raw { Unmanaged<DatabaseThread>.fromOpaque(raw).takeRetainedValue().run() }
  return nil
}
