import Glibc
import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutTesting
import Synchronization
import Testing

/// Says who is charged, holds bodies up to a mebibyte, and answers after a moment.
private final class PatientService: HTTPService {
  func admit(_ request: RequestView) -> Admission {
    let account = request.field("x-account").flatMap { Int($0.string) } ?? 0
    return .accept(bodySizeMax: 1 << 20, ticket: 0, account: account)
  }

  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
    let count = request.body.count
    guard request.path.equals("/slow") else {
      reply.send(HTTPResponse(status: 200, contentType: "text/plain", body: Array("\(count)".utf8)))
      return
    }
    let exchange = reply.suspend()
    Task {
      try? await Task.sleep(for: .milliseconds(20))
      exchange.respond(HTTPResponse(status: 200, contentType: "text/plain", body: Array("s".utf8)))
    }
  }
}

/// How a server ends, refuses, and shares its room.
@Suite struct ServerEndTests {
  private static func start(
    loops: Int = 2, port: Int = 0, host: String = "127.0.0.1",
    descriptors: DescriptorShare = .process, _ adjust: (inout HTTPLimits) -> Void = { _ in }
  ) throws -> HTTPServer {
    var limits = HTTPLimits()
    adjust(&limits)
    return try HTTPServer(
      host: host, port: port, loops: loops, limits: limits, descriptors: descriptors
    ) { _ in PatientService() }
  }

  // MARK: Draining

  /// What became of one client's requests.
  private struct Tally: Sendable {
    var answered = 0
    /// Sent on a connection on which the server then closed without a word, after an answer that had
    /// said it would: the client knows.
    var told = 0
    /// Closed without an answer and without warning.
    var unanswered = 0
    var reset = 0
    var refused = 0
  }

  private final class Tallies: Sendable {
    let all = Mutex<[Tally]>([])
  }

  /// A client that asks again and again, on kept and on new connections, until it is refused.
  private static func hammer(_ port: Int, _ index: Int) -> Tally {
    var tally = Tally()
    while true {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      defer { close(descriptor) }
      var timeout = timeval(tv_sec: 5, tv_usec: 0)
      let size = socklen_t(MemoryLayout<timeval>.size)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
      var patience = timeval(tv_sec: 0, tv_usec: 400_000)
      setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, size)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(UInt16(port)).bigEndian
      address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
      let connected = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      guard connected == 0 else {
        tally.refused += 1
        return tally
      }
      let path = index % 3 == 0 ? "/slow" : "/"
      for _ in 0..<(index % 2 == 0 ? 1000 : 1) {
        let request = Array("POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else {
          tally.reset += 1
          break
        }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        var end = 0
        while !String(decoding: received, as: UTF8.self).contains("\r\n\r\n") {
          end = recv(descriptor, &buffer, buffer.count, 0)
          guard end > 0 else { break }
          received += buffer[..<end]
        }
        guard end > 0 else {
          if end == 0 { tally.unanswered += 1 } else { tally.reset += 1 }
          break
        }
        tally.answered += 1
        if String(decoding: received, as: UTF8.self).contains("Connection: close") { break }
      }
    }
  }

  @Test func `under load nothing that was received is reset or left without an answer`()
    async throws
  {
    for _ in 0..<3 {
      let server = try Self.start()
      let port = server.port
      let tallies = Tallies()
      for index in 0..<60 {
        onThread {
          let tally = Self.hammer(port, index)
          tallies.all.withLock { $0.append(tally) }
        }
      }
      try await Task.sleep(for: .milliseconds(150))
      await server.drain()
      for _ in 0..<500 where tallies.all.withLock({ $0.count }) < 60 {
        try await Task.sleep(for: .milliseconds(20))
      }
      let all = tallies.all.withLock { $0 }
      #expect(all.count == 60)
      #expect(all.reduce(0) { $0 + $1.answered } > 60)
      #expect(all.reduce(0) { $0 + $1.reset } == 0)
      #expect(all.reduce(0) { $0 + $1.unanswered } == 0)
    }
  }

  @Test func `what waits in the listen queue is answered although the server is ending`()
    async throws
  {
    let server = try Self.start(loops: 1)
    let waiting = (0..<200).map { _ in RawConnection(port: server.port) }
    for connection in waiting { connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
    async let drained: Void = server.drain()
    for connection in waiting {
      let (text, end) = await connection.receive()
      #expect(text.hasPrefix("HTTP/1.1 200 "))
      #expect(end == .closed)
    }
    await drained
  }

  @Test func `an idle connection may bring one more request, and is told to close`() async throws {
    let server = try Self.start(loops: 1)
    let idle = RawConnection(port: server.port)
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(!(await idle.receive { $0.hasSuffix("\r\n\r\n0") }.text.contains("Connection: close")))
    async let drained: Void = server.drain()
    _ = await idle.receive(milliseconds: 50)
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    let (text, end) = await idle.receive()
    #expect(text.contains("Connection: close\r\n"))
    #expect(end == .closed)
    await drained
  }

  @Test
  func `pipelined requests that were received are all answered, and only the last says close`()
    async throws
  {
    let server = try Self.start(loops: 1)
    let connection = RawConnection(port: server.port)
    let request = "GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
    connection.send(String(repeating: request, count: 5))
    _ = await connection.receive(milliseconds: 5)
    async let drained: Void = server.drain()
    let (text, end) = await connection.receive()
    #expect(text.ranges(of: "HTTP/1.1 200 OK").count == 10)
    #expect(text.ranges(of: "Connection: close").count == 1)
    #expect(end == .closed)
    await drained
  }

  // MARK: One server a port

  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0"),
    ("::", "127.0.0.1"), ("127.0.0.1", "::"), ("::", "0.0.0.0"), ("0.0.0.0", "::"),
    ("::1", "::"), ("::", "::1"),
  ])
  func `a second server on a port in use is refused, whatever address covers which`(
    first: String, second: String
  ) async throws {
    let server = try Self.start(loops: 2, host: first)
    let error = #expect(throws: SystemError.self) {
      try Self.start(loops: 2, port: server.port, host: second)
    }
    #expect(error?.description.contains("Address already in use") == true)
    await server.stop()
    // Somebody else's outgoing connection may have the port for a moment.
    var next: HTTPServer?
    for _ in 0..<100 where next == nil {
      next = try? Self.start(port: server.port, host: second)
      if next == nil { try await Task.sleep(for: .milliseconds(20)) }
    }
    #expect(next != nil)
    await next?.stop()
  }

  @Test func `of servers that start together on one port exactly one does`() async throws {
    let free = try Self.start()
    let port = free.port
    await free.stop()
    let servers = await withTaskGroup(of: HTTPServer?.self) { group in
      for _ in 0..<8 { group.addTask { try? Self.start(port: port) } }
      return await group.reduce(into: [HTTPServer]()) { all, server in
        if let server { all.append(server) }
      }
    }
    #expect(servers.count == 1)
    for server in servers { await server.stop() }
  }

  // MARK: Room

  @Test func `a client over the limit reads its 503 to the end, though it spoke first`()
    async throws
  {
    let server = try Self.start(loops: 1, descriptors: DescriptorShare(limit: 6))
    let inside = (0..<3).map { _ in RawConnection(port: server.port) }
    for peer in inside {
      peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      _ = await peer.receive { $0.hasSuffix("\r\n\r\n0") }
    }
    for _ in 0..<40 {
      let outside = RawConnection(port: server.port)
      outside.send("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 4000))\r\n\r\n")
      let (text, end) = await outside.receive()
      #expect(text.hasPrefix("HTTP/1.1 503 "))
      #expect(text.contains("Retry-After: 1\r\n"))
      #expect(end == .closed)
    }
    await server.stop()
  }

  private func upload(_ server: HTTPServer, account: Int, sending count: Int) -> RawConnection {
    let connection = RawConnection(port: server.port)
    connection.send(
      "POST / HTTP/1.1\r\nHost: a\r\nX-Account: \(account)\r\nContent-Length: 100000\r\n\r\n")
    connection.send([UInt8](repeating: 0x61, count: count))
    return connection
  }

  @Test func `whoever fills the upload room gives way to others, newest first`() async throws {
    let server = try Self.start(loops: 1) { $0.bufferedMax = 1_000_000 }
    var hogs: [RawConnection] = []
    for _ in 0..<10 {
      hogs.append(upload(server, account: 1, sending: 99_000))
      _ = await hogs.last?.receive(milliseconds: 10)
    }
    let guests = (0..<3).map { _ in upload(server, account: 2, sending: 99_000) }
    for guest in guests {
      _ = await guest.receive(milliseconds: 20)
      guest.send([UInt8](repeating: 0x61, count: 1000))
      #expect(await guest.receive { $0.hasSuffix("100000") }.text.hasPrefix("HTTP/1.1 200 "))
    }
    let newest = await hogs[9].receive().text
    #expect(newest.hasPrefix("HTTP/1.1 503 "))
    #expect(newest.contains("Retry-After: 1\r\n"))
    // What came first is not disturbed.
    hogs[0].send([UInt8](repeating: 0x61, count: 1000))
    #expect(await hogs[0].receive { $0.hasSuffix("100000") }.text.hasPrefix("HTTP/1.1 200 "))
    await server.stop()
  }

  @Test func `strangers who have no head yet cannot take the room of those who are known`()
    async throws
  {
    let server = try Self.start(loops: 1) { $0.bufferedMax = 100_000 }
    let strangers = (0..<20).map { _ in RawConnection(port: server.port) }
    for stranger in strangers {
      stranger.send("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "x", count: 9000))")
    }
    _ = await strangers[19].receive(milliseconds: 50)
    let known = upload(server, account: 7, sending: 60_000)
    _ = await known.receive(milliseconds: 50)
    known.send([UInt8](repeating: 0x61, count: 40_000))
    #expect(await known.receive { $0.hasSuffix("100000") }.text.hasPrefix("HTTP/1.1 200 "))
    await server.stop()
  }
}
