import Synchronization

/// One call, as the awaiting task sees it: what has come and was not read yet. The loop puts it
/// there, and hears through the mailbox when the reader goes on or goes away.
final class Transfer: Sendable {
  /// Bytes kept for a slow reader before the sender is paused.
  private static let highWater = 64 * 1024

  private struct State {
    var head: HTTPAnswerHead?
    var chunks: [UInt8] = []
    var done = false
    var failure: HTTPFailure?
    var headWaiter: CheckedContinuation<HTTPAnswerHead, any Error>?
    var bodyWaiter: CheckedContinuation<[UInt8]?, any Error>?
    var paused = false
  }

  let call: HTTPCall
  /// Whether the answer is handed over once, when it is complete.
  let buffersWhole: Bool
  private let mailbox: CurlMailbox
  private let state = Mutex(State())

  init(_ call: HTTPCall, mailbox: CurlMailbox, buffersWhole: Bool) {
    self.call = call
    self.mailbox = mailbox
    self.buffersWhole = buffersWhole
  }

  func cancel() {
    if state.withLock({ $0.done }) { return }
    mailbox.post(.cancel(self))
  }

  // MARK: The awaiting task

  func head() async throws -> HTTPAnswerHead {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<HTTPAnswerHead, any Error>? = state.withLock { state in
          if let head = state.head { return .success(head) }
          if let failure = state.failure { return .failure(failure) }
          state.headWaiter = continuation
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      cancel()
    }
  }

  func next() async throws -> [UInt8]? {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        var resume = false
        let result: Result<[UInt8]?, any Error>? = state.withLock { state in
          // A whole answer is handed over once, when it is complete.
          if !state.chunks.isEmpty, !buffersWhole || state.done {
            defer { state.chunks = [] }
            resume = state.paused
            state.paused = false
            return .success(state.chunks)
          }
          if let failure = state.failure { return .failure(failure) }
          if state.done { return .success(nil) }
          if state.bodyWaiter != nil {
            return .failure(HTTPFailure.invalidRequest("Two readers of one answer."))
          }
          state.bodyWaiter = continuation
          return nil
        }
        if resume { mailbox.post(.resume(self)) }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      cancel()
    }
  }

  func whole() async throws -> (head: HTTPAnswerHead, body: [UInt8]) {
    let body = try await next() ?? []
    guard let head = state.withLock({ $0.head }) else { throw HTTPFailure.broken("no head") }
    return (head, body)
  }

  // MARK: The loop

  /// What became of a piece of the answer.
  enum Taking {
    case taken
    /// The reader is slow: the same bytes are to be offered again once it goes on.
    case full
    case tooLarge
  }

  func take(_ bytes: UnsafeRawBufferPointer) -> Taking {
    let (taking, waiter) = state.withLock {
      state -> (Taking, CheckedContinuation<[UInt8]?, any Error>?) in
      if buffersWhole {
        guard state.chunks.count + bytes.count <= call.answerSizeMax else {
          return (.tooLarge, nil)
        }
        state.chunks.append(contentsOf: bytes)
        return (.taken, nil)
      }
      if let waiter = state.bodyWaiter {
        state.bodyWaiter = nil
        return (.taken, waiter)
      }
      guard state.chunks.isEmpty || state.chunks.count + bytes.count <= Self.highWater else {
        state.paused = true
        return (.full, nil)
      }
      state.chunks.append(contentsOf: bytes)
      return (.taken, nil)
    }
    waiter?.resume(returning: Array(bytes))
    return taking
  }

  func deliver(_ head: HTTPAnswerHead) {
    let waiter = state.withLock { state -> CheckedContinuation<HTTPAnswerHead, any Error>? in
      state.head = head
      defer { state.headWaiter = nil }
      return state.headWaiter
    }
    waiter?.resume(returning: head)
  }

  /// The call has ended; nil is a whole answer.
  func finish(_ failure: HTTPFailure?) {
    let (headWaiter, bodyWaiter, rest) = state.withLock { state in
      state.done = true
      if state.failure == nil { state.failure = failure }
      // A whole answer is worth nothing when it broke off; a stream's last bytes still are.
      if failure != nil, buffersWhole { state.chunks = [] }
      let rest = state.bodyWaiter == nil ? [] : state.chunks
      if state.bodyWaiter != nil { state.chunks = [] }
      defer {
        state.headWaiter = nil
        state.bodyWaiter = nil
      }
      return (state.headWaiter, state.bodyWaiter, rest)
    }
    if let failure {
      headWaiter?.resume(throwing: failure)
      bodyWaiter?.resume(throwing: failure)
    } else {
      headWaiter?.resume(throwing: HTTPFailure.broken("no head"))
      bodyWaiter?.resume(returning: rest.isEmpty ? nil : rest)
    }
  }
}
