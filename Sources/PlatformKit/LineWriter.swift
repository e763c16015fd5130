import Glibc
import Synchronization

/// Lines on their way to a descriptor whose reader may stand still, such as standard error. A
/// thread of its own writes them, so nobody who has something to say waits; what finds no room is
/// dropped and counted, and the count is written once there is somebody to read it.
package final class LineWriter: Sendable {
  /// Bytes that may wait, and as many may be on their way.
  package static let sizeMax = 1 << 20

  private struct State {
    var waiting: [UInt8] = []
    var dropped = 0
    /// Whether the thread holds bytes that are not written yet.
    var isWriting = false
  }

  private let descriptor: Int32
  /// The line that says how many were dropped, without its end.
  private let notice: @Sendable (_ dropped: Int) -> String
  private let state = Mutex(State())
  /// Counts that something waits.
  private let semaphore = Semaphore()

  /// Does not close the descriptor. Lives as long as the process.
  package init(_ descriptor: Int32, notice: @escaping @Sendable (_ dropped: Int) -> String) {
    self.descriptor = descriptor
    self.notice = notice
    startThread(named: "lines") { [self] in
      while true { writeWaiting() }
    }
  }

  /// Queues a line, given without its end. Never waits.
  package func write(_ line: String) {
    let isFirst = state.withLock { state in
      guard state.waiting.count + line.utf8.count < Self.sizeMax else {
        state.dropped += 1
        return false
      }
      defer {
        state.waiting += line.utf8
        state.waiting.append(UInt8(ascii: "\n"))
      }
      return state.waiting.isEmpty
    }
    if isFirst { semaphore.put() }
  }

  /// Waits until everything is written; false when it still is not after so many milliseconds.
  @discardableResult
  package func flush(milliseconds: Int) -> Bool {
    let step = 2
    for _ in 0...max(0, milliseconds / step) {
      let isDone = state.withLock { $0.waiting.isEmpty && !$0.isWriting }
      if isDone { return true }
      usleep(UInt32(step * 1000))
    }
    return false
  }

  private func writeWaiting() {
    guard semaphore.take() else { return }
    while let (lines, dropped) = next() {
      // What was dropped came when there was no more room.
      let isWritten = put(lines) && (dropped == 0 || put(Array("\(notice(dropped))\n".utf8)))
      guard !isWritten else { continue }
      // Nobody will ever read it; the count waits for the next line.
      state.withLock { state in
        state.isWriting = false
        state.dropped += dropped + lines.count(where: { $0 == UInt8(ascii: "\n") })
      }
      return
    }
  }

  /// What waits, and how many were dropped since; nil when there is neither.
  private func next() -> (lines: [UInt8], dropped: Int)? {
    state.withLock { state in
      state.isWriting = state.dropped > 0 || !state.waiting.isEmpty
      guard state.isWriting else { return nil }
      defer {
        state.dropped = 0
        state.waiting = []
      }
      return (state.waiting, state.dropped)
    }
  }

  /// Writes all of it, waiting for the reader; false when there is none any more.
  private func put(_ bytes: [UInt8]) -> Bool {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
      }
      if count > 0 {
        done += count
      } else if errno == EAGAIN {
        var poll = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        _ = Glibc.poll(&poll, 1, -1)
      } else if errno != EINTR {
        return false
      }
    }
    return true
  }
}
