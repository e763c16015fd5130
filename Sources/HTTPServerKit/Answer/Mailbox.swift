import PlatformKit
import Synchronization

/// What other threads have to say to a loop. One wake-up per batch.
final class Mailbox: Sendable {
  struct Message: Sendable {
    enum Kind: Sendable {
      case response(HTTPResponse)
      case begin(HTTPResponse)
      case chunk([UInt8])
      case finish
      case abort
      /// Stop accepting; finish what is in flight.
      case drain
      /// Close everything now.
      case stop
    }
    var slot = 0
    var generation: UInt32 = 0
    var kind: Kind
  }

  /// Rings when the first message of a batch has come.
  let wakeup: Wakeup
  private let queue = Mutex<[Message]>([])

  init() throws { wakeup = try Wakeup() }

  func post(_ message: Message) {
    let wasEmpty = queue.withLock { queue in
      queue.append(message)
      return queue.count == 1
    }
    if wasEmpty { wakeup.ring() }
  }

  func take() -> [Message] {
    queue.withLock { queue in
      defer { queue = [] }
      return queue
    }
  }
}
