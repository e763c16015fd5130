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
  /// Bytes that an id takes beside its letters.
  private static let overhead = 64
  /// An import that hears nothing for so long is given up.
  static let patience = TimeSpan.minutes(10)

  private struct Pending {
    var count: Int
    var portions: [Int: [String]] = [:]
    var heard: Instant

    /// Bytes of each portion.
    var sizes: [Int: Int] = [:]

    var size: Int { sizes.values.reduce(0, +) }
  }

  enum Step {
    case waitsForMore
    case whole([String])
    /// Others' imports take the room.
    case busy
  }

  /// Bytes that ids may take that wait, of all imports together; one token's may take half.
  private let sizeMax: Int
  private let pending = Mutex<[Key: Pending]>([:])

  /// For a process that may have `memory` bytes.
  init(memory: Int = MemoryLimit.process) {
    sizeMax = max(64 << 20, min(1 << 30, memory / 8))
  }

  /// Takes portion `number` of `count`; the whole list once none is missing. A portion that comes
  /// again replaces itself.
  func take(
    _ users: [String], _ key: Key, portion number: Int, of count: Int, now: Instant
  ) throws(Problem) -> Step {
    try pending.withLock { (pending) throws(Problem) -> Step in
      pending = pending.filter { now.since($0.value.heard) < Self.patience }
      var mine = pending[key] ?? Pending(count: count, heard: now)
      guard mine.count == count else {
        throw Problem(
          .badRequest, "This import has \(mine.count) portions, not \(count); begin another.")
      }
      mine.portions[number] = users
      mine.heard = now
      mine.sizes[number] = users.reduce(0) { $0 + $1.utf8.count + Self.overhead }
      let others = pending.filter { $0.key != key }
      let own = others.filter { $0.key.token == key.token }
        .values.reduce(mine.size) { $0 + $1.size }
      guard own <= sizeMax / 2 else {
        throw Problem(
          .tooMany,
          "One token's imports may take \(sizeMax >> 21) MiB until they are whole; import fewer "
            + "members at once.")
      }
      guard others.values.reduce(mine.size, { $0 + $1.size }) <= sizeMax else { return .busy }
      guard mine.portions.count == count else {
        pending[key] = mine
        return .waitsForMore
      }
      pending[key] = nil
      return .whole((1...count).flatMap { mine.portions[$0] ?? [] })
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
