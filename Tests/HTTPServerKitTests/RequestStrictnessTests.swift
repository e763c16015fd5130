import HTTPKit
import HTTPServerKit
import RolloutTesting
import Synchronization
import Testing

/// Answers every request with its method, path, query and body, so that tests see what was framed.
private final class MirrorService: HTTPService {
  func admit(_ request: RequestView) -> Admission {
    request.path.equals("/refused")
      ? .refuse(HTTPResponse(status: 403))
      : .accept(bodySizeMax: request.path.equals("/large") ? 4 << 20 : 1000, ticket: 5)
  }

  func handle(_ request: RequestView, ticket: Int, isFresh: Bool, _ reply: Reply) {
    let text =
      "\(request.method.rawValue) \(request.path.string) ?\(request.query.string) \(ticket) "
    let body = request.body.count > 4096 ? Array("\(request.body.count)".utf8) : request.body.array
    reply.send(HTTPResponse(status: 200, contentType: "text/plain", body: Array(text.utf8) + body))
  }
}

@Suite struct RequestStrictnessTests {
  private func serve(_ body: (HTTPServer) async throws -> Void) async throws {
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: 1) { _ in MirrorService() }
    try await body(server)
    await server.stop()
  }

  /// Sends `bytes`, then a second request: after a refusal it must never be answered.
  private func statuses(_ bytes: String, _ server: HTTPServer) async -> [String] {
    let connection = RawConnection(port: server.port)
    connection.send(bytes)
    connection.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.finishSending()
    let text = await connection.receive(milliseconds: 3000).text
    return text.matches(of: #/HTTP/1\.1 (\d{3}) /#).map { String($0.1) }
  }

  private static let accepted: [(String, String)] = [
    ("plain", "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("one empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("absolute form", "GET http://a:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("newer minor version", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    ("obs-text in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \u{FF}\r\n\r\n"),
    ("length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
    ("leading zeros", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc"),
    (
      "chunks",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    ),
    (
      "chunk extension and trailer",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b;\\\"\r\";c\r\nabc\r\n0\r\nX: y\r\n\r\n"
        .replacing("\r\";", with: "\";")
    ),
    (
      "chunk extensions with blanks",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3; a = b ;c=\"\" ; d\r\nabc\r\n0;e\r\n\r\n"
    ),
    ("options asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
  ]

  @Test(arguments: accepted)
  func `what the RFC allows is served, and so is the next request`(
    name: String, bytes: String
  ) async throws {
    try await serve { #expect(await statuses(bytes, $0) == ["200", "200"], "\(name)") }
  }

  private static func post(_ fields: String, _ body: String) -> String {
    "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
  }

  private static let chunked = "Transfer-Encoding: chunked"

  private static let refused: [(String, String, String)] = [
    ("no host", "GET / HTTP/1.1\r\n\r\n", "400"),
    ("empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"),
    ("empty host in HTTP/1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", "400"),
    ("host of a port only", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", "400"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
    ("host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
    ("host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "400"),
    ("two empty lines first", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("bare LF", "GET / HTTP/1.1\nHost: a\n\n", "400"),
    ("bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "400"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "400"),
    ("space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "400"),
    ("folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", "400"),
    ("empty field name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "400"),
    ("no version", "GET /\r\nHost: a\r\n\r\n", "400"),
    ("HTTP/2.0", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"),
    ("HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "400"),
    ("two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("raw byte in target", "GET /\u{FC} HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("broken percent", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ("TLS hello", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "400"),
    ("length and chunks", post("Content-Length: 3\r\n\(chunked)", "0\r\n\r\n"), "400"),
    ("chunks and length", post("\(chunked)\r\nContent-Length: 3", "0\r\n\r\n"), "400"),
    ("two lengths", post("Content-Length: 3\r\nContent-Length: 3", "abc"), "400"),
    ("two different lengths", post("Content-Length: 3\r\nContent-Length: 4", "abcd"), "400"),
    ("list of lengths", post("Content-Length: 3, 3", "abc"), "400"),
    ("negative length", post("Content-Length: -3", "abc"), "400"),
    ("signed length", post("Content-Length: +3", "abc"), "400"),
    ("hexadecimal length", post("Content-Length: 0x3", "abc"), "400"),
    ("empty length", post("Content-Length:", "abc"), "400"),
    ("overflowing length", post("Content-Length: 99999999999999999999", ""), "413"),
    ("gzip, chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), "501"),
    ("xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), "400"),
    ("chunked, gzip", post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"), "400"),
    ("gzip", post("Transfer-Encoding: gzip", "abc"), "400"),
    ("identity", post("Transfer-Encoding: identity", "abc"), "400"),
    ("no coding", post("Transfer-Encoding:", "0\r\n\r\n"), "400"),
    ("chunked and a comma", post("Transfer-Encoding: chunked,", "0\r\n\r\n"), "400"),
    ("chunked twice", post("\(chunked)\r\n\(chunked)", "0\r\n\r\n"), "400"),
    ("chunked, chunked", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), "400"),
    ("chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\n\(chunked)\r\n\r\n0\r\n\r\n", "400"),
    ("0x chunk", post(chunked, "0x3\r\nabc\r\n0\r\n\r\n"), "400"),
    ("negative chunk", post(chunked, "-1\r\nabc\r\n0\r\n\r\n"), "400"),
    ("chunk with bare LF", post(chunked, "3\nabc\n0\n\n"), "400"),
    ("chunk too short", post(chunked, "2\r\nabc\r\n0\r\n\r\n"), "400"),
    ("chunk without size", post(chunked, "\r\nabc\r\n0\r\n\r\n"), "400"),
    ("huge chunk", post(chunked, "FFFFFFFFFFFFFFFFF\r\n"), "413"),
    ("endless zeros", post(chunked, String(repeating: "0", count: 40) + "\r\n"), "400"),
    ("bare semicolon", post(chunked, "3;\r\nabc\r\n0\r\n\r\n"), "400"),
    ("two semicolons", post(chunked, "3;;a\r\nabc\r\n0\r\n\r\n"), "400"),
    ("semicolon at the end", post(chunked, "3;a;\r\nabc\r\n0\r\n\r\n"), "400"),
    ("extension without a name", post(chunked, "3;=a\r\nabc\r\n0\r\n\r\n"), "400"),
    ("extension without a value", post(chunked, "3;a=\r\nabc\r\n0\r\n\r\n"), "400"),
    ("extension with two values", post(chunked, "3;a=b=c\r\nabc\r\n0\r\n\r\n"), "400"),
    ("open quote in extension", post(chunked, "3;a=\"b\r\nabc\r\n0\r\n\r\n"), "400"),
    ("text after a quote", post(chunked, "3;a=\"b\"c\r\nabc\r\n0\r\n\r\n"), "400"),
    ("blank at an extension's end", post(chunked, "3;a \r\nabc\r\n0\r\n\r\n"), "400"),
    ("bare semicolon after the last", post(chunked, "3\r\nabc\r\n0;\r\n\r\n"), "400"),
    ("two content codings", post("Content-Encoding: a\r\nContent-Encoding: b", ""), "400"),
    ("control in extension", post(chunked, "3;a=\u{1}\r\nabc\r\n0\r\n\r\n"), "400"),
    ("trailer without colon", post(chunked, "0\r\nX\r\n\r\n"), "400"),
    ("large body", post("Content-Length: 1001", ""), "413"),
    ("large chunked body", post(chunked, "3E9\r\n"), "413"),
    (
      "long target", "GET /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n",
      "414"
    ),
    (
      "long field",
      "GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "a", count: 20_000))\r\n\r\n", "431"
    ),
    (
      "many fields",
      "GET / HTTP/1.1\r\nHost: a\r\n\(String(repeating: "X: a\r\n", count: 200))\r\n", "431"
    ),
    ("other expectation", post("Expect: 200-ok\r\nContent-Length: 1", "a"), "417"),
    (
      "two tokens", "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
      "400"
    ),
  ]

  @Test(arguments: refused)
  func `what is ambiguous is refused, and nothing after it is answered`(
    name: String, bytes: String, status: String
  ) async throws {
    try await serve { #expect(await statuses(bytes, $0) == [status], "\(name)") }
  }

  private static let headRequests = [
    "HEAD / HTTP/1.1\r\n\r\n", "HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nHEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
    "HEAD / HTTP/3.0\r\nHost: a\r\n\r\n", "HEAD /refused HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx",
    "HEAD / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD /\(String(repeating: "a", count: 9000)) HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
  ]

  @Test(arguments: headRequests)
  func `no answer to HEAD has a body, an error neither`(request: String) async throws {
    try await serve { server in
      let connection = RawConnection(port: server.port)
      connection.send(request)
      connection.finishSending()
      let text = await connection.receive().text
      #expect(text.hasPrefix("HTTP/1.1 "))
      #expect(text.hasSuffix("\r\n\r\n"), "\(text)")
      #expect(text.contains("Content-Length: "))
    }
  }

  @Test func `no answer to a HEAD that is late has a body`() async throws {
    var limits = HTTPLimits()
    limits.bodyTimeout = 100
    limits.headTimeout = 100
    let server = try HTTPServer(host: "127.0.0.1", port: 0, loops: 1, limits: limits) { _ in
      MirrorService()
    }
    for request in ["HEAD / HT", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"] {
      let connection = RawConnection(port: server.port)
      connection.send(request)
      let text = await connection.receive().text
      #expect(text.hasPrefix("HTTP/1.1 408 "))
      #expect(text.hasSuffix("\r\n\r\n"), "\(text)")
    }
    await server.stop()
  }

  @Test func `every split of a request is framed the same`() async throws {
    try await serve { server in
      let request =
        "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;q=\"1\"\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
      let bytes = Array(request.utf8)
      for cut in stride(from: 1, to: bytes.count, by: 3) {
        let connection = RawConnection(port: server.port)
        connection.send(Array(bytes[..<cut]))
        _ = await connection.receive(milliseconds: 5)
        connection.send(Array(bytes[cut...]))
        let answer = await connection.receive { $0.hasSuffix("abcde") }.text
        #expect(answer.hasSuffix("POST /x ? 5 abcde"), "cut at \(cut)")
      }
    }
  }

  @Test func `a refused request with a body ends the connection, one without does not`()
    async throws
  {
    try await serve { server in
      #expect(
        await statuses("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", server)
          == ["403"])
      #expect(await statuses("GET /refused HTTP/1.1\r\nHost: a\r\n\r\n", server) == ["403", "200"])
    }
  }
}
