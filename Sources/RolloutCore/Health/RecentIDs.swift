/// The last ids of outcomes and votes, so that what is reported again counts once, also after a
/// restart. An id is kept as its hash: two of many thousands that share one do not happen.
package struct RecentIDs: Sendable {
  /// Ids that are remembered at least.
  package static let capacity = 20_000

  private var newer: Set<UInt64> = []
  private var older: Set<UInt64> = []
  /// Not kept on disk yet.
  private var unsaved: [UInt64] = []

  package init() {}

  /// False when the id was among the last 20,000 or more.
  package mutating func insert(_ id: String) -> Bool {
    let hash = Outcome.hash(user: id)
    guard insert(hash) else { return false }
    // What cannot be kept for long is not worth keeping: newer ids have taken its place.
    if unsaved.count >= 2 * Self.capacity { unsaved.removeFirst(Self.capacity) }
    unsaved.append(hash)
    return true
  }

  private mutating func insert(_ hash: UInt64) -> Bool {
    guard !newer.contains(hash), !older.contains(hash) else { return false }
    newer.insert(hash)
    if newer.count >= Self.capacity {
      older = newer
      newer = []
    }
    return true
  }

  mutating func takeNew() -> [UInt64] {
    defer { unsaved = [] }
    return unsaved
  }

  mutating func giveBack(_ ids: [UInt64]) {
    unsaved = Array((ids + unsaved).suffix(2 * Self.capacity))
  }

  mutating func restore(_ ids: [UInt64]) { for id in ids { _ = insert(id) } }
}

extension FeatureHealth {
  /// The ids that came since the last call, for keeping over a restart.
  package mutating func takeNewIDs() -> [UInt64] { seen.takeNew() }

  /// Takes back ids that could not be kept.
  package mutating func giveBack(ids: [UInt64]) { seen.giveBack(ids) }

  /// Puts back the ids of an earlier process, oldest first.
  package mutating func restore(ids: [UInt64]) { seen.restore(ids) }
}
