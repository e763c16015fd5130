import Glibc
package import PlatformKit
import Synchronization

/// An HTTP/1.1 server: one event loop a core, each with a listener of its own on the same port.
package final class HTTPServer: Sendable {
  /// Where clients reach it; the port is the real one also when 0 was asked for.
  package let host: String
  package let port: Int
  private let mailboxes: [Mailbox]
  private let finished: Mutex<Finished>

  private struct Finished {
    var running: Int
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  /// Binds and starts. `makeService` is called once per loop, before any request.
  /// Throws `SystemError` or `AddressError` when the address cannot be listened on.
  package init(
    host: String, port: Int, loops: Int, limits: HTTPLimits = HTTPLimits(),
    descriptors: DescriptorShare = .process,
    makeService: (Int) throws -> sending any HTTPService
  ) throws {
    signal(SIGPIPE, SIG_IGN)
    // Our listeners share their port with each other and with nobody else. Whoever starts at the
    // same moment waits until they listen, and is refused then.
    let claim = PortClaim(port)
    defer { claim.release() }
    if port != 0 { try checkFree(host: host, port: port) }
    var sockets: [Int32] = []
    var boundPort = port
    for _ in 0..<max(1, loops) {
      let (descriptor, actual) = try listen(host: host, port: boundPort)
      sockets.append(descriptor)
      boundPort = actual
    }
    self.host = host
    self.port = boundPort
    mailboxes = try sockets.map { _ in try Mailbox() }
    finished = Mutex(Finished(running: sockets.count))
    for (index, descriptor) in sockets.enumerated() {
      let loop = try EventLoop(
        listener: descriptor, limits: limits, descriptors: descriptors, mailbox: mailboxes[index],
        service: makeService(index))
      startThread(named: "loop-\(index)") { [self] in
        loop.run()
        loopEnded()
      }
    }
  }

  /// Accepts nothing new and finishes what is in flight, within the limits' grace time.
  package func drain() async {
    for mailbox in mailboxes { mailbox.post(.init(kind: .drain)) }
    await wait()
  }

  /// Closes everything at once.
  package func stop() async {
    for mailbox in mailboxes { mailbox.post(.init(kind: .stop)) }
    await wait()
  }

  private func wait() async {
    await withCheckedContinuation { continuation in
      let done = finished.withLock { state in
        if state.running > 0 { state.waiters.append(continuation) }
        return state.running == 0
      }
      if done { continuation.resume() }
    }
  }

  private func loopEnded() {
    let waiters = finished.withLock { state in
      state.running -= 1
      guard state.running == 0 else { return [CheckedContinuation<Void, Never>]() }
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }
}

/// An address that names nothing here.
package struct AddressError: Error, CustomStringConvertible {
  package let description: String
}

private func listen(host: String, port: Int) throws -> (descriptor: Int32, port: Int) {
  let descriptor = try bind(host: host, port: port, shares: true)
  // What a client does not take is ours to bound, and not for the kernel to copy: it would hold
  // megabytes of it for each. Those who connect inherit this.
  var unsentMax: Int32 = 64 * 1024
  setsockopt(
    descriptor, Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, &unsentMax,
    socklen_t(MemoryLayout<Int32>.size))
  guard Glibc.listen(descriptor, 4096) == 0 else {
    let error = SystemError("listen on \(host):\(port)")
    close(descriptor)
    throw error
  }
  var address = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  let bound = withUnsafeMutablePointer(to: &address) {
    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
  }
  guard bound == 0 else { throw SystemError("getsockname") }
  // The port stands at the same place in IPv4 and IPv6 addresses.
  let actual = withUnsafeBytes(of: &address) { UInt16($0[2]) << 8 | UInt16($0[3]) }
  return (descriptor, Int(actual))
}

/// Throws when somebody listens there already, also with SO_REUSEPORT, and also on an address that
/// includes this one: without that option the kernel takes no socket beside one that listens.
private func checkFree(host: String, port: Int) throws {
  close(try bind(host: host, port: port, shares: false))
}

private func bind(host: String, port: Int, shares: Bool) throws -> Int32 {
  var hints = addrinfo()
  hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
  var list: UnsafeMutablePointer<addrinfo>?
  let result = getaddrinfo(host, String(port), &hints, &list)
  guard result == 0, let info = list else {
    throw AddressError(description: "\(host): \(String(cString: gai_strerror(result)))")
  }
  defer { freeaddrinfo(list) }
  let descriptor = socket(
    info.pointee.ai_family,
    info.pointee.ai_socktype | Int32(SOCK_NONBLOCK.rawValue)
      | Int32(SOCK_CLOEXEC.rawValue), 0)
  guard descriptor >= 0 else { throw SystemError("socket") }
  var one: Int32 = 1
  let size = socklen_t(MemoryLayout<Int32>.size)
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, size)
  if shares { setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &one, size) }
  guard Glibc.bind(descriptor, info.pointee.ai_addr, info.pointee.ai_addrlen) == 0 else {
    let error = SystemError("listen on \(host):\(port)")
    close(descriptor)
    throw error
  }
  return descriptor
}
