import DocumentKit
import Foundation
import HTTPServerKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Bodies with a `Content-Encoding`, on paths that answer on the loop and on those that do not.
@Suite struct CodedBodyTests {
  private static func bytes(_ base64: String) -> [UInt8] {
    Array(Data(base64Encoded: base64) ?? Data())
  }

  /// `{"user":{"id":"u"}}`
  private static let user = bytes("H4sIAAAAAAACA6tWKi1OLVKyqlbKTFGyUipVqq0FAG2OlsYTAAAA")
  private static let zlibUser = bytes("eNqrViotTi1SsqpWykxRslIqVaqtBQA/OQYy")
  /// `{"name":"coded","scopes":["evaluate"]}`
  private static let token = bytes(
    "H4sIAAAAAAACA6tWykvMTVWyUkrOT0lNUdJRKk7OL0gtVrKKVkotS8wpTSxJVYqtBQA0iVeRJgAAAA==")
  /// Two mebibytes of blanks.
  private static let blanks = bytes(
    """
    H4sIAAAAAAACA+3BMQEAAADCoCrrn9IYPkABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAfA1+GoVcAAAgAA==
    """)

  private func answer(
    _ server: TestServer, _ line: String, coding: String, _ body: [UInt8]
  ) async -> String {
    let connection = RawConnection(port: server.port)
    connection.send(
      "\(line) HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Encoding: \(coding)\r\n"
        + "Authorization: Bearer \(server.adminToken)\r\nContent-Length: \(body.count)\r\n\r\n")
    connection.send(body)
    return await connection.receive(milliseconds: 5000).text
  }

  @Test func `coded bodies are read on every kind of path`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let path = "POST /v1/features/ai-summary/decision"
    for (coding, body) in [("gzip", Self.user), ("deflate", Self.zlibUser)] {
      let text = await answer(server, path, coding: coding, body)
      #expect(text.hasPrefix("HTTP/1.1 200 "), "\(text)")
      #expect(text.contains(#""user":"u""#))
    }
    let made = await answer(server, "POST /v1/tokens", coding: "gzip", Self.token)
    #expect(made.hasPrefix("HTTP/1.1 201 "), "\(made)")
    let plain = await answer(server, path, coding: "identity", Array(#"{"user":{"id":"u"}}"#.utf8))
    #expect(plain.hasPrefix("HTTP/1.1 200 "))
    let metrics = try await server.send("GET", "/metrics")
    let counted = metrics.text.split(separator: "\n")
      .filter { $0.hasPrefix("rollout_evaluations_total") }
      .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    #expect(counted == 3)
    await server.stop()
  }

  @Test(arguments: [
    "POST /v1/features/ai-summary/decision", "POST /v1/tokens",
    "POST /ofrep/v1/evaluate/flags", "POST /v1/features/ai-summary/complete",
  ])
  func `what cannot be decoded is 400, what is too large decoded 413, an unknown coding 415`(
    line: String
  ) async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let damaged = await answer(server, line, coding: "gzip", Array(Self.user.dropLast()))
    #expect(damaged.hasPrefix("HTTP/1.1 400 "), "\(damaged)")
    let other = await answer(server, line, coding: "br", Self.user)
    #expect(other.hasPrefix("HTTP/1.1 415 "), "\(other)")
    #expect(other.contains("\r\nAccept-Encoding: gzip, deflate\r\n"))
    if !line.hasSuffix("complete") {
      let large = await answer(server, line, coding: "gzip", Self.blanks)
      #expect(large.hasPrefix("HTTP/1.1 413 "), "\(large)")
    }
    await server.stop()
  }

  /// Blanks, a byte more than alerts may have, as the system's gzip codes them.
  private func manyBlanks() throws -> [UInt8] {
    let folder = TemporaryFolder()
    let blanks = String(repeating: " ", count: AlertEndpoint.bodySizeMax + 1)
    let gzip = Process()
    gzip.executableURL = URL(fileURLWithPath: "/bin/gzip")
    gzip.arguments = ["-1", folder.write(blanks, to: "blanks")]
    try gzip.run()
    gzip.waitUntilExit()
    return folder.read("blanks.gz")
  }

  @Test func `alerts that are too large decoded are 503: Alertmanager gives up after a 4xx`()
    async throws
  {
    let server = try await TestServer()
    let line = "POST /v1/alerts/alertmanager"
    let large = await answer(server, line, coding: "gzip", try manyBlanks())
    #expect(large.hasPrefix("HTTP/1.1 503 "), "\(large)")
    #expect(large.contains("\r\nRetry-After: 60\r\n"))
    await server.stop()
  }

  @Test func `bodies under way have a room, and one account leaves half of it to others`()
    async throws
  {
    // The least there is: 80 MiB.
    let server = try await TestServer(
      """
      providers: {slow: {kind: echo, latency: 3s, failing: 100%}}
      routes: {main: {deadline: 4s, targets: [{provider: slow, model: m, timeout: 20s}]}}
      """, memory: 0)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    let other = try await server.send("POST", "/v1/tokens", #"{"name":"o","scopes":["evaluate"]}"#)
    let path = "/features/ai-summary/v1/chat/completions"
    let text = String(repeating: "word ", count: 5_000_000)
    let body = #"{"user":"u","messages":[{"role":"user","content":"\#(text)"}]}"#
    async let first = server.send("POST", path, body)
    #expect(
      try await server.eventually {
        try await server.send("GET", "/v1/providers").json["providers"]?.array?.first?["in_flight"]?
          .int == 1
      })
    let second = try await server.send("POST", path, body)
    #expect(second.status == 503)
    #expect(second.header("retry-after") == "1")
    #expect(second.json["error"]?["message"]?.string?.contains("large bodies") == true)
    // Another's are taken, and so is what is small.
    async let others = server.send("POST", path, body, token: other.json["token"]?.string)
    #expect(
      try await server.send("POST", "/v1/tokens", #"{"name":"p","scopes":["view"]}"#).status == 201)
    for answer in [try await first, try await others] {
      #expect(answer.header("x-rollout-feature") == "ai-summary", "\(answer.text)")
    }
    // It has been given back.
    #expect(try await server.send("POST", path, body).header("x-rollout-feature") != nil)
    await server.stop()
  }

  @Test(arguments: [
    (
      "0::/a/b\n",
      ["/a/b/memory.max", "/a/memory.max", "/memory.max"].map { "/sys/fs/cgroup" + $0 }
    ),
    ("0::/\n", ["/sys/fs/cgroup/memory.max"]),
    (
      "9:name=systemd:/\n4:memory:/x\n1:cpu:/\n",
      ["/x/memory.limit_in_bytes", "/memory.limit_in_bytes"].map { "/sys/fs/cgroup/memory" + $0 }
    ), ("", []), ("nonsense\n:::\n", []),
  ])
  func `a limit of memory is looked for in every group up to the top`(
    groups: String, files: [String]
  ) {
    #expect(MemoryLimit.groupFiles(groups) == files)
    #expect(MemoryLimit.process > 64 << 20)
  }

  @Test func `what may arrive and lie unread is bounded by the memory there is`() {
    #expect(MemoryLimit.shortage(320 << 20) == nil)
    #expect(MemoryLimit.shortage(319 << 20)?.contains("319 MiB") == true)
    #expect(MemoryLimit.loops(processors: 8, memory: 0) == 1)
    #expect(MemoryLimit.loops(processors: 8, memory: 512 << 20) == 3)
    #expect(MemoryLimit.loops(processors: 8, memory: 64 << 30) == 8)
    let small = HTTPLimits(memory: 512 << 20, loops: 2)
    #expect(small.bufferedMax == 40 << 20)
    #expect(small.unreadMax == 40 << 20)
    #expect(HTTPLimits(memory: 64 << 30, loops: 8).bufferedMax == HTTPLimits().bufferedMax)
    #expect(HTTPLimits(memory: 2 << 30, loops: 4).bufferedMax == 64 << 20)
    #expect(BodyAdmission.roomMax(memory: 512 << 20) == 80 << 20)
    #expect(BodyAdmission.roomMax(memory: 64 << 30) == 1 << 30)
  }

  @Test func `decoded bodies have a room, of which one account gets half`() {
    let room = FairRoom(capacity: 100)
    #expect(room.take(50, 1))
    #expect(!room.take(1, 1))
    #expect(room.take(30, 2))
    #expect(room.take(20, 3))
    #expect(!room.take(1, 3))
    room.give(50, 1)
    #expect(room.take(30, 3))
    #expect(!room.take(1, 3))
  }
}
