import Foundation
import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutStore

/// A read that fails proves nothing of what is in a file: only what was read, and differs, counts.
@Suite struct FailedReadTests {
  private func connection(_ folder: TemporaryFolder) throws -> Connection {
    let connection = try Connection(path: "\(folder.path)/a.db", durability: .normal)
    try connection.execute("CREATE TABLE IF NOT EXISTS t (x TEXT) STRICT")
    return connection
  }

  private func add(_ text: String, _ connection: Connection) throws {
    try connection.run("INSERT INTO t (x) VALUES (:x)", ["x": .text(text)])
  }

  private func texts(_ folder: TemporaryFolder) throws -> [String] {
    let connection = try connection(folder)
    defer { connection.close() }
    return try connection.query("SELECT x FROM t ORDER BY x") { $0.text(0) }
  }

  /// Descriptors of this process for the file whose access mode is `mode`.
  private func descriptors(of path: String, _ mode: Int32) throws -> [Int32] {
    let real = URL(filePath: path).resolvingSymlinksInPath().path
    return try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { name in
      guard let number = Int32(name),
        let target = try? FileManager.default.destinationOfSymbolicLink(
          atPath: "/proc/self/fd/\(name)"),
        target == real || target == path, fcntl(number, F_GETFL) & O_ACCMODE == mode
      else { return nil }
      return number
    }
  }

  /// While `body` runs, reads through these descriptors fail: they are open for writing only.
  private func withoutReads(
    _ path: String, _ descriptors: [Int32], _ body: () throws -> Void
  ) throws {
    try #require(!descriptors.isEmpty)
    let blind = open(path, O_WRONLY | O_CLOEXEC)
    try #require(blind >= 0)
    let saved = descriptors.map { ($0, dup($0)) }
    for number in descriptors { dup2(blind, number) }
    defer {
      for (number, copy) in saved {
        dup2(copy, number)
        close(copy)
      }
      close(blind)
    }
    try body()
  }

  @Test func `a log that cannot be read is neither cut nor written over, and is followed later`()
    throws
  {
    let folder = TemporaryFolder()
    let connection = try connection(folder)
    defer { connection.close(leavingLog: true) }
    try add("a", connection)
    let path = "\(folder.path)/a.db-wal"
    let (log, blind) = (open(path, O_RDWR), open(path, O_WRONLY))
    defer { for number in [log, blind] { close(number) } }
    var copy = LogCopy()
    copy.follow(log)
    #expect(copy.isCurrent)
    try add("b", connection)
    copy.follow(blind)
    #expect(!copy.isCurrent)
    #expect(copy.change(blind) == nil)
    #expect(copy.cutUnfollowed(log) == false, "what is not known must not be cut")
    #expect(copy.change(log) == nil)
    #expect(copy.isCurrent)
    try add("c", connection)
    #expect(copy.change(blind) == nil)
    copy.follow(log)
    let noise = [UInt8](repeating: 0xAB, count: 64)
    #expect(pwrite(log, noise, noise.count, 64) == noise.count)
    let change = copy.change(log)
    #expect(change?.contains("written over") == true)
  }

  @Test(arguments: [false, true])
  func `a commit that failed is taken out of the log, and nothing else`(isNewLog: Bool) throws {
    let folder = TemporaryFolder()
    let connection = try connection(folder)
    try add("kept", connection)
    let log = open("\(folder.path)/a.db-wal", O_RDWR)
    defer { close(log) }
    var copy = LogCopy()
    copy.follow(log)
    if isNewLog { try connection.settle() }
    try add("refused", connection)
    #expect(copy.cutUnfollowed(log) == true)
    #expect(copy.change(log) == nil)
    #expect(copy.cutUnfollowed(log) == true, "there is nothing more to cut")
    connection.close(leavingLog: true)
    #expect(try texts(folder) == ["kept"])
  }

  @Test func `a log too large to be held is known to its end all the same`() throws {
    let folder = TemporaryFolder()
    let connection = try connection(folder)
    try connection.execute("PRAGMA wal_autocheckpoint = 0")
    let large = String(repeating: "x", count: 1 << 20)
    for _ in 0..<17 { try add(large, connection) }
    let log = open("\(folder.path)/a.db-wal", O_RDWR)
    defer { close(log) }
    var copy = LogCopy()
    copy.follow(log)
    #expect(!copy.isWhole)
    try add("kept", connection)
    copy.follow(log)
    try add("refused", connection)
    #expect(copy.cutUnfollowed(log) == true)
    connection.close(leavingLog: true)
    #expect(try texts(folder).filter { $0.utf8.count < 100 } == ["kept"])
  }

  @Test func `a database file that cannot be read for a time is not damaged`() throws {
    let folder = TemporaryFolder()
    let connection = try connection(folder)
    defer { connection.close(leavingLog: true) }
    try connection.settle()
    let path = "\(folder.path)/a.db"
    let witness = FileWitness(path)
    #expect(witness.trouble == nil)
    try withoutReads(path, descriptors(of: path, O_RDONLY)) {
      #expect(witness.damage == nil)
      #expect(witness.trouble == nil)
    }
    #expect(witness.damage == nil)
    let file = open(path, O_WRONLY)
    defer { close(file) }
    #expect(pwrite(file, "something", 9, 0) == 9)
    #expect(witness.damage?.contains("written over") == true)
  }

  @Test func `reservations that cannot be read for a time are left as they are`() throws {
    let folder = TemporaryFolder()
    let path = "\(folder.path)/holds.bin"
    var file = try ReservationFile(path: path)
    file.clear(generation: 1)
    var isMended = true
    let own = try descriptors(of: path, O_RDWR)
    try withoutReads(path, own) { isMended = file.keep() }
    #expect(!isMended)
    let other = open(path, O_WRONLY)
    defer { close(other) }
    #expect(pwrite(other, "something", 9, 0) == 9)
    isMended = file.keep()
    #expect(isMended, "what was read and differs counts")
  }

  @Test func `a lock file that cannot be read is not one without a mark`() throws {
    let folder = TemporaryFolder()
    let path = folder.write("", to: "rollout.lock")
    let blind = open(path, O_WRONLY)
    defer { close(blind) }
    #expect(throws: StoreError.self) { try DirectoryMark(readFrom: blind) }
  }
}
