/// Reads what `StateWriter` wrote; throws at a byte too few.
struct StateReader {
  struct Truncated: Error {}

  private var rest: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { rest = bytes[...] }

  var isAtEnd: Bool { rest.isEmpty }

  mutating func word() throws(Truncated) -> UInt64 {
    guard rest.count >= 8 else { throw Truncated() }
    var value: UInt64 = 0
    for (shift, byte) in rest.prefix(8).enumerated() { value |= UInt64(byte) << (shift * 8) }
    rest = rest.dropFirst(8)
    return value
  }

  mutating func int() throws(Truncated) -> Int { Int(Int64(bitPattern: try word())) }

  /// Larger amounts are not measured; their squares must stay finite.
  private static let amountMax = 1e100

  /// A finite number from 0 up; whatever else the bytes say becomes 0.
  mutating func amount() throws(Truncated) -> Double {
    let value = Double(bitPattern: try word())
    return value.isFinite && value >= 0 ? min(value, Self.amountMax) : 0
  }

  /// More than this was never counted; beyond it a forged count would leave no room to go on.
  static let naturalMax = 1 << 53

  /// A count of anything: from 0 up.
  mutating func natural() throws(Truncated) -> Int { min(max(0, try int()), Self.naturalMax) }

  mutating func raw(_ length: Int) throws(Truncated) -> [UInt8] {
    guard (0...rest.count).contains(length) else { throw Truncated() }
    defer { rest = rest.dropFirst(length) }
    return Array(rest.prefix(length))
  }

  mutating func text() throws(Truncated) -> String {
    let length = try count()
    defer { rest = rest.dropFirst(length) }
    return String(decoding: rest.prefix(length), as: UTF8.self)
  }

  /// A count of things that take at least a byte each, so that a forged one cannot exhaust memory.
  mutating func count() throws(Truncated) -> Int {
    let value = try int()
    guard value >= 0, value <= rest.count else { throw Truncated() }
    return value
  }

  mutating func instant() throws(Truncated) -> Instant {
    Instant(milliseconds: Int64(bitPattern: try word()))
  }

  mutating func flag() throws(Truncated) -> Bool {
    guard let byte = rest.popFirst() else { throw Truncated() }
    return byte == 1
  }

  /// What `small` wrote; more than was ever counted is stopped there.
  mutating func small() throws(Truncated) -> Int {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 63, by: 7) {
      guard let byte = rest.popFirst() else { throw Truncated() }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return min(Int(value), Self.naturalMax) }
    }
    throw Truncated()
  }

  mutating func optional<T>(
    _ read: (inout StateReader) throws(Truncated) -> T
  ) throws(Truncated) -> T? {
    try flag() ? try read(&self) : nil
  }
}
