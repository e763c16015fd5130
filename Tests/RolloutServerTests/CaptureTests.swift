import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing
import YAMLKit

@testable import RolloutServer

@Suite struct CaptureTests {
  private let upstream = ScriptedUpstream()
  private let path = "/features/ai-summary/v1/chat/completions"
  private let body = #"""
    {"messages":[{"role":"user","content":"mail bob@acme.com about ACME-77"}],"user":"anna"
    """#

  private func start(_ capture: String, clock: ManualClock = ManualClock()) async throws
    -> TestServer
  {
    let server = try await TestServer(
      """
      providers: {main: {kind: openai, base_url: "\(upstream.url)"}}
      routes: {main: {targets: [{provider: main, model: m}]}}
      \(capture)
      """, clock: clock)
    try await server.startPlan(
      "ai-summary", #","route":"main","stages":[{"name":"all","percent":100}]"#)
    return server
  }

  private func captures(_ server: TestServer) async throws -> [Document] {
    try await server.send("GET", "/v1/captures?feature=ai-summary").json["captures"]?.array ?? []
  }

  @Test func `without being asked for, nothing is kept`() async throws {
    upstream.always(.chat("call +49 30 1234567"))
    let server = try await start("")
    #expect(try await server.send("POST", path, body + "}").status == 200)
    try await Task.sleep(for: .milliseconds(200))
    #expect(try await captures(server).isEmpty)
    await server.stop()
  }

  @Test func `a sample is kept without what belongs to a person, and goes in time`() async throws {
    upstream.next(.chat("call +49 30 1234567", model: "large"))
    let clock = ManualClock()
    let server = try await start(
      #"capture: {sample: 100%, ttl: 2h, redact: ["ACME-[0-9]+"]}"#, clock: clock)
    let answer = try await server.send("POST", path, body + "}")
    #expect(answer.text.contains("1234567"))
    #expect(try await server.eventually { try await captures(server).count == 1 })
    let capture = try #require(try await captures(server).first)
    #expect(capture["answer"]?.string == "call [phone]")
    #expect(
      capture["prompt"]?.string
        == #"[{"role":"user","content":"mail [email] about [redacted]"}]"#)
    #expect(capture["request_id"]?.string == answer.header("x-request-id"))
    #expect(capture["model"]?.string == "large")
    #expect(capture["input_tokens"]?.int == 7)
    #expect(!capture.jsonText.contains("anna"))
    upstream.next([.streamHead, .chunk("one "), .chunk("two"), .streamEnd, .close])
    _ = try await server.send("POST", path, body + #","stream":true}"#)
    #expect(try await server.eventually { try await captures(server).count == 2 })
    #expect(try await captures(server).first?["answer"]?.string == "one two")
    clock.advance(.hours(2))
    #expect(try await captures(server).isEmpty)
    await server.stop()
  }

  @Test func `a page ends after so many characters, and the next goes on where it ended`()
    async throws
  {
    let store = try TelemetryDatabase(try DataDirectory(TemporaryFolder().path), now: Samples.start)
    // Three of them fill a page.
    let text = String(repeating: "é", count: CaptureEndpoint.pageSizeMax / 3 + 1)
    for number in 1...7 {
      try await store.keep(
        Capture(
          request: "req_\(number)", feature: "f", stage: "all", at: Samples.start,
          expiresAt: Samples.start + .hours(1), provider: "p", model: "m", prompt: text, answer: "",
          inputTokens: 1, outputTokens: 1), max: 100)
    }
    var pages: [[String]] = []
    var before: Int?
    repeat {
      let found = try await store.captures(
        "f", before: before, limit: 6, sizeMax: CaptureEndpoint.pageSizeMax, now: Samples.start)
      // Not all seven are in memory.
      #expect(found.count <= 4)
      let page = CaptureEndpoint.page(of: found, limit: 5)
      pages.append(page.captures.map(\.request))
      before = page.next
    } while before != nil && pages.count < 9
    #expect(pages == [["req_7", "req_6", "req_5"], ["req_4", "req_3", "req_2"], ["req_1"]])
    await store.close()
  }

  @Test func `only chosen features, only administrators, and all of it can be deleted`()
    async throws
  {
    upstream.always(.chat("hi"))
    let other = try await start("capture: {sample: 100%, features: [other]}")
    _ = try await other.send("POST", path, body + "}")
    try await Task.sleep(for: .milliseconds(200))
    #expect(try await captures(other).isEmpty)
    await other.stop()
    let server = try await start("capture: {sample: 100%, features: [ai-summary]}")
    for _ in 0..<3 { _ = try await server.send("POST", path, body + "}") }
    #expect(try await server.eventually { try await captures(server).count == 3 })
    let page = try await server.send("GET", "/v1/captures?feature=ai-summary&limit=2")
    let next = try #require(page.json["next"]?.string)
    let rest = try await server.send(
      "GET", "/v1/captures?feature=ai-summary&limit=2&after=\(next)")
    #expect(rest.json["captures"]?.array?.count == 1)
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"app","scopes":["evaluate","operate"]}"#)
    let token = try #require(made.json["token"]?.string)
    #expect(
      try await server.send("GET", "/v1/captures?feature=ai-summary", token: token).status == 403)
    #expect(try await server.send("GET", "/v1/captures").status == 400)
    #expect(try await server.send("DELETE", "/v1/captures?feature=ai-summary").status == 204)
    #expect(try await captures(server).isEmpty)
    await server.stop()
  }

  @Test(arguments: [
    "capture: {}", "capture: {sample: much}", #"capture: {sample: 1%, redact: ["("]}"#,
    "capture: {sample: 1%, ttl: never}", "capture: {sample: 1%, redact: [[a]]}",
    "capture: {sample: 1%, what: 1}",
  ])
  func `a capture that cannot be meant is refused at the start`(yaml: String) async throws {
    #expect(throws: DocumentError.self) {
      try ServerConfiguration(YAMLReader.read(Array(yaml.utf8))) { _ in nil }
    }
  }
}
