internal import CPlatform

/// System calls on sockets that Swift's Glibc module lacks.
package enum Sockets {
  /// A new socket that a child process does not inherit; -1 when there is none, and `errno` says
  /// why.
  package static func open(_ family: Int32, _ type: Int32, _ number: Int32) -> Int32 {
    cp_socket(family, type, number)
  }

  /// The next client of a listener, not blocking and not inherited; -1 when there is none, and
  /// `errno` says why. `peer` takes its address, a `sockaddr_storage`: as bytes, for which module
  /// brings that type differs between builds.
  package static func accept(from listener: Int32, peer: UnsafeMutableRawBufferPointer) -> Int32 {
    var length = socklen_t(peer.count)
    return cp_accept(listener, peer.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
  }

  /// Has a listener ignore those who begin to connect, and go on with those who are at it.
  package static func ignoreNew(_ listener: Int32) { _ = cp_ignore_new(listener) }
}
