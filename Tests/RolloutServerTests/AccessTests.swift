import DocumentKit
import RolloutCore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

@Suite struct AccessTests {
  private func token(_ server: TestServer, _ scope: String, _ more: String = "") async throws
    -> String
  {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(scope)\#(more.count)","scopes":["\#(scope)"]\#(more)}"#)
    try #require(made.status == 201, "\(made.text)")
    return try #require(made.json["token"]?.string)
  }

  @Test func `tokens work in both headers, expire, and die at once when revoked`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let path = "/v1/features/ai-summary/decision?user=u"
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"app","scopes":["evaluate"],"expires_in":"90d"}"#)
    let token = try #require(made.json["token"]?.string)
    let id = try #require(made.json["id"]?.string)
    #expect(try await server.send("GET", path, token: token).status == 200)
    #expect(
      try await server.send("GET", path, token: "", headers: [("X-API-Key", token)]).status == 200)
    server.clock.advance(.days(91))
    #expect(try await server.send("GET", path, token: token).status == 401)
    let second = try await self.token(server, "evaluate")
    #expect(try await server.send("GET", path, token: second).status == 200)
    let list = try await server.send("GET", "/v1/tokens")
    #expect(!list.text.contains(second))
    #expect(!list.text.contains("secret"))
    let secondID = String(second.split(separator: "_")[1])
    #expect(
      try await server.send("DELETE", "/v1/tokens/\(secondID)?confirm=evaluate0").status == 204)
    #expect(try await server.send("GET", path, token: second).status == 401)
    #expect(id != secondID)
    await server.stop()
  }

  @Test func `a token limited to features sees no others`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    try await server.startPlan("b")
    let limited = try await token(server, "evaluate", #","features":["a"]"#)
    #expect(
      try await server.send("GET", "/v1/features/a/decision?user=u", token: limited).status == 200)
    #expect(
      try await server.send("GET", "/v1/features/b/decision?user=u", token: limited).status == 403)
    let bulk = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags", #"{"context":{"targetingKey":"u"}}"#, token: limited)
    #expect(bulk.json["flags"]?.array?.compactMap { $0["key"]?.string } == ["a"])
    await server.stop()
  }

  @Test func `auth off is for loopback, and is shown`() async throws {
    let server = try await TestServer("auth: off")
    let answer = try await server.send("PUT", "/v1/plans/x", #"{"feature":"x"}"#, token: "")
    #expect(answer.status == 201)
    let events = try await server.send("GET", "/v1/plans/x/events", token: "")
    #expect(events.json["events"]?.array?.first?["actor"]?.string == "anonymous")
    #expect(try await server.send("GET", "/readyz", token: "").json["auth"]?.string == "off")
    await server.stop()
    var options = try ServerOptions([]) { _ in nil }
    options.host = "0.0.0.0"
    options.data = TemporaryFolder().path
    var configuration = ServerConfiguration()
    configuration.authenticates = false
    let (open, bad) = (options, configuration)
    await #expect(throws: ConfigurationError.self) { try await Application(open, bad) }
  }

  @Test(
    arguments: [
      "auth: maybe", "unknown: 1", "limits: {queue: {length: -1}}", "providers: {a: {kind: x}}",
      "a: 1\na: 2",
    ])
  func `configurations that cannot work are refused`(yaml: String) {
    #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil }
    }
  }

  @Test func `flags win over the environment, and nonsense is a usage error`() throws {
    let environment = [
      "ROLLOUT_LISTEN": "127.0.0.1:1", "ROLLOUT_DATA": "/d", "ROLLOUT_CONFIG": "c",
    ]
    let options = try ServerOptions(["--listen", "[::1]:9"]) { environment[$0] }
    #expect(options.host == "::1")
    #expect(options.port == 9)
    #expect(options.data == "/d")
    #expect(options.config == "c")
    for bad in [["--listen"], ["--listen", "x"], ["--listen", "a:99999"], ["--nope"], ["x"]] {
      #expect(throws: UsageError.self) { try ServerOptions(bad) { _ in nil } }
    }
  }
}
