import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutStore

/// What a copy in memory says, against what SQLite itself reads from the same file and log.
@Suite struct FileImageTests {
  private func copy(_ folder: TemporaryFolder, _ name: String, _ bytes: some Collection<UInt8>)
    throws
  {
    let bytes = Array(bytes)
    let target = open("\(folder.path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(target) }
    try #require(write(target, bytes, bytes.count) == bytes.count)
  }

  private func rows(_ connection: Connection) throws -> [String] {
    try connection.query("SELECT id, text FROM t ORDER BY id") { "\($0.int(0)) \($0.text(1))" }
  }

  /// A file with a log: rows come and go, pages too, and part of it is checkpointed.
  private func fill(_ connection: Connection, _ chance: inout SeededRandom) throws {
    try connection.execute("PRAGMA wal_autocheckpoint = 0")
    try connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    for round in 0..<Int.random(in: 1...20, using: &chance) {
      try connection.execute("BEGIN")
      for _ in 0..<Int.random(in: 1...30, using: &chance) {
        let text = String(repeating: "x", count: Int.random(in: 0..<3000, using: &chance))
        try connection.run("INSERT INTO t (text) VALUES (:text)", ["text": .text(text)])
      }
      try connection.execute("COMMIT")
      switch round % 7 {
      case 3: try connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
      case 5: try connection.execute("DELETE FROM t WHERE id % 3 = 0; VACUUM")
      default: break
      }
    }
  }

  @Test(arguments: 1...24)
  func `it is what SQLite reads, however much of the log is there and well`(seed: Int) throws {
    var chance = SeededRandom(seed: UInt64(seed))
    let (origin, cut) = (TemporaryFolder(), TemporaryFolder())
    let connection = try Connection(path: "\(origin.path)/a.db", durability: .normal)
    try fill(connection, &chance)
    try copy(cut, "a.db", origin.read("a.db"))
    var log = origin.read("a.db-wal")
    switch seed % 3 {
    case 1: log.removeLast(Int.random(in: 0...log.count, using: &chance))
    case 2 where !log.isEmpty: log[Int.random(in: 0..<log.count, using: &chance)] ^= 0x10
    default: break
    }
    try copy(cut, "a.db-wal", log)
    let image = try? Connection(FileImage("\(cut.path)/a.db"))
    let here = try? image.map(rows)
    // Without a log that was moved into it in part, the file is damaged for both.
    let file = try? Connection(path: "\(cut.path)/a.db", durability: .normal)
    #expect(here == (try? file.map(rows)))
    // The whole log is what was committed.
    if seed % 3 == 0 { #expect(here == (try? rows(connection))) }
    file?.close()
    connection.close()
  }

  /// A log of one frame with the right checksums, which are big-endian if asked.
  private func log(page: UInt32, count: UInt32, of content: [UInt8], isBig: Bool) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
    var sums: (UInt32, UInt32) = (0, 0)
    func sum(_ bytes: [UInt8]) -> [UInt8] {
      for start in stride(from: 0, to: bytes.count, by: 8) {
        let words = [bytes[start..<start + 4], bytes[start + 4..<start + 8]].map { part in
          (isBig ? Array(part) : part.reversed()).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        }
        sums.0 &+= words[0] &+ sums.1
        sums.1 &+= words[1] &+ sums.0
      }
      return word(sums.0) + word(sums.1)
    }
    let salts = word(7) + word(11)
    var header = word(isBig ? 0x377F_0683 : 0x377F_0682) + word(3_007_000)
    header += word(UInt32(content.count)) + word(0) + salts
    header += sum(header)
    let frame = word(page) + word(count)
    _ = sum(frame)
    return header + frame + salts + sum(content) + content
  }

  @Test(arguments: [false, true])
  func `a log of either byte order counts, and what it claims is bounded`(isBig: Bool) throws {
    let content = (0..<512).map { UInt8(truncatingIfNeeded: $0 * 7 + 100) }
    let plain = try FileImage(file: [], log: log(page: 1, count: 1, of: content, isBig: isBig))
    #expect(plain.bytes == content)
    let later = try FileImage(
      file: content + content, log: log(page: 3, count: 3, of: content, isBig: isBig))
    #expect(later.bytes == content + content + content)
    // A page behind the end is none; a file that was made shorter is.
    let shorter = try FileImage(
      file: content + content, log: log(page: 2, count: 1, of: content, isBig: isBig))
    #expect(shorter.bytes == content)
    #expect(throws: StoreError.self) {
      try FileImage(file: content, log: log(page: 1, count: .max, of: content, isBig: isBig))
    }
  }

  @Test func `no file is an empty one, and one of nobody's is refused`() throws {
    let folder = TemporaryFolder()
    #expect(try FileImage("\(folder.path)/none.db").bytes.isEmpty)
    let bad = folder.write(String(repeating: "no database ", count: 1000), to: "bad.db")
    #expect(throws: SQLiteError.self) { try Connection(FileImage(bad)) }
  }
}
