/// A set of byte strings that answers from a borrowed span without allocating: the force lists and
/// cohort members of a plan. Open addressing over one flat buffer; copying is a few memcpys.
package struct ByteSet: Sendable {
  private var storage: [UInt8] = []
  /// Start of each entry in `storage`; entry i ends where i + 1 starts.
  private var starts: [Int32] = [0]
  /// Entry index + 1, or 0 when free. Power of two long, at most half full.
  private var table: [Int32] = []

  /// Tells two sets apart, whatever the order of their making; 0 for the empty set.
  package private(set) var mark: UInt32 = 0

  package init() {}

  package init(_ texts: some Sequence<String>) {
    for text in texts { insert(text) }
  }

  package var count: Int { starts.count - 1 }
  package var isEmpty: Bool { count == 0 }

  /// Each as it was inserted. O(n).
  package var texts: [String] {
    (0..<count).map { entry in
      String(decoding: storage[Int(starts[entry])..<Int(starts[entry + 1])], as: UTF8.self)
    }
  }

  package mutating func insert(_ text: String) {
    let bytes = Array(text.utf8)
    if contains(bytes.span) { return }
    if (count + 1) * 2 > table.count { grow() }
    storage += bytes
    starts.append(Int32(storage.count))
    let hash = Murmur3.hash(bytes.span)
    mark ^= hash
    place(Int32(count), hash: hash)
  }

  /// Rebuilds the set without `text`. O(n).
  package mutating func remove(_ text: String) {
    let bytes = Array(text.utf8)
    guard contains(bytes.span) else { return }
    var rest = ByteSet()
    for entry in 0..<count {
      let member = storage[Int(starts[entry])..<Int(starts[entry + 1])]
      if !member.elementsEqual(bytes) { rest.insert(String(decoding: member, as: UTF8.self)) }
    }
    self = rest
  }

  private mutating func place(_ entry: Int32, hash: UInt32) {
    let mask = table.count - 1
    var slot = Int(hash) & mask
    while table[slot] != 0 { slot = (slot + 1) & mask }
    table[slot] = entry
  }

  private mutating func grow() {
    table = Array(repeating: 0, count: max(8, table.count * 2))
    for entry in 0..<count {
      let bytes = Array(storage[Int(starts[entry])..<Int(starts[entry + 1])])
      place(Int32(entry + 1), hash: Murmur3.hash(bytes.span))
    }
  }

  package func contains(_ bytes: Span<UInt8>) -> Bool {
    guard !table.isEmpty else { return false }
    let mask = table.count - 1
    var slot = Int(Murmur3.hash(bytes)) & mask
    while table[slot] != 0 {
      if matches(Int(table[slot]) - 1, bytes) { return true }
      slot = (slot + 1) & mask
    }
    return false
  }

  private func matches(_ entry: Int, _ bytes: Span<UInt8>) -> Bool {
    let start = Int(starts[entry])
    guard Int(starts[entry + 1]) - start == bytes.count else { return false }
    for index in bytes.indices where storage[start + index] != bytes[index] { return false }
    return true
  }
}
