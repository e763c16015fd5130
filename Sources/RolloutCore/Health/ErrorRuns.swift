/// Whose last outcome was an error: one user's retries in a row are one error, whatever others do
/// in between.
struct ErrorRuns: Sendable, Equatable {
  /// An error this long after the same user's last one is a new one.
  static let gap = TimeSpan.seconds(30)
  /// Users remembered; beyond that those whose error is oldest are forgotten, and counted again.
  private static let usersMax = 8192

  private var lastErrors: [UInt64: Instant] = [:]

  /// Whether this outcome is scored. Successes and errors without a user always are.
  mutating func scores(bad: Bool, user: UInt64?, at: Instant) -> Bool {
    guard let user else { return true }
    guard bad else {
      if !lastErrors.isEmpty { lastErrors[user] = nil }
      return true
    }
    let previous = lastErrors.updateValue(at, forKey: user)
    if lastErrors.count > Self.usersMax { prune(now: at) }
    return previous.map { at.since($0) > Self.gap } ?? true
  }

  private mutating func prune(now: Instant) {
    lastErrors = lastErrors.filter { now.since($0.value) <= Self.gap }
    guard lastErrors.count > Self.usersMax else { return }
    let newest = lastErrors.sorted { $0.value > $1.value }.prefix(Self.usersMax / 2)
    lastErrors = Dictionary(uniqueKeysWithValues: newest.map { ($0.key, $0.value) })
  }
}

extension ErrorRuns {
  func write(to writer: inout StateWriter) {
    writer.int(lastErrors.count)
    for (user, at) in lastErrors.sorted(by: { $0.key < $1.key }) {
      writer.word(user)
      writer.instant(at)
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let user = try reader.word()
      lastErrors[user] = try reader.instant()
    }
  }
}
