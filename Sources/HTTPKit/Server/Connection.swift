/// One client connection. Belongs to its loop's thread. An idle one owns no buffer.
final class Connection {
  enum Phase {
    /// Waiting for the first byte of a request.
    case idle
    /// A head is arriving.
    case head
    /// The head is parsed; its body is arriving.
    case body(RequestHead)
    /// The body arrives in chunks; the head's bytes are kept beside it.
    case chunked(RequestHead, head: [UInt8], ChunkedDecoder)
    /// A service is at work; no byte is read meanwhile.
    case suspended(Exchange)
    /// Answered for the last time; reading on briefly so that the answer is not lost to a reset.
    case lingering
  }

  let descriptor: Int32
  let slot: Int
  let generation: UInt32
  var phase = Phase.idle
  /// Bytes received and not consumed yet.
  var input: [UInt8] = []
  /// Bytes this connection counts for in the loop's `buffered`.
  var held = 0
  /// Bytes the socket did not take yet, and how many of them it has taken since.
  var output: [UInt8] = []
  var outputSent = 0
  /// Milliseconds of the loop's clock; `Int.max` for none.
  var deadline: Int
  var writeDeadline = Int.max
  var closeAfterOutput = false
  /// What epoll watches at present.
  var interest: UInt32 = 0
  /// The head of the streamed answer that is under way.
  var stream: HeadContext?

  init(descriptor: Int32, slot: Int, generation: UInt32, deadline: Int) {
    self.descriptor = descriptor
    self.slot = slot
    self.generation = generation
    self.deadline = deadline
  }

  var outputPending: Int { output.count - outputSent }

  var exchange: Exchange? {
    if case .suspended(let exchange) = phase { return exchange }
    return nil
  }

  var isIdle: Bool {
    if case .idle = phase { return outputPending == 0 }
    return false
  }

  var isLingering: Bool {
    if case .lingering = phase { return true }
    return false
  }
}
