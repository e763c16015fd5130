/// Writes and reads detector state as little-endian words: small, exact, and cheap each second.
struct StateWriter {
  private(set) var bytes: [UInt8] = []

  mutating func word(_ value: UInt64) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func int(_ value: Int) { word(UInt64(bitPattern: Int64(value))) }
  mutating func double(_ value: Double) { word(value.bitPattern) }
  mutating func raw(_ value: [UInt8]) { bytes += value }
  mutating func text(_ value: String) {
    int(value.utf8.count)
    bytes += value.utf8
  }
  mutating func instant(_ value: Instant) { word(UInt64(bitPattern: value.milliseconds)) }
  mutating func flag(_ value: Bool) { bytes.append(value ? 1 : 0) }

  /// A number from 0 up in as few bytes as it needs: seven bits in each, the low ones first.
  mutating func small(_ value: Int) {
    var rest = UInt64(max(0, value))
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func optional<T>(_ value: T?, _ write: (inout StateWriter, T) -> Void) {
    flag(value != nil)
    if let value { write(&self, value) }
  }
}
