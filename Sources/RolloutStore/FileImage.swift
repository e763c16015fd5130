import Glibc
import RolloutCore

/// What a database file and its write-ahead log say together, in memory: for a disk on which SQLite
/// cannot open them, because it would have to write beside them first.
///
/// SQLite's own `immutable` does not look at the log, and so would bring back what was before the
/// last changes. Format: https://sqlite.org/fileformat2.html, 1.3 and 4.
struct FileImage {
  /// Bytes of file and log that are read at most, each.
  static let sizeMax = 256 << 20

  /// As a file without a log would be; empty when there is none, or an empty one.
  private(set) var bytes: [UInt8]

  /// Throws `StoreError`, also for a file that is too large.
  init(_ path: String) throws(StoreError) {
    try self.init(file: try Self.read(path), log: try Self.read(path + "-wal"))
  }

  /// From what stands in the file and in its log. Throws `StoreError.corrupt`.
  init(file: [UInt8], log: [UInt8]) throws(StoreError) {
    bytes = file
    if let log = Log(log) { try apply(log) }
    // From here on it is a file with a rollback journal: memory has no place for a log.
    if bytes.count > 19 { for index in [18, 19] where bytes[index] == 2 { bytes[index] = 1 } }
  }

  /// Empty where there is no file.
  private static func read(_ path: String) throws(StoreError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return [] }
    guard descriptor >= 0 else { throw failure(path) }
    // No locks are lost by closing it: only this process may have the file, and it has it not.
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw failure(path) }
    guard info.st_size <= sizeMax else {
      throw .unavailable("\(path) is too large to be served from memory")
    }
    var bytes = [UInt8](repeating: 0, count: Int(info.st_size))
    var count = 0
    while count < bytes.count {
      let length = bytes.count - count
      let result = bytes.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress.map { $0 + count }, length, off_t(count))
      }
      if result < 0, errno == EINTR { continue }
      guard result > 0 else { throw failure(path) }
      count += result
    }
    return bytes
  }

  private static func failure(_ path: String) -> StoreError {
    .unavailable("\(path): \(String(cString: strerror(errno)))")
  }

  private mutating func apply(_ log: Log) throws(StoreError) {
    var pages: [(number: Int, start: Int)] = []
    for frame in log.frames {
      pages.append((frame.page, frame.start))
      // What no commit follows was never acknowledged.
      guard let count = frame.pagesAfterCommit else { continue }
      let size = count * log.pageSize
      // Its checksum is right, and it is believed only as far as memory goes.
      guard size <= 2 * Self.sizeMax else {
        throw .corrupt("the write-ahead log says that the file is \(size) bytes long")
      }
      if bytes.count > size { bytes.removeLast(bytes.count - size) }
      if bytes.count < size { bytes += [UInt8](repeating: 0, count: size - bytes.count) }
      for page in pages where page.number <= count {
        let target = (page.number - 1) * log.pageSize
        bytes.replaceSubrange(
          target..<target + log.pageSize, with: log.bytes[page.start..<page.start + log.pageSize])
      }
      pages = []
    }
  }

  /// A write-ahead log, as far as it is valid.
  private struct Log {
    struct Frame {
      var page: Int
      /// Where the page's content begins.
      var start: Int
      /// Pages of the file once this frame's transaction is in; nil when more frames belong to it.
      var pagesAfterCommit: Int?
    }

    private static let headerSize = 32
    private static let frameHeaderSize = 24

    let bytes: [UInt8]
    let pageSize: Int
    private(set) var frames: [Frame] = []

    /// nil when nothing in it counts.
    init?(_ bytes: [UInt8]) {
      guard bytes.count >= Self.headerSize else { return nil }
      let magic = Self.word(bytes, 0)
      pageSize = Int(Self.word(bytes, 8))
      guard magic & ~1 == 0x377F_0682, (512...65536).contains(pageSize),
        pageSize.nonzeroBitCount == 1
      else { return nil }
      self.bytes = bytes
      var sum = Checksum(isBigEndian: magic & 1 == 1)
      sum.add(bytes, 0..<24)
      guard sum.matches(bytes, at: 24) else { return nil }
      var start = Self.headerSize
      while start + Self.frameHeaderSize + pageSize <= bytes.count {
        let content = start + Self.frameHeaderSize
        sum.add(bytes, start..<start + 8)
        sum.add(bytes, content..<content + pageSize)
        let page = Int(Self.word(bytes, start))
        // The salts are the header's; frames of an earlier round lie behind the valid ones.
        guard bytes[start + 8..<start + 16] == bytes[16..<24], page > 0,
          sum.matches(bytes, at: start + 16)
        else { return }
        let count = Int(Self.word(bytes, start + 4))
        frames.append(Frame(page: page, start: content, pagesAfterCommit: count > 0 ? count : nil))
        start = content + pageSize
      }
    }

    static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
      bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }
  }

  private struct Checksum {
    let isBigEndian: Bool
    private var sums: (UInt32, UInt32) = (0, 0)

    init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

    /// `range` is a multiple of eight bytes.
    mutating func add(_ bytes: [UInt8], _ range: Range<Int>) {
      bytes.withUnsafeBytes { bytes in
        for offset in stride(from: range.lowerBound, to: range.upperBound, by: 8) {
          sums.0 &+= word(bytes, offset) &+ sums.1
          sums.1 &+= word(bytes, offset + 4) &+ sums.0
        }
      }
    }

    private func word(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
      let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return isBigEndian ? UInt32(bigEndian: word) : UInt32(littleEndian: word)
    }

    func matches(_ bytes: [UInt8], at offset: Int) -> Bool {
      sums == (Log.word(bytes, offset), Log.word(bytes, offset + 4))
    }
  }
}
