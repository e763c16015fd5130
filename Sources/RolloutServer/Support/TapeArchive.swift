/// Files one after the other, as every system can take them apart (tar, POSIX.1-1988 ustar).
enum TapeArchive {
  private static let blockSize = 512
  /// Bytes of a file that eleven octal digits can say.
  private static let octalMax = 0o77_777_777_777

  /// Two empty blocks.
  static let end = [UInt8](repeating: 0, count: 2 * blockSize)

  /// Before a file's bytes; only its owner may read it.
  static func header(_ name: String, size: Int, seconds: Int) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: blockSize)
    func put(_ bytes: some Collection<UInt8>, at offset: Int) {
      block.replaceSubrange(offset..<offset + bytes.count, with: bytes)
    }
    put(name.utf8.prefix(100), at: 0)
    put("0000600\0".utf8, at: 100)
    put("0000000\0".utf8, at: 108)
    put("0000000\0".utf8, at: 116)
    put(size <= octalMax ? Array((octal(size, 11) + "\0").utf8) : binary(size), at: 124)
    put((octal(seconds, 11) + "\0").utf8, at: 136)
    put("        ".utf8, at: 148)
    put("0".utf8, at: 156)
    put("ustar\u{0}00".utf8, at: 257)
    let sum = block.reduce(0) { $0 + Int($1) }
    put((octal(sum, 6) + "\0 ").utf8, at: 148)
    return block
  }

  /// After a file's bytes, up to a whole block.
  static func padding(after size: Int) -> [UInt8] {
    [UInt8](repeating: 0, count: (blockSize - size % blockSize) % blockSize)
  }

  private static func octal(_ number: Int, _ digits: Int) -> String {
    let text = String(max(0, number), radix: 8)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  /// As GNU writes what is too large: the first bit set, then the number itself.
  private static func binary(_ number: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 12)
    for index in 0..<8 { bytes[11 - index] = UInt8(truncatingIfNeeded: number >> (8 * index)) }
    bytes[0] = 0x80
    return bytes
  }
}
