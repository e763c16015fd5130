internal import CPlatform
import Glibc

/// An epoll instance, and the events it brought last. Belongs to one thread.
package final class Epoll {
  /// What is watched for, or has happened.
  package struct Interest: OptionSet, Sendable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// There is something to read.
    package static let read = Interest(rawValue: cp_epoll_in)
    /// There is room to write.
    package static let write = Interest(rawValue: cp_epoll_out)
    /// The peer sends no more.
    package static let peerEnd = Interest(rawValue: cp_epoll_rdhup)
    package static let failure = Interest(rawValue: cp_epoll_err)
    package static let hangup = Interest(rawValue: cp_epoll_hup)
    /// Only news is told: what is there has to be read until there is no more.
    package static let edge = Interest(rawValue: cp_epoll_et)
  }

  package struct Event {
    /// What was given with the descriptor.
    package let tag: UInt64
    package let what: Interest
  }

  private let descriptor: Int32
  private var events: [epoll_event]

  /// `eventsMax` are taken at once. Throws `SystemError`.
  package init(eventsMax: Int = 256) throws {
    descriptor = cp_epoll_create()
    events = Array(repeating: epoll_event(), count: eventsMax)
    guard descriptor >= 0 else { throw SystemError("epoll_create1") }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// False when the kernel refuses; `errno` says why.
  @discardableResult
  package func add(_ watched: Int32, _ interest: Interest, tag: UInt64) -> Bool {
    control(EPOLL_CTL_ADD, watched, interest, tag)
  }

  /// False when the kernel refuses; `errno` says why.
  @discardableResult
  package func change(_ watched: Int32, _ interest: Interest, tag: UInt64) -> Bool {
    control(EPOLL_CTL_MOD, watched, interest, tag)
  }

  package func remove(_ watched: Int32) { epoll_ctl(descriptor, EPOLL_CTL_DEL, watched, nil) }

  private func control(
    _ operation: Int32, _ watched: Int32, _ interest: Interest, _ tag: UInt64
  ) -> Bool {
    var event = epoll_event()
    event.events = interest.rawValue
    event.data.u64 = tag
    return epoll_ctl(descriptor, operation, watched, &event) == 0
  }

  /// Waits for events; -1 for as long as it takes. Returns how many there are.
  package func wait(milliseconds: Int32) -> Int {
    max(0, Int(epoll_wait(descriptor, &events, Int32(events.count), milliseconds)))
  }

  /// Those of the last `wait`.
  package subscript(index: Int) -> Event {
    let event = events[index]
    return Event(tag: event.data.u64, what: Interest(rawValue: event.events))
  }

  /// Another descriptor of the same instance, to be given up when there is no other; -1 when there
  /// is none.
  package func spareDescriptor() -> Int32 { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) }
}
