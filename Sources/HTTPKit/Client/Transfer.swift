internal import CCurl
import Synchronization

/// One call under way. Fields named `loop…` belong to the engine's thread; `shared` is the
/// hand-over to the awaiting task.
///
/// `@unchecked Sendable`: every `loop…` field is read and written on the engine's thread only,
/// everything else is immutable or behind the mutex.
final class Transfer: @unchecked Sendable {
  /// Bytes kept for a slow reader before the sender is paused.
  private static let highWater = 64 * 1024
  /// Bytes of an answer's fields that are kept.
  private static let fieldsSizeMax = 64 * 1024

  private struct Shared {
    var head: HTTPAnswerHead?
    var chunks: [UInt8] = []
    var done = false
    var failure: HTTPFailure?
    var headWaiter: CheckedContinuation<HTTPAnswerHead, any Error>?
    var bodyWaiter: CheckedContinuation<[UInt8]?, any Error>?
    var paused = false
  }

  let call: HTTPCall
  let buffersWhole: Bool
  private let engine: CurlEngine
  private let shared = Mutex(Shared())

  var loopHandle: UnsafeMutableRawPointer?
  var loopMulti: MultiHandle?
  var loopPool: HandlePool?
  /// When the engine heard of it.
  var loopPostedAt = 0
  /// Whether it has a connection, or needs none any more.
  var loopIsSettled = true
  var loopDeadline = Int.max
  var loopPaused = false
  var loopGotByte = false
  var loopOverflow = false
  private var loopStatus = 0
  private var loopFields = HeaderLines()
  private var loopHeadDelivered = false

  init(_ call: HTTPCall, engine: CurlEngine, buffersWhole: Bool) {
    self.call = call
    self.engine = engine
    self.buffersWhole = buffersWhole
  }

  func cancel() {
    if shared.withLock({ $0.done }) { return }
    engine.post(.cancel(self))
  }

  // MARK: The awaiting task

  func head() async throws -> HTTPAnswerHead {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result: Result<HTTPAnswerHead, any Error>? = shared.withLock { shared in
          if let head = shared.head { return .success(head) }
          if let failure = shared.failure { return .failure(failure) }
          shared.headWaiter = continuation
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
        let result: Result<[UInt8]?, any Error>? = shared.withLock { shared in
          // A whole answer is handed over once, when it is complete.
          if !shared.chunks.isEmpty, !buffersWhole || shared.done {
            defer { shared.chunks = [] }
            resume = shared.paused
            shared.paused = false
            return .success(shared.chunks)
          }
          if let failure = shared.failure { return .failure(failure) }
          if shared.done { return .success(nil) }
          if shared.bodyWaiter != nil {
            return .failure(HTTPFailure.invalidRequest("Two readers of one answer."))
          }
          shared.bodyWaiter = continuation
          return nil
        }
        if resume { engine.post(.resume(self)) }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      cancel()
    }
  }

  func whole() async throws -> (head: HTTPAnswerHead, body: [UInt8]) {
    let body = try await next() ?? []
    guard let head = shared.withLock({ $0.head }) else { throw HTTPFailure.broken("no head") }
    return (head, body)
  }

  // MARK: The engine's thread

  var loopIsDone: Bool { shared.withLock { $0.done } }

  /// The clock that has run out, of those that libcurl does not have; paused ones wait for their
  /// reader.
  func loopOverdue(_ now: Int) -> HTTPFailure.Clock? {
    if !loopIsSettled {
      return loopPostedAt + Int(call.timeouts.connect * 1000) < now ? .connect : nil
    }
    guard !loopPaused, loopDeadline < now else { return nil }
    return loopGotByte ? .idle : .firstByte
  }

  /// Opens its socket: the name has been looked up.
  func loopOpenSocket(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    loopSettle()
    return engine.loopOpenSocket(family, type, number)
  }

  /// It has a connection, or needs none any more.
  func loopSettle() {
    guard !loopIsSettled, let loopPool else { return }
    loopIsSettled = true
    engine.loopSettled(in: loopPool)
  }

  func loopReceive(field bytes: UnsafeRawBufferPointer) {
    loopTouch()
    let line = ByteView(bytes.bindMemory(to: UInt8.self))
    if line.isEmpty || line[0] == 0x0D || line[0] == 0x0A {
      // 1xx answers are followed by another head.
      if loopStatus >= 200, !buffersWhole { loopDeliverHead() }
    } else if line.hasPrefix("HTTP/") {
      loopFields = HeaderLines()
      loopStatus = Self.status(line)
    } else if loopFields.bytes.count + line.count <= Self.fieldsSizeMax {
      loopFields.append(line.buffer)
    }
  }

  /// The three digits after the first space; 0 when they are none.
  private static func status(_ line: ByteView) -> Int {
    guard let space = line.firstIndex(of: 0x20, from: 0), space + 3 < line.count else { return 0 }
    var status = 0
    for index in (space + 1)...(space + 3) {
      guard (0x30...0x39).contains(line[index]) else { return 0 }
      status = status * 10 + Int(line[index] - 0x30)
    }
    return status
  }

  private func loopTouch() {
    loopGotByte = true
    loopDeadline = engine.now + Int(call.timeouts.idle * 1000)
  }

  /// Bytes taken, or the pause code: libcurl then offers the same bytes again.
  func loopReceive(body bytes: UnsafeRawBufferPointer) -> Int {
    loopTouch()
    if loopStatus >= 200 { loopDeliverHead() }
    enum Step {
      case kept, pause, overflow
      case hand(CheckedContinuation<[UInt8]?, any Error>)
    }
    let step = shared.withLock { shared -> Step in
      if buffersWhole {
        guard shared.chunks.count + bytes.count <= call.answerSizeMax else { return .overflow }
        shared.chunks.append(contentsOf: bytes)
        return .kept
      }
      if let waiter = shared.bodyWaiter {
        shared.bodyWaiter = nil
        return .hand(waiter)
      }
      guard shared.chunks.isEmpty || shared.chunks.count + bytes.count <= Self.highWater else {
        shared.paused = true
        return .pause
      }
      shared.chunks.append(contentsOf: bytes)
      return .kept
    }
    switch step {
    case .kept: return bytes.count
    case .pause:
      loopPaused = true
      return Int(CURL_WRITEFUNC_PAUSE)
    case .overflow:
      loopOverflow = true
      return 0
    case .hand(let waiter):
      waiter.resume(returning: Array(bytes))
      return bytes.count
    }
  }

  private func loopDeliverHead() {
    guard !loopHeadDelivered else { return }
    loopHeadDelivered = true
    let head = HTTPAnswerHead(status: loopStatus, headers: loopFields)
    let waiter = shared.withLock { shared -> CheckedContinuation<HTTPAnswerHead, any Error>? in
      shared.head = head
      defer { shared.headWaiter = nil }
      return shared.headWaiter
    }
    waiter?.resume(returning: head)
  }

  func loopFinish(_ failure: HTTPFailure?) {
    if failure == nil { loopDeliverHead() }
    let (headWaiter, bodyWaiter, rest) = shared.withLock { shared in
      shared.done = true
      if shared.failure == nil { shared.failure = failure }
      // A whole answer is worth nothing when it broke off; a stream's last bytes still are.
      if failure != nil, buffersWhole { shared.chunks = [] }
      let rest = shared.bodyWaiter == nil ? [] : shared.chunks
      if shared.bodyWaiter != nil { shared.chunks = [] }
      defer {
        shared.headWaiter = nil
        shared.bodyWaiter = nil
      }
      return (shared.headWaiter, shared.bodyWaiter, rest)
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
