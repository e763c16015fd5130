import Glibc

/// The whole transactions of a write-ahead log, in memory, as this process has written them: who
/// cuts the log or writes over it takes away what was acknowledged, and this gives it back.
///
/// Format: https://sqlite.org/fileformat2.html, 4.
struct LogCopy: Sendable {
  /// Bytes that are held; a larger log is to be moved into the file.
  static let sizeMax = 16 << 20
  private static let headerSize = 32
  private static let frameHeaderSize = 24

  /// What tells, without reading it, that a file has been written to.
  private struct Look: Equatable {
    var size: Int
    var seconds: Int
    var nanoseconds: Int

    init?(_ descriptor: Int32) {
      var info = stat()
      guard fstat(descriptor, &info) == 0 else { return nil }
      size = Int(info.st_size)
      seconds = info.st_mtim.tv_sec
      nanoseconds = info.st_mtim.tv_nsec
    }
  }

  private var look: Look?
  /// Begins with the header; empty for an empty log.
  private var bytes: [UInt8] = []
  /// Whether `bytes` is all that counts.
  private(set) var isWhole = true

  /// Reads what has come since the last time.
  mutating func follow(_ descriptor: Int32) {
    look = Look(descriptor)
    let header = Self.read(descriptor, 0, Self.headerSize)
    guard header.count == Self.headerSize else {
      bytes = []
      isWhole = true
      return
    }
    if bytes.isEmpty || !bytes.starts(with: header) {
      // A log that begins anew has another salt.
      bytes = header
      isWhole = true
    }
    let pageSize = header[8..<12].reduce(0) { $0 << 8 | Int($1) }
    guard isWhole, (512...65536).contains(pageSize) else { return }
    let frameSize = Self.frameHeaderSize + pageSize
    var pending: [UInt8] = []
    while true {
      let frame = Self.read(descriptor, bytes.count + pending.count, frameSize)
      // Frames of an earlier round lie behind the valid ones.
      guard frame.count == frameSize, frame[8..<16] == header[16..<24] else { return }
      pending += frame
      guard bytes.count + pending.count <= Self.sizeMax else {
        bytes = header
        isWhole = false
        return
      }
      // What no commit follows may still be written over.
      guard frame[4..<8].contains(where: { $0 != 0 }) else { continue }
      bytes += pending
      pending = []
    }
  }

  /// What somebody else has done to the log since it was followed, in words; nil when what counts
  /// in it is as it was.
  mutating func change(_ descriptor: Int32) -> String? {
    guard let before = look, let now = Look(descriptor), now != before else { return nil }
    if now.size < bytes.count || !isWhole && now.size < before.size {
      return "was cut from \(before.size) to \(now.size) bytes while it was in use"
    }
    guard Self.read(descriptor, 0, bytes.count) == bytes else {
      return "was written over while it was in use"
    }
    look = now
    return nil
  }

  /// Writes the log as it was. Whether that could be done; it can be tried again.
  func restore(_ descriptor: Int32) -> Bool {
    guard isWhole, ftruncate(descriptor, off_t(bytes.count)) == 0 else { return false }
    var count = 0
    while count < bytes.count {
      let written = bytes.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress.map { $0 + count }, $0.count - count, off_t(count))
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { return false }
      count += written
    }
    return true
  }

  /// Less than `count` bytes at the end of the file.
  private static func read(_ descriptor: Int32, _ offset: Int, _ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      while length < count {
        let found = pread(
          descriptor, buffer.baseAddress.map { $0 + length }, count - length,
          off_t(offset + length))
        if found < 0, errno == EINTR { continue }
        guard found > 0 else { return }
        length += found
      }
    }
  }
}
