import Glibc

/// A TCP connection that sends exactly the bytes it is given: for requests no client would make.
/// Each wait is bounded, and takes a thread of its own: tests run on the threads that the code
/// under test needs for its tasks.
package final class RawConnection: Sendable {
  package enum End: Equatable, Sendable {
    /// The peer closed.
    case closed
    /// The wait ran out with the connection still open.
    case open
    case reset
  }

  private let descriptor: Int32

  /// Connects to the loopback address.
  package init(port: Int) {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    precondition(result == 0, "cannot connect to port \(port): \(errno)")
  }

  deinit { close(descriptor) }

  package func send(_ text: String) { send(Array(text.utf8)) }

  package func send(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes {
        Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      // The peer may have closed already; what it answered is what the test is about.
      guard count > 0 else { return }
      rest = rest.dropFirst(count)
    }
  }

  package func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

  /// Everything until the peer closes, or until `enough` says so, or the wait runs out.
  package func receive(
    milliseconds: Int = 2000, until enough: @escaping @Sendable (String) -> Bool = { _ in false }
  ) async -> (text: String, end: End) {
    await withCheckedContinuation { continuation in
      onThread { continuation.resume(returning: self.wait(milliseconds, enough)) }
    }
  }

  /// Like `receive`, for more than anybody wants to look at: how many bytes came.
  package func receiveCount(
    milliseconds: Int = 2000, until enough: @escaping @Sendable (Int) -> Bool
  ) async -> (bytes: Int, end: End) {
    await withCheckedContinuation { continuation in
      onThread { continuation.resume(returning: self.count(milliseconds, enough)) }
    }
  }

  private func count(_ milliseconds: Int, _ enough: (Int) -> Bool) -> (bytes: Int, end: End) {
    var received = 0
    var buffer = [UInt8](repeating: 0, count: 262_144)
    let deadline = now() + milliseconds
    while !enough(received), deadline > now() {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard Glibc.poll(&poll, 1, Int32(max(0, deadline - now()))) > 0 else { break }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count <= 0 { return (received, count == 0 ? .closed : .reset) }
      received += count
    }
    return (received, .open)
  }

  private func wait(_ milliseconds: Int, _ enough: (String) -> Bool) -> (text: String, end: End) {
    var received: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let deadline = now() + milliseconds
    while true {
      let text = String(decoding: received, as: UTF8.self)
      if enough(text) { return (text, .open) }
      let left = deadline - now()
      guard left > 0 else { return (text, .open) }
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard Glibc.poll(&poll, 1, Int32(left)) > 0 else { return (text, .open) }
      let count = recv(descriptor, &buffer, buffer.count, 0)
      if count == 0 { return (text, .closed) }
      if count < 0 { return (text, .reset) }
      received += buffer[..<count]
    }
  }

  private func now() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
  }
}
