import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutTesting
import Synchronization
import Testing

/// Suspends, streams and mirrors, by path.
private final class TaskService: HTTPService {
  let seen: Seen

  final class Seen: Sendable {
    let disconnects = Atomic<Int>(0)
    let written = Atomic<Int>(0)
  }

  init(_ seen: Seen) { self.seen = seen }

  func admit(_ request: RequestView) -> Admission { .accept(bodySizeMax: 2 << 20, ticket: 0) }

  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
    let path = request.path.string
    let body = request.body.array
    guard path != "/" else {
      reply.send(HTTPResponse(status: 200, contentType: "text/plain", body: Array("hello".utf8)))
      return
    }
    let exchange = reply.suspend()
    let seen = seen
    let task = Task {
      switch path {
      case "/slow":
        try? await Task.sleep(for: .milliseconds(150))
        exchange.respond(
          HTTPResponse(status: 200, contentType: "text/plain", body: Array("slow".utf8)))
      case "/count":
        exchange.respond(
          HTTPResponse(status: 200, contentType: "text/plain", body: Array("\(body.count)".utf8)))
      case "/stream":
        exchange.begin(status: 200, contentType: "text/plain")
        for index in 0..<3 {
          try? await exchange.write(Array("piece \(index);".utf8))
        }
        exchange.finish()
      case "/flood":
        exchange.begin(status: 200, contentType: "text/plain")
        let block = [UInt8](repeating: 0x61, count: 16 * 1024)
        do {
          while true {
            try await exchange.write(block)
            seen.written.wrappingAdd(block.count, ordering: .relaxed)
          }
        } catch {
          exchange.abort()
        }
      default: try? await Task.sleep(for: .seconds(30))
      }
    }
    exchange.onDisconnect {
      seen.disconnects.wrappingAdd(1, ordering: .relaxed)
      task.cancel()
    }
  }
}

@Suite struct HTTPServerTests {
  private func serve(
    loops: Int = 1, _ adjust: (inout HTTPLimits) -> Void = { _ in },
    _ body: (HTTPServer, TaskService.Seen) async throws -> Void
  ) async throws {
    var limits = HTTPLimits()
    adjust(&limits)
    let seen = TaskService.Seen()
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: loops, limits: limits) { _ in
      TaskService(seen)
    }
    try await body(server, seen)
    await server.stop()
  }

  /// Waits until `condition` holds; false when it never does within two seconds.
  private func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<200 {
      if condition() { return true }
      try? await Task.sleep(for: .milliseconds(10))
    }
    return condition()
  }

  @Test func `pipelined requests are answered in order, suspended ones too`() async throws {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      connection.send(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      )
      let (text, end) = await connection.receive()
      #expect(end == .closed)
      let bodies = text.split(separator: "\r\n\r\n").dropFirst().map { $0.prefix(5) }
      #expect(bodies == ["hello", "slowH", "hello"])
    }
  }

  @Test func `what arrives while an answer is made is read afterwards`() async throws {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      for _ in 0..<3 {
        connection.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        try await Task.sleep(for: .milliseconds(20))
        // In two pieces, so that the end of the first is seen once more.
        connection.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        try await Task.sleep(for: .milliseconds(20))
        connection.send("TP/1.1\r\nHost: a\r\n\r\n")
        let text = await connection.receive { $0.hasSuffix("hello") }.text
        #expect(text.components(of: "HTTP/1.1 200 OK") == 3)
      }
    }
  }

  @Test func `bytes that one read left in the socket are read after the answer`() async throws {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      // More than one read takes, before and after the request that suspends.
      let many = String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 4000)
      let sending = Task.detached {
        connection.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + many)
      }
      let text = await connection.receive(milliseconds: 5000) {
        $0.components(of: "HTTP/1.1 200 OK") == 4001
      }.text
      await sending.value
      #expect(text.components(of: "HTTP/1.1 200 OK") == 4001)
    }
  }

  @Test func `thousands of pipelined requests are all answered, however slowly they are read`()
    async throws
  {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      let requests = String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 20_000)
      let sending = Task.detached { connection.send(requests) }
      try await Task.sleep(for: .milliseconds(100))
      let text = await connection.receive(milliseconds: 10_000) {
        $0.utf8.count >= 20_000 * 106
      }.text
      await sending.value
      let rest = await connection.receive(milliseconds: 300).text
      #expect((text + rest).components(of: "HTTP/1.1 200 OK") == 20_000)
    }
  }

  @Test func `HEAD has the length and no body`() async throws {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      connection.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      let text = await connection.receive().text
      #expect(text.contains("Content-Length: 5\r\n"))
      #expect(text.contains("\r\nDate: "))
      #expect(text.hasSuffix("\r\n\r\n"))
    }
  }

  @Test func `HTTP 1.0 closes unless asked to stay`() async throws {
    try await serve { server, _ in
      let once = RawConnection(port: server.port)
      once.send("GET / HTTP/1.0\r\n\r\n")
      #expect(await once.receive().end == .closed)
      let kept = RawConnection(port: server.port)
      kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
      let (text, end) = await kept.receive(milliseconds: 200)
      #expect(end == .open)
      #expect(text.contains("Connection: keep-alive"))
    }
  }

  @Test func `Expect 100-continue is answered before the body`() async throws {
    try await serve { server, _ in
      let connection = RawConnection(port: server.port)
      connection.send(
        "POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
      #expect(
        await connection.receive { $0.contains("\r\n\r\n") }.text == "HTTP/1.1 100 Continue\r\n\r\n"
      )
      connection.send("abcd")
      #expect(await connection.receive { $0.hasSuffix("4") }.text.hasSuffix("\r\n\r\n4"))
    }
  }

  @Test func `large bodies arrive whole, by length and in chunks`() async throws {
    try await serve { server, _ in
      let body = [UInt8](repeating: 0x78, count: 1_500_000)
      let connection = RawConnection(port: server.port)
      connection.send("POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
      connection.send(body)
      #expect(await connection.receive { $0.hasSuffix("1500000") }.text.hasSuffix("1500000"))
      connection.send("POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
      for _ in 0..<15 {
        connection.send("186A0\r\n")
        connection.send(Array(body[..<100_000]))
        connection.send("\r\n")
      }
      connection.send("0\r\n\r\n")
      #expect(await connection.receive { $0.hasSuffix("1500000") }.text.hasSuffix("1500000"))
    }
  }

  @Test func `streams are chunked, and end with the connection for HTTP 1.0`() async throws {
    try await serve { server, _ in
      let modern = RawConnection(port: server.port)
      modern.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
      let text = await modern.receive { $0.hasSuffix("0\r\n\r\n") }.text
      #expect(text.contains("Transfer-Encoding: chunked"))
      #expect(text.contains("8\r\npiece 1;\r\n"))
      let old = RawConnection(port: server.port)
      old.send("GET /stream HTTP/1.0\r\n\r\n")
      let (plain, end) = await old.receive()
      #expect(end == .closed)
      #expect(plain.hasSuffix("piece 0;piece 1;piece 2;"))
    }
  }

  @Test func `a client that leaves is noticed while its answer is being made`() async throws {
    try await serve { server, seen in
      do {
        let connection = RawConnection(port: server.port)
        connection.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
        _ = await connection.receive(milliseconds: 50)
      }
      #expect(await eventually { seen.disconnects.load(ordering: .relaxed) == 1 })
    }
  }

  @Test func `a reader that does not read slows the writer down, and is cut`() async throws {
    try await serve {
      $0.writeTimeout = 500
    } _: { server, seen in
      let connection = RawConnection(port: server.port)
      connection.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(await eventually { seen.disconnects.load(ordering: .relaxed) == 1 })
      // The kernel's buffers plus ours: megabytes, not the gigabytes a second would bring.
      #expect(seen.written.load(ordering: .relaxed) < 64 << 20)
      _ = connection
    }
  }

  @Test(arguments: ["", "GET / HT", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nab"])
  func `slow clients are cut by an absolute deadline`(start: String) async throws {
    try await serve {
      $0.headTimeout = 300
      $0.bodyTimeout = 300
    } _: { server, _ in
      let connection = RawConnection(port: server.port)
      connection.send(start)
      var text = ""
      for _ in 0..<4 {
        text += await connection.receive(milliseconds: 100).text
        if !start.isEmpty, text.isEmpty { connection.send("a") }
      }
      let (rest, end) = await connection.receive(milliseconds: 4000)
      #expect(end != .open)
      #expect(start.isEmpty || (text + rest).hasPrefix("HTTP/1.1 408 "))
    }
  }

  @Test func `clients leave a quarter of the descriptors to calls, and are told so`() async throws {
    let seen = TaskService.Seen()
    let share = DescriptorShare(limit: 6)
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: 2, descriptors: share) { _ in
      TaskService(seen)
    }
    #expect(share.outboundMax == 2)
    let peers = (0..<3).map { _ in RawConnection(port: server.port) }
    for peer in peers {
      peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(await peer.receive { $0.hasSuffix("hello") }.text.contains("200 OK"))
    }
    let fourth = RawConnection(port: server.port)
    #expect(await fourth.receive().text.hasPrefix("HTTP/1.1 503"))
    await server.stop()
    #expect(share.outboundMax == 2)
  }

  @Test func `draining finishes what is in flight and takes nothing new`() async throws {
    let seen = TaskService.Seen()
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: 2) { _ in TaskService(seen) }
    let idle = RawConnection(port: server.port)
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    _ = await idle.receive { $0.hasSuffix("hello") }
    let busy = RawConnection(port: server.port)
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    try await Task.sleep(for: .milliseconds(50))
    async let drained: Void = server.drain()
    let (text, end) = await busy.receive()
    #expect(text.hasSuffix("slow"))
    #expect(text.contains("Connection: close"))
    #expect(end == .closed)
    #expect(await idle.receive().end == .closed)
    await drained
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}
