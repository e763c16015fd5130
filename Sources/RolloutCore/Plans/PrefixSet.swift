import RolloutEvaluation

/// Beginnings of texts, none of them the beginning of another, in order.
package struct PrefixSet: Sendable, Equatable {
  private let prefixes: [[UInt8]]

  init(_ texts: [[UInt8]]) {
    var kept: [[UInt8]] = []
    for text in texts.sorted(by: { $0.lexicographicallyPrecedes($1) }) {
      if let last = kept.last, text.starts(with: last) { continue }
      kept.append(text)
    }
    prefixes = kept
  }

  /// Whether each of these begins with one of the others.
  func isCovered(by other: PrefixSet) -> Bool {
    prefixes.allSatisfy(other.begins)
  }

  /// The only one that `text` can begin with is the last that does not come after it: whatever
  /// stands between the two would begin with it too.
  private func begins(_ text: [UInt8]) -> Bool {
    var (low, high) = (0, prefixes.count)
    while low < high {
      let middle = (low + high) / 2
      if text.lexicographicallyPrecedes(prefixes[middle]) {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return low > 0 && text.starts(with: prefixes[low - 1])
  }
}
