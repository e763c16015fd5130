import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Whatever changes what users get is told to those who keep answers: by OFREP's stream, at once or
/// when they come back, and by other entity tags.
@Suite struct ServedChangeTests {
  private static let stages = #","stages":[{"name":"s","cohort":"internal"}]"#

  /// OFREP's stream, greeted. HTTP/1.0, so that nothing stands between the frames.
  private func open(
    _ server: TestServer, last: String? = nil, token: String? = nil
  ) async -> RawConnection {
    let connection = RawConnection(port: server.port)
    let resume = last.map { "Last-Event-ID: \($0)\r\n" } ?? ""
    connection.send(
      "GET /ofrep/v1/events HTTP/1.0\r\nHost: a\r\n\(resume)"
        + "Authorization: Bearer \(token ?? server.adminToken)\r\n\r\n")
    return connection
  }

  /// The id of the next word to fetch again.
  private func told(_ stream: RawConnection) async throws -> String {
    let text = await stream.receive(milliseconds: 5000) {
      $0.contains("refetchEvaluation") && $0.hasSuffix("\n\n")
    }.text
    #expect(text.matches(of: #/refetchEvaluation/#).count == 1, "\(text)")
    #expect(text.contains("event: message\n"))
    return String(try #require(text.firstMatch(of: #/id: ([0-9.]+)/#)).1)
  }

  private func tag(_ server: TestServer) async throws -> String? {
    try await server.send(
      "POST", "/ofrep/v1/evaluate/flags", #"{"context":{"targetingKey":"anna"}}"#
    ).header("etag")
  }

  private func importing(_ server: TestServer, _ text: String) async throws {
    let answer = try await server.send(
      "POST", "/v1/cohorts/internal/members", text, headers: [("Content-Type", "text/csv")])
    #expect(answer.status == 200, "\(answer.text)")
  }

  @Test func `every change of members is told once, and changes the tag`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", Self.stages)
    let stream = await open(server)
    _ = await stream.receive { $0.contains(": connected\n\n") }
    var ids: Set<String> = []
    var tags: Set<String> = [try #require(try await tag(server))]
    let changes: [(String, () async throws -> Void)] = [
      ("add", { _ = try await server.send("PUT", "/v1/cohorts/internal/members/anna") }),
      ("import", { try await importing(server, "user\nbob\ncarl\n") }),
      ("remove", { _ = try await server.send("DELETE", "/v1/cohorts/internal/members/bob") }),
      ("plan", { try await server.command("pause", "f") }),
    ]
    for (name, change) in changes {
      try await change()
      #expect(ids.insert(try await told(stream)).inserted, "\(name)")
      #expect(tags.insert(try #require(try await tag(server))).inserted, "\(name)")
    }
    // What changes nothing is not told: the next word is that of the plan.
    _ = try await server.send("PUT", "/v1/cohorts/internal/members/anna")
    _ = try await server.send("DELETE", "/v1/cohorts/internal/members/nobody")
    try await importing(server, "user\nanna\ncarl\n")
    try await server.command("resume", "f")
    #expect(try await told(stream).hasPrefix("4."))
    await server.stop()
  }

  @Test func `who was away hears of it when it comes back, after a restart too`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", Self.stages)
    let stream = await open(server)
    _ = await stream.receive { $0.contains(": connected\n\n") }
    _ = try await server.send("PUT", "/v1/cohorts/internal/members/anna")
    let seen = try await told(stream)
    // Nothing has happened since: the first word is that of the next change.
    let same = await open(server, last: seen)
    _ = await same.receive { $0.contains(": connected\n\n") }
    _ = try await server.send("PUT", "/v1/cohorts/internal/members/bob")
    #expect(try await told(same) != seen)
    #expect(try await told(await open(server, last: seen)) != seen)
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await told(await open(again, last: seen)) != seen)
    _ = try await again.send("DELETE", "/v1/cohorts/internal/members/bob")
    // What decides is what it was when this client was last told.
    let unchanged = await open(again, last: seen)
    _ = await unchanged.receive { $0.contains(": connected\n\n") }
    _ = try await again.send("PUT", "/v1/cohorts/internal/members/carl")
    #expect(try await told(unchanged) != seen)
    await again.stop()
  }

  @Test func `a limited token hears of its own features only`() async throws {
    let server = try await TestServer()
    try await server.startPlan("f", Self.stages)
    try await server.startPlan("g", #","stages":[{"name":"s","cohort":"other"}]"#)
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"app","scopes":["evaluate"],"features":["g"]}"#)
    let stream = await open(server, token: try #require(made.json["token"]?.string))
    _ = await stream.receive { $0.contains(": connected\n\n") }
    _ = try await server.send("PUT", "/v1/cohorts/internal/members/anna")
    _ = try await server.send("PUT", "/v1/cohorts/other/members/anna?create=true")
    _ = try await told(stream)
    await server.stop()
  }
}
