/// Whose last outcome was an error: one user's retries in a row are one error every 30 seconds,
/// whatever others do in between. Not one for ever: people who go on failing are hurt still.
struct ErrorRuns: Sendable, Equatable {
  /// An error this long after the same user's last one that was scored is scored again.
  static let gap = TimeSpan.seconds(30)
  /// Users remembered; beyond that those whose run is oldest are forgotten, and counted again.
  private static let usersMax = 8192

  /// When the error of each was scored that began the run.
  private var starts: [UInt64: Instant] = [:]

  /// Whether this outcome is scored. Successes and errors without a user always are.
  mutating func scores(bad: Bool, user: UInt64?, at: Instant) -> Bool {
    guard let user else { return true }
    guard bad else {
      if !starts.isEmpty { starts[user] = nil }
      return true
    }
    if let start = starts[user], at.since(start) <= Self.gap { return false }
    starts[user] = at
    if starts.count > Self.usersMax { prune(now: at) }
    return true
  }

  private mutating func prune(now: Instant) {
    starts = starts.filter { now.since($0.value) <= Self.gap }
    guard starts.count > Self.usersMax else { return }
    let newest = starts.sorted { $0.value > $1.value }.prefix(Self.usersMax / 2)
    starts = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
  }
}

extension ErrorRuns {
  func write(to writer: inout StateWriter) {
    writer.int(starts.count)
    for (user, at) in starts.sorted(by: { $0.key < $1.key }) {
      writer.word(user)
      writer.instant(at)
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let user = try reader.word()
      starts[user] = try reader.instant()
    }
  }
}
