internal import CCurl
import Glibc
import PlatformKit

/// What epoll watches for libcurl, with as few system calls as that takes.
///
/// libcurl stops watching a connection when its call ends and watches it again with the next one;
/// epoll is told only when something happens in between, or when it has to watch for something
/// else. For the loop's thread alone.
final class WatchedSockets {
  /// What libcurl wants to know of a descriptor, and what epoll was told.
  private struct Watch {
    /// The place of the multi handle that has it.
    var owner = 0
    var wanted: Epoll.Interest = []
    var told: Epoll.Interest = []
  }

  private let epoll: Epoll
  private let descriptors: DescriptorShare
  private var watches: [Watch] = []

  init(_ epoll: Epoll, _ descriptors: DescriptorShare) {
    self.epoll = epoll
    self.descriptors = descriptors
  }

  /// A socket for libcurl; -1 when there is none to be had.
  func open(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    guard descriptors.takeOutbound() else { return -1 }
    let descriptor = Sockets.open(family, type, number)
    if descriptor < 0 { descriptors.giveOutbound() }
    return descriptor
  }

  /// The wish of the multi handle at a place (`CURL_POLL_…`).
  func watch(_ descriptor: Int32, _ what: Int32, for owner: Int) {
    guard descriptor >= 0 else { return }
    let index = Int(descriptor)
    if index >= watches.count {
      watches += Array(repeating: Watch(), count: index + 1 - watches.count)
    }
    var wanted: Epoll.Interest = []
    if what != CURL_POLL_REMOVE {
      if what & CURL_POLL_IN != 0 { wanted.insert(.read) }
      if what & CURL_POLL_OUT != 0 { wanted.insert(.write) }
    }
    watches[index].owner = owner
    watches[index].wanted = wanted
    guard !wanted.isEmpty, watches[index].told != wanted else { return }
    let tag = UInt64(descriptor)
    // The other way where a number was closed behind our back, or epoll still has it.
    if watches[index].told.isEmpty {
      if !epoll.add(descriptor, wanted, tag: tag) { epoll.change(descriptor, wanted, tag: tag) }
    } else {
      if !epoll.change(descriptor, wanted, tag: tag) { epoll.add(descriptor, wanted, tag: tag) }
    }
    watches[index].told = wanted
  }

  /// The place of the multi handle that wants to hear of an event. If none does, epoll is told to
  /// be quiet: the peer of an idle connection has left, which libcurl sees when it would use it.
  func owner(of descriptor: Int32) -> Int? {
    let index = Int(descriptor)
    guard watches.indices.contains(index) else { return nil }
    if !watches[index].wanted.isEmpty { return watches[index].owner }
    epoll.remove(descriptor)
    watches[index].told = []
    return nil
  }

  /// libcurl closes a descriptor, which ends epoll's watch too.
  func forget(_ descriptor: Int32) {
    let index = Int(descriptor)
    if watches.indices.contains(index) { watches[index] = Watch() }
    descriptors.giveOutbound()
  }
}

// Free functions: libcurl calls them on the loop's thread, outside any actor.

/// Closes a socket of libcurl's.
func closeWatchedSocket(
  _ sockets: UnsafeMutableRawPointer?, _ descriptor: curl_socket_t
) -> Int32 {
  if let sockets {
    Unmanaged<WatchedSockets>.fromOpaque(sockets).takeUnretainedValue().forget(descriptor)
  }
  return close(descriptor)
}
