internal import CPlatform
import Glibc

/// Wakes a thread that waits for events, from any other one.
///
/// Watch it with `Epoll.Interest.edge`: then every ring is an event, and nobody has to read it.
package final class Wakeup: Sendable {
  package let descriptor: Int32

  /// Throws `SystemError`.
  package init() throws {
    descriptor = cp_eventfd_create()
    guard descriptor >= 0 else { throw SystemError("eventfd") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  package func ring() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }
}
