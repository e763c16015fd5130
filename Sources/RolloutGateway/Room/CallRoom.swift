import Synchronization

/// How many calls all providers together may have under way: each takes a connection, and those are
/// bounded by the process's descriptors.
final class CallRoom: Sendable {
  private let capacity: @Sendable () -> Int
  private let count = Atomic(0)

  /// `capacity` is asked before every call; it may change.
  init(_ capacity: @escaping @Sendable () -> Int) { self.capacity = capacity }

  /// Whether another call may begin, which counts it.
  func enter() -> Bool {
    guard count.add(1, ordering: .relaxed).newValue <= capacity() else {
      leave()
      return false
    }
    return true
  }

  func leave() { count.subtract(1, ordering: .relaxed) }
}
