internal import CPlatform
import Glibc

/// Counts what has been put in; a thread sleeps until there is something to take.
package final class Semaphore: Sendable {
  private let descriptor: Int32

  /// Made at start-up: a process without a descriptor for it cannot go on.
  package init() {
    descriptor = cp_semaphore_create()
    precondition(descriptor >= 0, "out of descriptors at start-up")
  }

  deinit { close(descriptor) }

  package func put() {
    var one: UInt64 = 1
    _ = write(descriptor, &one, 8)
  }

  /// Waits; false when it was interrupted without having taken one.
  package func take() -> Bool {
    var count: UInt64 = 0
    return read(descriptor, &count, 8) == 8
  }
}
