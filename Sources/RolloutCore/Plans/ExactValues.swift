import RolloutEvaluation

/// Values that a rule names, each once.
package struct ExactValues: Sendable, Equatable {
  private enum Value: Sendable, Hashable {
    case text(ExactText)
    case number(Numeral)
    case bool(Bool)
  }

  /// In the order of `hashes`, which makes comparing two of them one walk.
  private let values: [Value]
  private let hashes: [Int]
  /// A bit of each hash: most that is no subset shows here.
  private let mask: UInt64

  init(_ values: [AttributeValue]) {
    var each: Set<Value> = []
    func insert(_ value: AttributeValue) {
      switch value {
      case .text(let text): each.insert(.text(ExactText(text)))
      case .number(let number): each.insert(.number(number))
      case .bool(let flag): each.insert(.bool(flag))
      case .list(let elements): for element in elements { insert(element) }
      }
    }
    for value in values { insert(value) }
    let sorted = each.map { (hash: $0.hashValue, value: $0) }.sorted { $0.hash < $1.hash }
    self.values = sorted.map(\.value)
    hashes = sorted.map(\.hash)
    mask = hashes.reduce(0) { $0 | 1 << (UInt64(bitPattern: Int64($1)) & 63) }
  }

  func isSubset(of other: ExactValues) -> Bool {
    guard values.count <= other.values.count, mask & ~other.mask == 0 else { return false }
    var place = 0
    for index in values.indices {
      while place < other.hashes.count, other.hashes[place] < hashes[index] { place += 1 }
      // Others of the same hash come in any order.
      var match = place
      while match < other.hashes.count, other.hashes[match] == hashes[index],
        other.values[match] != values[index]
      { match += 1 }
      guard match < other.hashes.count, other.hashes[match] == hashes[index] else { return false }
    }
    return true
  }
}
