import PlatformKit

/// One client connection. Belongs to its loop's thread. An idle one owns no buffer.
final class HTTPConnection {
  enum Phase {
    /// Waiting for the first byte of a request.
    case idle
    /// A head is arriving.
    case head
    /// The head is parsed; the body of `pending` is arriving.
    case body
    /// A service is at work; no byte is read meanwhile.
    case suspended
    /// Answered for the last time; reading on briefly so that the answer is not lost to a reset.
    case lingering
  }

  let descriptor: Int32
  let peer: PeerAddress
  let slot: Int
  let generation: UInt32
  var phase = Phase.idle
  /// The request whose body is arriving; nil in every other phase.
  var pending: PendingRequest?
  /// Who answers; nil unless suspended.
  var exchange: Exchange?
  /// Bytes received and not consumed yet.
  var input: [UInt8] = []
  /// Bytes this connection counts for in the loop's upload room, and in whose name: 0 is nobody's.
  var held = 0
  var account = 0
  /// Bytes the socket did not take yet, and how many of them this connection counts for in what the
  /// loop holds for slow readers.
  var output = OutputQueue()
  var outputHeld = 0
  var deadline: MonotonicInstant
  var writeDeadline = MonotonicInstant.never
  var closeAfterOutput = false
  /// More bytes came while an answer was being made; they stay in the socket until it is sent.
  var hasUnread = false
  /// What epoll watches at present.
  var interest: Epoll.Interest = []
  /// The head of the streamed answer that is under way.
  var stream: HeadContext?

  init(
    descriptor: Int32, peer: PeerAddress, slot: Int, generation: UInt32, deadline: MonotonicInstant
  ) {
    self.descriptor = descriptor
    self.peer = peer
    self.slot = slot
    self.generation = generation
    self.deadline = deadline
  }

  var outputPending: Int { output.count }

  var isIdle: Bool { phase == .idle && outputPending == 0 }
  var isLingering: Bool { phase == .lingering }
}
