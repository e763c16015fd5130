/// The people behind a stage's requests, as far as an advance asks for them: at most 26 requests
/// of each are counted, so that nobody outweighs the others, and no more people than settle it.
package struct StageUsers: Sendable, Equatable {
  /// Effective users from which a stage's evidence speaks for more than one person.
  package static let enough = 3.0
  /// Members of a list up to which half of them are enough.
  package static let shortList = 5
  static let requestsMax = 26
  private static let usersMax = 256

  private var counts: [UInt64: Int] = [:]
  private var nameless = 0
  private var users = EffectiveUsers()

  package init() {}

  package var effective: Double { users.value }
  /// Different people, as far as they were counted.
  package var distinct: Int { counts.count + nameless }

  /// nil is somebody without an id, who counts as a person.
  package mutating func record(_ user: UInt64?) {
    guard let user else {
      guard distinct < Self.usersMax else { return }
      nameless += 1
      users.grow(from: 0)
      return
    }
    let before = counts[user] ?? 0
    guard before < Self.requestsMax, before > 0 || distinct < Self.usersMax else { return }
    counts[user] = before + 1
    users.grow(from: before)
  }

  func write(to writer: inout StateWriter) {
    writer.int(nameless)
    writer.int(counts.count)
    for (user, count) in counts.sorted(by: { $0.key < $1.key }) {
      writer.word(user)
      writer.int(count)
    }
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<min(try reader.natural(), Self.usersMax) { record(nil) }
    for _ in 0..<(try reader.count()) {
      let user = try reader.word()
      for _ in 0..<min(try reader.natural(), Self.requestsMax) { record(user) }
    }
  }
}
