import Synchronization

/// The other side is gone; nothing more can be sent.
package struct Disconnected: Error {}

/// A request whose answer comes from outside the loop: whole, or as a stream with back-pressure.
///
/// Holds no pointer into the loop, only a slot and its generation: a stale one is ignored. Use from
/// one task at a time; `onDisconnect` may fire on the loop's thread at any moment.
package final class Exchange: Sendable {
  /// Bytes queued for a slow reader before `write` waits.
  package static let highWater = 64 * 1024

  private struct State {
    var disconnected = false
    /// Its end has been sent: what comes later must not reach the connection's next request.
    var ended = false
    var queued = 0
    var status = 0
    var onDisconnect: (@Sendable () -> Void)?
    var waiter: CheckedContinuation<Void, any Error>?
  }

  let slot: Int
  let generation: UInt32
  private let mailbox: Mailbox
  private let state = Mutex(State())

  init(slot: Int, generation: UInt32, mailbox: Mailbox) {
    self.slot = slot
    self.generation = generation
    self.mailbox = mailbox
  }

  /// The status of the answer; 0 while there is none.
  package var status: Int { state.withLock { $0.status } }

  /// Whether the client is known to be gone.
  package var isDisconnected: Bool { state.withLock { $0.disconnected } }

  /// Sends a whole answer; the request is then over.
  package func respond(_ response: HTTPResponse) {
    post(.response(response), ends: true, status: response.status)
  }

  /// Sends the head of a streamed answer (chunked, or until close for HTTP/1.0).
  package func begin(
    status: Int, contentType: StaticString, headers: [(name: String, value: String)] = []
  ) {
    let head = HTTPResponse(status: status, contentType: contentType, headers: headers)
    post(.begin(head), status: status)
  }

  /// Under the lock, so that nothing gets behind the end.
  private func post(
    _ kind: Mailbox.Message.Kind, ends: Bool = false, status: Int? = nil
  ) {
    state.withLock { state in
      guard !state.ended else { return }
      state.ended = ends
      if let status { state.status = status }
      mailbox.post(.init(slot: slot, generation: generation, kind: kind))
    }
  }

  /// Queues bytes of a stream; returns once no more than `highWater` bytes wait for the reader.
  /// Throws `Disconnected` when the client is gone, or `CancellationError`.
  package func write(_ bytes: [UInt8]) async throws {
    try post(bytes)
    try await drained()
  }

  /// Queues bytes without waiting; throws once `backlogMax` bytes wait for a reader that does not
  /// read. For broadcasts, where one slow reader must not hold up the others.
  package func offer(_ bytes: [UInt8], backlogMax: Int) throws {
    guard state.withLock({ $0.queued <= backlogMax }) else { throw Disconnected() }
    try post(bytes)
  }

  private func post(_ bytes: [UInt8]) throws {
    guard !bytes.isEmpty else { return }
    let gone = state.withLock { state in
      if state.disconnected || state.ended { return true }
      state.queued += bytes.count
      mailbox.post(.init(slot: slot, generation: generation, kind: .chunk(bytes)))
      return false
    }
    if gone { throw Disconnected() }
  }

  private func drained() async throws {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<Void, any Error>? = state.withLock { state in
          if state.disconnected { return .failure(Disconnected()) }
          if Task.isCancelled { return .failure(CancellationError()) }
          if state.queued <= Self.highWater { return .success(()) }
          state.waiter = continuation
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      takeWaiter()?.resume(throwing: CancellationError())
    }
  }

  /// Ends a streamed answer.
  package func finish() {
    post(.finish, ends: true)
  }

  /// Ends a streamed answer without its proper end, so that the client sees it was cut.
  package func abort() {
    post(.abort, ends: true)
  }

  /// Runs `body` when the client goes away before the answer is complete; at once when it has.
  package func onDisconnect(_ body: @escaping @Sendable () -> Void) {
    let gone = state.withLock { state in
      if !state.disconnected { state.onDisconnect = body }
      return state.disconnected
    }
    if gone { body() }
  }

  // MARK: Called by the loop

  /// So many queued bytes reached the socket. The waiter is resumed outside the lock: `onCancel`
  /// takes the same lock under the task's own.
  func sent(_ count: Int) {
    let waiter = state.withLock { state -> CheckedContinuation<Void, any Error>? in
      state.queued = max(0, state.queued - count)
      guard state.queued <= Self.highWater else { return nil }
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume()
  }

  func disconnect() {
    let (callback, waiter) = state.withLock { state in
      state.disconnected = true
      defer {
        state.onDisconnect = nil
        state.waiter = nil
      }
      return (state.onDisconnect, state.waiter)
    }
    callback?()
    waiter?.resume(throwing: Disconnected())
  }

  /// The answer is complete: a disconnect is no longer news.
  func complete() { state.withLock { $0.onDisconnect = nil } }

  private func takeWaiter() -> CheckedContinuation<Void, any Error>? {
    state.withLock { state in
      defer { state.waiter = nil }
      return state.waiter
    }
  }
}
