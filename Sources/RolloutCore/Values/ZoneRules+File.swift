extension ZoneRules {
  /// Changes of a file at most; the largest has about 240.
  private static let changesMax = 10_000

  /// Reads a compiled zone file of the machine (TZif, RFC 9636). nil for what is none, and for one
  /// that counts leap seconds, as no clock here does.
  package init?(file bytes: [UInt8]) {
    guard var block = Block(bytes, at: 0, wordSize: 4) else { return nil }
    if block.version >= UInt8(ascii: "2") {
      guard let wide = Block(bytes, at: block.end, wordSize: 8) else { return nil }
      block = wide
    }
    guard let (first, changes) = block.changes(bytes) else { return nil }
    var rest: PosixZone?
    if block.wordSize == 8 {
      let footer = bytes[block.end...]
      guard footer.first == 0x0A, let end = footer.dropFirst().firstIndex(of: 0x0A) else {
        return nil
      }
      let text = bytes[(block.end + 1)..<end]
      if !text.isEmpty {
        guard let zone = PosixZone(text) else { return nil }
        rest = zone
      }
    }
    self.init(first: first, changes: changes, rest: rest)
  }

  /// One header with its data. Of version 1 in words of 4 bytes, and since in 8.
  private struct Block {
    private static let headerSize = 44

    let version: UInt8
    let wordSize: Int
    private let timesAt: Int
    private let timeCount: Int
    private let typeCount: Int
    let end: Int

    /// nil where the bytes do not hold what the header promises.
    init?(_ bytes: [UInt8], at start: Int, wordSize: Int) {
      guard bytes.count - start >= Self.headerSize,
        bytes[start..<(start + 4)].elementsEqual("TZif".utf8)
      else { return nil }
      func count(_ index: Int) -> Int { ZoneRules.word(bytes, at: start + 20 + index * 4, size: 4) }
      let (utcCount, standardCount, leapCount) = (count(0), count(1), count(2))
      (timeCount, typeCount) = (count(3), count(4))
      let letterCount = count(5)
      // Counts are of 32 bits, so that their sum is far from overflowing; none may be negative.
      guard leapCount == 0, (0...ZoneRules.changesMax).contains(timeCount),
        (1...256).contains(typeCount), letterCount >= 0, utcCount >= 0, standardCount >= 0
      else { return nil }
      version = bytes[start + 4]
      self.wordSize = wordSize
      timesAt = start + Self.headerSize
      end =
        timesAt + timeCount * (wordSize + 1) + typeCount * 6 + letterCount + standardCount
        + utcCount
      guard end <= bytes.count else { return nil }
    }

    /// The offset before the first change, and the changes; nil for what makes no sense.
    func changes(_ bytes: [UInt8]) -> (first: Int, changes: [Change])? {
      let kindsAt = timesAt + timeCount * wordSize
      let typesAt = kindsAt + timeCount
      var offsets: [Int] = []
      for type in 0..<typeCount {
        let offset = ZoneRules.word(bytes, at: typesAt + type * 6, size: 4)
        guard abs(offset) <= ZoneRules.offsetMax else { return nil }
        offsets.append(offset)
      }
      var changes: [Change] = []
      changes.reserveCapacity(timeCount)
      for index in 0..<timeCount {
        let time = ZoneRules.word(bytes, at: timesAt + index * wordSize, size: wordSize)
        let kind = Int(bytes[kindsAt + index])
        guard kind < typeCount, changes.last.map({ $0.at < time }) ?? true else { return nil }
        changes.append(Change(at: time, offset: offsets[kind]))
      }
      return (offsets[0], changes)
    }
  }

  /// A signed number in network order.
  private static func word(_ bytes: [UInt8], at start: Int, size: Int) -> Int {
    let value = bytes[start..<(start + size)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return size == 4 ? Int(Int32(truncatingIfNeeded: value)) : Int(truncatingIfNeeded: value)
  }
}
