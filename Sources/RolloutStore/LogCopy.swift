import Glibc

/// The whole transactions of a write-ahead log, in memory, as this process has written them: who
/// cuts the log or writes over it takes away what was acknowledged, and this gives it back. It also
/// takes out again what was not acknowledged, for its commit has failed.
///
/// A read that fails says nothing of what is in the log; only what was read, and differs, counts.
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
  /// Begins with the header; empty for an empty log, the header alone where all is too much.
  private var bytes: [UInt8] = []
  /// Where the last whole transaction ends.
  private var end = 0
  /// Whether `bytes` is all that counts.
  private(set) var isWhole = true
  /// Whether all that has come could be read.
  private(set) var isCurrent = true

  /// Reads what has come since the last time.
  mutating func follow(_ descriptor: Int32) { isCurrent = reads(descriptor) }

  private mutating func reads(_ descriptor: Int32) -> Bool {
    let now = Look(descriptor)
    guard let header = Self.read(descriptor, 0, Self.headerSize) else { return false }
    look = now
    guard header.count == Self.headerSize else {
      (bytes, end, isWhole) = ([], 0, true)
      return true
    }
    if bytes.isEmpty || !bytes.starts(with: header) {
      // A log that begins anew has another salt.
      (bytes, end, isWhole) = (header, header.count, true)
    }
    let pageSize = header[8..<12].reduce(0) { $0 << 8 | Int($1) }
    guard (512...65536).contains(pageSize) else { return true }
    let frameSize = Self.frameHeaderSize + pageSize
    var pending: [UInt8] = []
    var place = end
    while true {
      guard let frame = Self.read(descriptor, place, frameSize) else { return false }
      // Frames of an earlier round lie behind the valid ones.
      guard frame.count == frameSize, frame[8..<16] == header[16..<24] else { return true }
      place += frameSize
      if isWhole { pending += frame }
      if isWhole, bytes.count + pending.count > Self.sizeMax {
        (bytes, pending, isWhole) = (header, [], false)
      }
      // What no commit follows may still be written over.
      guard frame[4..<8].contains(where: { $0 != 0 }) else { continue }
      bytes += pending
      pending = []
      end = place
    }
  }

  /// What somebody else has done to the log since it was followed, in words; nil when what counts
  /// in it is as it was, and while that cannot be read.
  mutating func change(_ descriptor: Int32) -> String? {
    guard isCurrent else {
      follow(descriptor)
      return nil
    }
    guard let before = look, let now = Look(descriptor), now != before else { return nil }
    if now.size < end {
      return "was cut from \(before.size) to \(now.size) bytes while it was in use"
    }
    guard let found = Self.read(descriptor, 0, bytes.count) else { return nil }
    guard found == bytes else { return "was written over while it was in use" }
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

  /// Takes out of the log what came after the last time it was followed: a transaction whose commit
  /// has failed stands there whole, and the next to open the file would take it for one. Whether
  /// that could be done; it can be tried again.
  mutating func cutUnfollowed(_ descriptor: Int32) -> Bool {
    guard isCurrent, let header = Self.read(descriptor, 0, Self.headerSize),
      let found = Look(descriptor)
    else { return false }
    // A log that has begun anew holds nothing else: all that was in it is in the file by then.
    let isSame = header.count == Self.headerSize && bytes.starts(with: header)
    let size = isSame ? end : 0
    guard found.size <= size || ftruncate(descriptor, off_t(size)) == 0 else { return false }
    follow(descriptor)
    return true
  }

  /// Less than `count` bytes at the end of the file; nil when it cannot be read.
  private static func read(_ descriptor: Int32, _ offset: Int, _ count: Int) -> [UInt8]? {
    var hasFailed = false
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
      while length < count {
        let found = pread(
          descriptor, buffer.baseAddress.map { $0 + length }, count - length,
          off_t(offset + length))
        if found < 0, errno == EINTR { continue }
        hasFailed = found < 0
        guard found > 0 else { return }
        length += found
      }
    }
    return hasFailed ? nil : bytes
  }
}
