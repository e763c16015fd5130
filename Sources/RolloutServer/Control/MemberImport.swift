import RolloutAPI
import RolloutCore
import Synchronization

/// Member lists that come in portions: kept here until the last one is there, then added at once.
/// What is never finished is forgotten and has changed nothing; so has a restart.
final class MemberImports: Sendable {
  /// Which import a portion belongs to.
  struct Key: Hashable, Sendable {
    var token: String
    var cohort: String
    /// The sender's word for it.
    var id: String
  }

  static let portionsMax = 1000
  /// Ids that may wait, of all imports together.
  static let usersMax = 2_000_000
  /// An import that hears nothing for so long is given up.
  static let patience = TimeSpan.minutes(10)

  private struct Pending {
    var count: Int
    var portions: [Int: [String]] = [:]
    var heard: Instant

    var size: Int { portions.values.reduce(0) { $0 + $1.count } }
  }

  private let pending = Mutex<[Key: Pending]>([:])

  /// Takes portion `number` of `count`; the whole list once none is missing. A portion that comes
  /// again replaces itself.
  func take(
    _ users: [String], _ key: Key, portion number: Int, of count: Int, now: Instant
  ) throws(Problem) -> [String]? {
    try pending.withLock { (pending) throws(Problem) -> [String]? in
      pending = pending.filter { now.since($0.value.heard) < Self.patience }
      var mine = pending[key] ?? Pending(count: count, heard: now)
      guard mine.count == count else {
        throw Problem(
          .badRequest, "This import has \(mine.count) portions, not \(count); begin another.")
      }
      mine.portions[number] = users
      mine.heard = now
      let waiting = pending.filter { $0.key != key }.values.reduce(mine.size) { $0 + $1.size }
      guard waiting <= Self.usersMax else {
        throw Problem(
          .tooMany,
          "At most \(Self.usersMax) members wait in imports at a time; import fewer at once.")
      }
      guard mine.portions.count == count else {
        pending[key] = mine
        return nil
      }
      pending[key] = nil
      return (1...count).flatMap { mine.portions[$0] ?? [] }
    }
  }
}

extension MemberImports {
  /// Which part of a list a request brings, counted from 1.
  struct Portion {
    var id: String
    var number: Int
    var count: Int
  }
}
