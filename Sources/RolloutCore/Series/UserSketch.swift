/// How many different users there were: HyperLogLog (Flajolet et al. 2007) with 512 registers, so
/// right to 5 % whatever their number, in half a kilobyte. Two sketches add up to that of both.
package struct UserSketch: Sendable, Equatable {
  private static let precision = 9
  private static let registerCount = 1 << precision
  /// Larger ranks cannot come of 64 bits.
  private static let rankMax = UInt8(64 - precision + 1)

  /// The largest rank seen in each register; empty while nobody was seen.
  private var registers: [UInt8] = []

  package init() {}

  package var isEmpty: Bool { registers.isEmpty }

  /// Counts a user by the hash of `Outcome.hash(user:)`.
  package mutating func insert(_ user: UInt64) {
    if registers.isEmpty { registers = Array(repeating: 0, count: Self.registerCount) }
    let hash = Self.mixed(user)
    let index = Int(hash >> (64 - Self.precision))
    let rank = UInt8((hash << Self.precision | 1 << (Self.precision - 1)).leadingZeroBitCount + 1)
    registers[index] = max(registers[index], rank)
  }

  /// MurmurHash3's last step: FNV's upper bits alone are too alike for short ids.
  private static func mixed(_ value: UInt64) -> UInt64 {
    var hash = value
    hash = (hash ^ hash >> 33) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ hash >> 33) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ hash >> 33
  }

  package mutating func merge(_ other: UserSketch) {
    guard !other.registers.isEmpty else { return }
    guard !registers.isEmpty else {
      registers = other.registers
      return
    }
    for index in registers.indices {
      registers[index] = max(registers[index], other.registers[index])
    }
  }

  /// About how many users were counted.
  package var estimate: Int {
    guard !registers.isEmpty else { return 0 }
    let count = Double(Self.registerCount)
    let empty = registers.count { $0 == 0 }
    let sum = registers.reduce(0.0) { $0 + 1 / Double(UInt64(1) << UInt64($1)) }
    let raw = 0.7213 / (1 + 1.079 / count) * count * count / sum
    // Few users leave registers empty, and those say it better: so many draws leave so many.
    guard raw <= 2.5 * count, empty > 0 else { return Int(raw.rounded()) }
    let draws = (empty..<Self.registerCount).reduce(0.0) { $0 + count / Double($1 + 1) }
    return Int(draws.rounded())
  }
}

extension UserSketch {
  /// Few registers are written one by one, many as they stand.
  func write(to writer: inout StateWriter) {
    let filled = registers.enumerated().filter { $0.element > 0 }
    let isSparse = filled.count * 3 < Self.registerCount
    writer.flag(isSparse)
    guard isSparse else { return writer.raw(registers) }
    writer.small(filled.count)
    for (index, rank) in filled {
      writer.small(index)
      writer.small(Int(rank))
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    try readRegisters(&reader)
    if registers.allSatisfy({ $0 == 0 }) { registers = [] }
  }

  private mutating func readRegisters(
    _ reader: inout StateReader
  ) throws(StateReader.Truncated) {
    guard try reader.flag() else {
      registers = try reader.raw(Self.registerCount).map { min($0, Self.rankMax) }
      return
    }
    let filled = try reader.small()
    guard filled > 0 else { return }
    registers = Array(repeating: 0, count: Self.registerCount)
    for _ in 0..<filled {
      let index = try reader.small()
      let rank = try reader.small()
      guard registers.indices.contains(index) else { throw StateReader.Truncated() }
      registers[index] = UInt8(clamping: min(rank, Int(Self.rankMax)))
    }
  }
}
