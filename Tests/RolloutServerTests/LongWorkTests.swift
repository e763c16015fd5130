import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Small questions with large answers, and large questions: what is refused, what leaves the loop, and
/// that it makes no difference to the answer.
@Suite struct LongWorkTests {
  private func decisions(_ answer: TestServer.Answer) -> [Document] {
    answer.json["decisions"]?.array ?? []
  }

  @Test func `a feature that is named 240,000 times is answered once`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    let names = Array(repeating: "\"a\"", count: 240_000).joined(separator: ",")
    let answer = try await server.send(
      "POST", "/v1/decisions", #"{"user":{"id":"u"},"features":[\#(names)]}"#)
    #expect(answer.status == 200)
    #expect(decisions(answer).count == 1)
    #expect(answer.body.count < 1000)
    await server.stop()
  }

  @Test func `more than a thousand features of one call are refused, and a thousand are not`()
    async throws
  {
    let server = try await TestServer()
    for count in [1000, 1001] {
      let names = (0..<count).map { "\"f\($0)\"" }.joined(separator: ",")
      let answer = try await server.send(
        "POST", "/v1/decisions", #"{"user":{"id":"u"},"features":[\#(names)]}"#)
      // None of them exists, which is found out before the thousand-and-first is counted.
      #expect(answer.status == 404)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<1001 {
        group.addTask {
          let made = try await server.send(
            "PUT", "/v1/plans/f\(index)", #"{"feature":"f\#(index)"}"#)
          #expect(made.status == 201)
        }
      }
      try await group.waitForAll()
    }
    for (count, status) in [(1000, 200), (1001, 413)] {
      let names = (0..<count).map { "\"f\($0)\"" }.joined(separator: ",")
      let answer = try await server.send(
        "POST", "/v1/decisions", #"{"user":{"id":"u"},"features":[\#(names)]}"#)
      #expect(answer.status == status)
      if status == 200 { #expect(decisions(answer).count == 1000) }
    }
    let all = try await server.send("POST", "/v1/decisions", #"{"user":{"id":"u"}}"#)
    #expect(decisions(all).count == 1001)
    let flags = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags", #"{"context":{"targetingKey":"u"}}"#)
    #expect(flags.json["flags"]?.array?.count == 1001)
    #expect(flags.header("etag") != nil || flags.header("ETag") != nil)
    await server.stop()
  }

  @Test(arguments: [
    (#""a":"\#(String(repeating: "x", count: 1024))""#, true),
    (#""a":"\#(String(repeating: "x", count: 1025))""#, false),
    (#""a":"\#(String(repeating: "e\u{301}", count: 342))""#, false),
    (#""\#(String(repeating: "n", count: 256))":1"#, true),
    (#""\#(String(repeating: "n", count: 257))":1"#, false),
    ((0..<64).map { "\"a\($0)\":1" }.joined(separator: ","), true),
    ((0..<65).map { "\"a\($0)\":1" }.joined(separator: ","), false),
  ])
  func `attributes are bounded in number and in bytes, on every path`(
    attributes: String, isTaken: Bool
  ) async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "a", #","stages":[{"name":"one","rules":[{"attribute":"z","exists":true}]}]"#)
    let user = #"{"id":"u","attributes":{\#(attributes)}}"#
    let context = #"{"context":{"targetingKey":"u",\#(attributes)}}"#
    let status = isTaken ? 200 : 400
    for (path, body) in [
      ("/v1/features/a/decision", #"{"user":\#(user)}"#),
      ("/v1/features/a/decisions", #"{"users":[\#(user)]}"#),
      ("/v1/decisions", #"{"user":\#(user)}"#),
      ("/ofrep/v1/evaluate/flags/a", context), ("/ofrep/v1/evaluate/flags", context),
    ] {
      let answer = try await server.send("POST", path, body)
      #expect(answer.status == status, "\(path): \(answer.text.prefix(200))")
    }
    await server.stop()
  }

  @Test func `an answer does not depend on where it is made`() async throws {
    let server = try await TestServer()
    try await server.startPlan(
      "a", #","stages":[{"name":"half","percent":"50%","rules":[{"attribute":"p","in":["x"]}]}]"#)
    let users = (0..<3000).map {
      #"{"id":"u\#($0)","attributes":{"p":"\#($0 % 7 == 0 ? "x" : "y")"}}"#
    }
    let whole = try await server.send(
      "POST", "/v1/features/a/decisions", #"{"users":[\#(users.joined(separator: ","))]}"#)
    #expect(whole.status == 200)
    var parts: [Document] = []
    for start in stride(from: 0, to: users.count, by: 100) {
      let part = users[start..<(start + 100)].joined(separator: ",")
      parts += decisions(
        try await server.send("POST", "/v1/features/a/decisions", #"{"users":[\#(part)]}"#))
    }
    #expect(decisions(whole).map(\.jsonText) == parts.map(\.jsonText))
    let metrics = try await server.send("GET", "/metrics").text
    let counted = metrics.split(separator: "\n")
      .filter { $0.hasPrefix("rollout_evaluations_total") }
      .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    #expect(counted == 6000)
    // A body beyond what a loop reads, with the same context as a small one.
    let padding = String(repeating: " ", count: 20_000)
    let small = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags/a", #"{"context":{"targetingKey":"u1","p":"y"}}"#)
    let large = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags/a", #"{"context":{"targetingKey":"u1","p":"y"}\#(padding)}"#
    )
    #expect(large.status == 200)
    #expect(small.text == large.text)
    await server.stop()
  }

  @Test func `rules that would look at too much are refused at the door, with what to do`()
    async throws
  {
    let server = try await TestServer()
    let parts = (0..<1000).map { "\"part\($0)\"" }.joined(separator: ",")
    let plan =
      #"{"feature":"a","stages":[{"name":"s","rules":[{"attribute":"x","contains":[\#(parts)]}]}]}"#
    let refused = try await server.send("PUT", "/v1/plans/a", plan)
    #expect(refused.status == 400)
    #expect(refused.code == "invalid_plan")
    #expect(refused.text.contains("cohort"))
    let few = (0..<100).map { "\"part\($0)\"" }.joined(separator: ",")
    let taken = try await server.send(
      "PUT", "/v1/plans/a",
      #"{"feature":"a","stages":[{"name":"s","rules":[{"attribute":"x","contains":[\#(few)]}]}]}"#)
    #expect(taken.status == 201)
    let users = Array(repeating: #"{"id":"u"}"#, count: 5000).joined(separator: ",")
    let many = try await server.send(
      "POST", "/v1/features/a/decisions", #"{"users":[\#(users)]}"#)
    #expect(many.status == 413)
    #expect(many.text.contains("split the list"))
    await server.stop()
  }
}
