/// Finds the place of a feature by its key. Immutable; looking up allocates nothing.
package struct FeatureIndex: Sendable {
  /// UTF-8.
  private let keys: [[UInt8]]
  /// Place + 1 by hash, 0 when free; at most half full.
  private let table: [Int32]

  /// Each key once; a feature's place is that of its key.
  package init(_ features: [String]) {
    keys = features.map { Array($0.utf8) }
    var capacity = 8
    while capacity < keys.count * 2 { capacity *= 2 }
    var table = [Int32](repeating: 0, count: capacity)
    for (index, key) in keys.enumerated() {
      var slot = Int(Murmur3.hash(key.span)) & (capacity - 1)
      while table[slot] != 0 { slot = (slot + 1) & (capacity - 1) }
      table[slot] = Int32(index + 1)
    }
    self.table = table
  }

  /// The place of a key given as UTF-8; nil when there is none. O(1).
  package func place(of key: Span<UInt8>) -> Int? {
    var slot = Int(Murmur3.hash(key)) & (table.count - 1)
    while table[slot] != 0 {
      let index = Int(table[slot]) - 1
      if equals(keys[index], key) { return index }
      slot = (slot + 1) & (table.count - 1)
    }
    return nil
  }

  private func equals(_ a: [UInt8], _ b: Span<UInt8>) -> Bool {
    guard a.count == b.count else { return false }
    for index in b.indices where a[index] != b[index] { return false }
    return true
  }
}
