import HTTPKit
import HTTPServerKit
import RolloutTesting
import Synchronization
import Testing

/// Answers eight mebibytes, more than a socket takes.
private final class LargeService: HTTPService {
  static let large = [UInt8](repeating: 0x61, count: 8 << 20)
  let answered: Atomic<Int>.Box

  init(_ answered: Atomic<Int>.Box) { self.answered = answered }

  func admit(_ request: RequestView) -> Admission { .accept(bodySizeMax: 0, ticket: 0) }

  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
    answered.value.wrappingAdd(1, ordering: .relaxed)
    let path = request.path.string
    reply.send(
      HTTPResponse(
        status: 200, contentType: "text/plain", body: path == "/" ? [0x62] : Self.large,
        isBodyKept: path == "/kept"))
  }
}

extension Atomic where Value == Int {
  /// An atomic that closures can share.
  fileprivate final class Box: Sendable {
    let value = Atomic<Int>(0)
  }
}

/// Clients that ask and do not read.
@Suite struct SlowReaderTests {
  private static let whole = LargeService.large.count

  private func serve(
    unreadMax: Int = 128 << 20, _ body: (HTTPServer, Atomic<Int>.Box) async throws -> Void
  ) async throws {
    var limits = HTTPLimits()
    limits.unreadMax = unreadMax
    let answered = Atomic<Int>.Box()
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: 1, limits: limits) { _ in
      LargeService(answered)
    }
    try await body(server, answered)
    await server.stop()
  }

  private func ask(_ path: String, times: Int = 1, _ server: HTTPServer) -> RawConnection {
    let connection = RawConnection(port: server.port)
    connection.send(String(repeating: "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n", count: times))
    return connection
  }

  private func isServed(_ server: HTTPServer) async -> Bool {
    await ask("/", server).receive { $0.hasSuffix("b") }.text.hasSuffix("\r\n\r\nb")
  }

  @Test func `who does not read gets one answer, however many it asks for, and all once it reads`()
    async throws
  {
    try await serve { server, answered in
      let connection = ask("/large", times: 12, server)
      #expect(await isServed(server))
      try await Task.sleep(for: .milliseconds(200))
      #expect(answered.value.load(ordering: .relaxed) == 2, "the first of twelve, and ours")
      let count = await connection.receiveCount(milliseconds: 20_000) { $0 >= 12 * Self.whole }
      #expect(count.bytes > 12 * Self.whole)
      #expect(answered.value.load(ordering: .relaxed) == 13)
    }
  }

  @Test func `small answers to many questions at once are bounded too`() async throws {
    try await serve { server, answered in
      let connection = RawConnection(port: server.port)
      // Sent by somebody else: who is not read from is not written to for ever.
      let sending = Task.detached {
        connection.send(String(repeating: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", count: 400_000))
      }
      try await Task.sleep(for: .milliseconds(500))
      let before = answered.value.load(ordering: .relaxed)
      try await Task.sleep(for: .milliseconds(300))
      #expect(answered.value.load(ordering: .relaxed) == before)
      #expect(before < 400_000)
      #expect(await isServed(server))
      _ = await connection.receiveCount(milliseconds: 30_000) { $0 >= 400_000 * 102 }
      await sending.value
      #expect(answered.value.load(ordering: .relaxed) == 400_001)
    }
  }

  @Test func `of those who leave answers unread the worst are closed when it gets too much`()
    async throws
  {
    try await serve(unreadMax: 20 << 20) { server, _ in
      let connections = (0..<8).map { _ in ask("/large", server) }
      try await Task.sleep(for: .milliseconds(300))
      #expect(await isServed(server))
      var whole = 0
      for connection in connections {
        let (bytes, _) = await connection.receiveCount(milliseconds: 5000) { $0 > Self.whole }
        if bytes > Self.whole { whole += 1 }
      }
      #expect((1...2).contains(whole), "\(whole) of 8 were served with room for two")
    }
  }

  @Test func `what is kept anyway takes no room, however many leave it unread`() async throws {
    try await serve(unreadMax: 1 << 20) { server, _ in
      let connections = (0..<8).map { _ in ask("/kept", server) }
      try await Task.sleep(for: .milliseconds(200))
      #expect(await isServed(server))
      for connection in connections {
        let (bytes, _) = await connection.receiveCount(milliseconds: 5000) { $0 > Self.whole }
        #expect(bytes > Self.whole)
      }
    }
  }
}
