/// FNV-1a of 32 bits, fed piece by piece.
///
/// Source: https://datatracker.ietf.org/doc/draft-eastlake-fnv/. GO Feature Flag and GrowthBook use
/// it.
struct FNV1a: Sendable {
  private(set) var value: UInt32 = 0x811c_9dc5

  init(prefix: String = "") {
    for byte in prefix.utf8 { update(byte) }
  }

  mutating func update(_ byte: UInt8) {
    value = (value ^ UInt32(byte)) &* 0x0100_0193
  }

  mutating func update(_ bytes: Span<UInt8>) {
    for index in bytes.indices { update(bytes[index]) }
  }

  /// The decimal digits of a number, without a text of it.
  mutating func update(digitsOf number: UInt32) {
    var unit: UInt32 = 1
    while number / unit >= 10 { unit *= 10 }
    while unit > 0 {
      update(UInt8(ascii: "0") + UInt8(number / unit % 10))
      unit /= 10
    }
  }
}
