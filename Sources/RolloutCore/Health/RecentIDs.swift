/// The last outcome ids, so that a repeated report counts once.
struct RecentIDs: Sendable {
  private static let capacity = 20_000
  private var newer: Set<String> = []
  private var older: Set<String> = []

  /// False when the id was among the last 20,000 or more.
  mutating func insert(_ id: String) -> Bool {
    guard !newer.contains(id), !older.contains(id) else { return false }
    newer.insert(id)
    if newer.count >= Self.capacity {
      older = newer
      newer = []
    }
    return true
  }
}
