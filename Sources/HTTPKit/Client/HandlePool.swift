internal import CCurl

/// libcurl's handles for one kind of call, and the calls that wait for one.
///
/// Only so many calls may be without a connection at once: libcurl looks a name up in a thread of
/// its own for each, with two descriptors, until one of them has the answer. For the loop's
/// thread alone.
final class HandlePool {
  /// Calls that look for a connection at once.
  static let unsettledMax = 64

  let kind: CurlHandles.Kind
  /// Handles that are ready for a call, and where the connection of each one's last call is; the
  /// one used last comes last.
  var idle: [(handle: UnsafeMutableRawPointer, multi: MultiHandle)] = []
  /// Handles in use.
  var inUse = 0
  /// Calls that have begun and have no connection yet.
  var unsettled = 0
  private var waiting: [LoopTransfer] = []
  private var firstWaiting = 0

  init(_ kind: CurlHandles.Kind) { self.kind = kind }

  var hasWaiting: Bool { firstWaiting < waiting.count }
  var hasRoom: Bool { unsettled < Self.unsettledMax }
  /// Whether nothing would be lost with it.
  var isEmpty: Bool { idle.isEmpty && inUse == 0 && !hasWaiting }

  func append(_ transfer: LoopTransfer) { waiting.append(transfer) }

  func popWaiting() -> LoopTransfer? {
    guard hasWaiting else { return nil }
    defer {
      firstWaiting += 1
      if !hasWaiting {
        waiting = []
        firstWaiting = 0
      }
    }
    return waiting[firstWaiting]
  }

  /// Forgets those that ended while they waited; returns how many.
  func removeEnded() -> Int {
    guard hasWaiting else { return 0 }
    let before = waiting.count - firstWaiting
    waiting = waiting[firstWaiting...].filter { !$0.hasEnded }
    firstWaiting = 0
    return before - waiting.count
  }
}
