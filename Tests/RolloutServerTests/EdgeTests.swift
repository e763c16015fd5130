import DocumentKit
import Glibc
import HTTPKit
import HTTPServerKit
import PlatformKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// What the place a request comes from decides.
@Suite struct EdgeTests {
  private func token(_ server: TestServer, _ scopes: String, _ more: String = "") async throws
    -> String
  {
    let made = try await server.send(
      "POST", "/v1/tokens",
      #"{"name":"t\#(scopes.count)\#(more.count)","scopes":[\#(scopes)]\#(more)}"#)
    return try #require(made.json["token"]?.string, "\(made.text)")
  }

  // MARK: Metrics

  @Test(
    arguments: [
      ("Forwarded", "for=192.0.2.1"), ("X-Forwarded-For", "127.0.0.1"),
      ("x-forwarded-proto", "https"), ("X-Forwarded-Host", "a"), ("X-FORWARDED-ANYTHING", "x"),
      ("X-Real-IP", "127.0.0.1"), ("Via", "1.1 proxy"), ("CF-Connecting-IP", "192.0.2.1"),
      ("CF-IPCountry", "DE"), ("True-Client-IP", "192.0.2.1"), ("X-Client-IP", "192.0.2.1"),
      ("X-Original-Forwarded-For", "192.0.2.1"), ("X-Forwarded", "for=192.0.2.1"),
      ("X-Cluster-Client-IP", "192.0.2.1"), ("Fastly-Client-IP", "192.0.2.1"),
      ("x-envoy-external-address", "192.0.2.1"), ("X-Azure-ClientIP", "192.0.2.1"),
      ("Fly-Client-IP", "192.0.2.1"), ("Client-IP", "192.0.2.1"),
    ])
  func `metrics are open to this machine, and need a token through a proxy`(
    field: (name: String, value: String)
  ) async throws {
    let server = try await TestServer()
    #expect(try await server.send("GET", "/metrics", token: "").status == 200)
    let proxied = try await server.send("GET", "/metrics", token: "", headers: [field])
    #expect(proxied.status == 401)
    for scope in ["evaluate", "view", "operate"] {
      let token = try await token(server, #""\#(scope)""#)
      #expect(
        try await server.send("GET", "/metrics", token: token, headers: [field]).status == 200)
    }
    let alert = try await token(server, #""alert""#)
    #expect(try await server.send("GET", "/metrics", token: alert, headers: [field]).status == 403)
    await server.stop()
  }

  @Test func `metrics of a public listener are open to a loopback peer and to no other`()
    async throws
  {
    let server = try await TestServer(host: "0.0.0.0")
    #expect(try await server.send("GET", "/metrics", token: "").status == 200)
    if let address = addressOfThisMachine() {
      let call = HTTPCall("GET", "http://\(address):\(server.port)/metrics")
      #expect(try await HTTPClient().execute(call).head.status == 401)
    }
    await server.stop()
  }

  @Test func `metrics: open opens them to everybody`() async throws {
    let server = try await TestServer("metrics: open")
    let from = [(name: "X-Forwarded-For", value: "192.0.2.1")]
    #expect(try await server.send("GET", "/metrics", token: "", headers: from).status == 200)
    await server.stop()
  }

  /// The address from which it would reach others; nil without a network.
  private func addressOfThisMachine() -> String? {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = 9
    inet_pton(AF_INET, "192.0.2.1", &address.sin_addr)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let found = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    var text = [UInt8](repeating: 0, count: Int(INET_ADDRSTRLEN))
    guard found,
      text.withUnsafeMutableBytes({
        inet_ntop(
          AF_INET, &address.sin_addr, $0.baseAddress?.assumingMemoryBound(to: CChar.self),
          socklen_t(INET_ADDRSTRLEN)) != nil
      })
    else { return nil }
    return String(decoding: text.prefix { $0 != 0 }, as: UTF8.self)
  }

  // MARK: Pages from elsewhere

  private static let paths = [
    "GET /v1/plans", "PUT /v1/plans/x", "POST /v1/tokens", "GET /livez", "GET /readyz",
    "GET /metrics", "GET /nowhere", "POST /ofrep/v1/evaluate/flags", "DELETE /v1/plans",
    "POST /features/x/v1/chat/completions", "POST /features/x/v1/messages", "GET /v1/events",
    "GET /openapi.json",
  ]

  private func raw(_ server: TestServer, _ line: String, _ fields: [String]) async throws -> Int {
    let connection = RawConnection(port: server.port)
    let head = ["\(line) HTTP/1.1"] + fields + ["Content-Length: 0", "Connection: close", "", ""]
    connection.send(head.joined(separator: "\r\n"))
    let answer = await connection.receive { $0.contains("\r\n") }.text
    return Int(answer.split(separator: " ").dropFirst().first ?? "") ?? 0
  }

  @Test(
    arguments: [
      ["Host: evil.example"], ["Host: evil.example:8080"], ["Host: 127.0.0.1.evil.example"],
      ["Host: localhost.evil.example"], ["Host: 0.0.0.0"], ["Host: 10.0.0.1"], ["Host: [::2]:1"],
      ["Host: 2130706433"], ["Host: notlocalhost"],
      ["Host: localhost", "Origin: https://evil.example"], ["Host: localhost", "Origin: null"],
      ["Host: localhost", "Origin: http://localhost.evil.example:80"],
      ["Host: localhost", "Origin: file://"], ["Host: localhost", "Origin: localhost"],
    ])
  func `without tokens no page from elsewhere is served, whatever the path`(fields: [String])
    async throws
  {
    let server = try await TestServer("auth: off")
    for path in Self.paths { #expect(try await raw(server, path, fields) == 403, "\(path)") }
    await server.stop()
  }

  @Test(
    arguments: [
      ["Host: localhost"], ["Host: LOCALHOST:1"], ["Host: 127.0.0.1:8080"], ["Host: 127.9.9.9"],
      ["Host: [::1]"], ["Host: [::1]:65000"], ["Host: dashboard.localhost:3000"],
      ["Host: localhost", "Origin: http://127.0.0.1:3000"],
      ["Host: localhost", "Origin: https://[::1]"],
      ["Host: localhost:1", "Origin: http://LOCALHOST"],
    ])
  func `without tokens this machine's own names are served, with any port`(fields: [String])
    async throws
  {
    let server = try await TestServer("auth: off")
    #expect(try await raw(server, "GET /v1/plans", fields) == 200)
    #expect(try await raw(server, "GET /livez", fields) == 200)
    await server.stop()
  }

  @Test func `a target with a name of its own counts before the Host`() async throws {
    let server = try await TestServer("auth: off")
    let local = ["Host: localhost"]
    for name in ["http://evil.example", "https://evil.example:8080", "HTTP://10.0.0.1"] {
      #expect(try await raw(server, "GET \(name)/v1/plans", local) == 403, "\(name)")
    }
    for name in ["http://localhost", "http://127.0.0.1:\(server.port)", "https://a.localhost"] {
      #expect(try await raw(server, "GET \(name)/v1/plans", local) == 200, "\(name)")
    }
    await server.stop()
  }

  @Test func `with tokens the Host is nobody's business`() async throws {
    let server = try await TestServer()
    let fields = ["Host: rollout.example", "Authorization: Bearer \(server.adminToken)"]
    #expect(try await raw(server, "GET /v1/plans", fields + ["Origin: https://a.example"]) == 200)
    await server.stop()
  }

  // MARK: Wrong tokens

  @Test func `wrong tokens of an address are 429 in the end, and a right one is served`()
    async throws
  {
    let server = try await TestServer()
    let from = [(name: "X-Forwarded-For", value: "203.0.113.9, 198.51.100.1")]
    let path = "/v1/plans"
    var statuses: [Int] = []
    for _ in 0...(FailedAuthentications.countMax + 20) {
      statuses.append(
        try await server.send("GET", path, token: "ro_wrong", headers: from).status)
    }
    #expect(statuses.prefix(FailedAuthentications.countMax).allSatisfy { $0 == 401 })
    #expect(statuses.last == 429)
    for path in [path, "/ofrep/v1/configuration", "/features/a/v1/models", "/nowhere"] {
      let answer = try await server.send("GET", path, token: "ro_wrong", headers: from)
      #expect(answer.status == 429)
      #expect((answer.header("retry-after").flatMap { Int($0) } ?? 0) >= 1)
    }
    // The same address, with the right token; and without any, which guesses nothing.
    #expect(try await server.send("GET", path, headers: from).status == 200)
    #expect(try await server.send("GET", path, token: "", headers: from).status == 401)
    // Another client of the same proxy.
    let other = [(name: "X-Forwarded-For", value: "198.51.100.1, 203.0.113.9")]
    #expect(try await server.send("GET", path, token: "ro_wrong", headers: other).status == 401)
    #expect(try await server.send("GET", "/livez", token: "ro_wrong", headers: from).status == 200)
    let metrics = try await server.send("GET", "/metrics")
    #expect(metrics.text.contains("\nrollout_failed_authentications_total 1"))
    await server.stop()
  }

  @Test func `wrong cookies count like wrong tokens, and a right one is served`() async throws {
    let server = try await TestServer()
    let from = (name: "X-Forwarded-For", value: "198.51.100.7")
    let signedIn = try await server.send(
      "POST", "/v1/session", #"{"token":"\#(server.adminToken)"}"#, token: "", headers: [from])
    let cookie = try #require(signedIn.header("set-cookie")?.split(separator: ";").first)
    func status(_ cookie: some StringProtocol, token: String = "") async throws -> Int {
      try await server.send(
        "GET", "/v1/plans", token: token, headers: [from, ("Cookie", String(cookie))]
      ).status
    }
    var statuses: [Int] = []
    for number in 0...FailedAuthentications.countMax {
      statuses.append(try await status("rollout_session=\(number)"))
    }
    #expect(statuses.prefix(FailedAuthentications.countMax).allSatisfy { $0 == 401 })
    #expect(statuses.last == 429)
    #expect(try await status("rollout_session=", token: "ro_wrong") == 429)
    #expect(try await status(cookie) == 200)
    #expect(try await status("rollout_session=x", token: server.adminToken) == 200)
    // Another page's cookie is no attempt.
    #expect(try await status("theme=dark") == 401)
    await server.stop()
  }

  @Test func `one subscriber of IPv6 is one address, whatever he calls himself`() throws {
    let log = Log(clock: ManualClock(), isSilent: true)
    let failures = FailedAuthentications(log: log)
    var waits: [Int?] = []
    for index in 0..<(FailedAuthentications.countMax + 1) {
      let address = try #require(PeerAddress("2001:db8:1:2::\(String(index, radix: 16))"))
      waits.append(failures.note(address.network, now: .beginning))
    }
    #expect(waits.dropLast().allSatisfy { $0 == nil })
    #expect(waits.last == 1)
    let neighbour = try #require(PeerAddress("2001:db8:1:3::1"))
    #expect(failures.note(neighbour.network, now: .beginning) == nil)
    let first = try #require(PeerAddress("2001:db8:1:2::1"))
    #expect(
      failures.note(first.network, now: MonotonicInstant(milliseconds: 60_000)) == nil,
      "a minute later")
  }

  @Test(
    arguments: [
      ("127.0.0.1", true), ("127.255.0.9", true), ("::1", true), ("::ffff:127.0.0.1", true),
      ("128.0.0.1", false), ("::2", false), ("::", false), ("::127.0.0.1", false),
      ("fe80::1", false), ("10.0.0.1", false),
    ])
  func `loopback is 127.0.0.0/8 and ::1`(text: String, isLoopback: Bool) {
    #expect(PeerAddress(text)?.isLoopback == isLoopback)
  }
}
