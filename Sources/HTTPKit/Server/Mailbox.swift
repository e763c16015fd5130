internal import CPlatform
import Glibc
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

  let descriptor: Int32
  private let queue = Mutex<[Message]>([])

  init() throws {
    descriptor = cp_eventfd_create()
    guard descriptor >= 0 else { throw SystemError("eventfd") }
  }

  deinit { close(descriptor) }

  func post(_ message: Message) {
    let wasEmpty = queue.withLock { queue in
      queue.append(message)
      return queue.count == 1
    }
    guard wasEmpty else { return }
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  func take() -> [Message] {
    queue.withLock { queue in
      defer { queue = [] }
      return queue
    }
  }
}
