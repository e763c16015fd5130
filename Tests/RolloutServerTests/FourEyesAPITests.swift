import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct FourEyesAPITests {
  private func token(_ server: TestServer, _ name: String) async throws -> String {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["operate"]}"#)
    return try #require(made.json["token"]?.string, "\(made.text)")
  }

  private func file(share: Int = 10, approvals: Int = 1) -> String {
    """
    {"feature":"ai-summary","stages":[{"name":"a","percent":\(share)},\
    {"name":"all","percent":100,"approvals":\(approvals)}]}
    """
  }

  private func put(
    _ server: TestServer, _ body: String, _ token: String
  ) async throws -> TestServer.Answer {
    let plan = try await server.send("GET", "/v1/plans/ai-summary")
    let version = plan.json["version"]?.int ?? 0
    return try await server.send(
      "PUT", "/v1/plans/ai-summary", body, token: token,
      headers: version == 0 ? [] : [("If-Match", "\"\(version)\"")])
  }

  private func command(
    _ server: TestServer, _ name: String, _ token: String,
    _ body: String = #"{"reason":"a test"}"#
  ) async throws -> TestServer.Answer {
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    return try await server.send(
      "POST", "/v1/plans/ai-summary/\(name)", body, token: token,
      headers: [("If-Match", "\"\(version)\"")])
  }

  @Test func `what a revoked token approved does not count, until somebody else approves`()
    async throws
  {
    let server = try await TestServer()
    var tokens: [String: (id: String, text: String)] = [:]
    for name in ["anna", "bob", "mallory"] {
      let made = try await server.send(
        "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["operate"]}"#)
      tokens[name] = (
        try #require(made.json["id"]?.string), try #require(made.json["token"]?.string)
      )
    }
    let (anna, bob) = (try #require(tokens["anna"]), try #require(tokens["bob"]))
    let mallory = try #require(tokens["mallory"])
    #expect(try await put(server, file(), bob.text).status == 201)
    #expect(try await command(server, "start", bob.text).status == 200)
    #expect(try await command(server, "approve", mallory.text).status == 200)
    let wish = #"{"definition":\#(file(share: 40))}"#
    #expect(try await command(server, "approve", mallory.text, wish).status == 200)
    let gone = try await server.send("DELETE", "/v1/tokens/\(mallory.id)?confirm=mallory")
    #expect(gone.status == 204, "\(gone.text)")
    let refused = try await command(server, "advance", bob.text)
    #expect(refused.code == "approval_needed_from_another", "\(refused.text)")
    #expect(refused.text.contains("rollout approve"), "\(refused.text)")
    #expect(try await put(server, file(share: 40), bob.text).status == 403)
    let shown = try await server.send("GET", "/v1/plans/ai-summary")
    #expect(shown.json["approvals"]?.array?.isEmpty == true, "\(shown.text)")
    #expect(try await command(server, "approve", anna.text).status == 200)
    #expect(try await command(server, "advance", bob.text).status == 200)
    await server.stop()
  }

  @Test func `one token cannot raise the share by a file, two can`() async throws {
    let server = try await TestServer()
    let (mallory, bob) = (try await token(server, "mallory"), try await token(server, "bob"))
    #expect(try await put(server, file(), mallory).status == 201)
    #expect(try await command(server, "start", mallory).status == 200)
    for wish in [file(approvals: 0), file(share: 100), file(share: 100, approvals: 0)] {
      let refused = try await put(server, wish, mallory)
      #expect(refused.status == 403)
      #expect(refused.code == "approval_needed_from_another")
      // Neither does killing it first help.
      #expect(try await command(server, "kill", mallory).status == 200)
      #expect(try await put(server, wish, mallory).status == 403)
      let reason = #"{"reason":"safe again"}"#
      #expect(try await command(server, "resume", mallory, reason).status == 200)
    }
    // Their own approval is not another's.
    let body = #"{"definition":\#(file(share: 40))}"#
    #expect(try await command(server, "approve", mallory, body).status == 200)
    #expect(try await put(server, file(share: 40), mallory).status == 403)
    let approved = try await command(server, "approve", bob, body)
    #expect(approved.json["file_approvals"]?.array?.first?["approved_by"]?.array?.count == 2)
    // The approval is of that file, to the last share.
    #expect(try await put(server, file(share: 41), mallory).status == 403)
    let diff = try await server.send(
      "PUT", "/v1/plans/ai-summary?dry_run=true", file(share: 40), token: mallory)
    #expect(diff.json["audience"]?["approvals_needed"]?.int == 1)
    #expect(diff.json["audience"]?["joins"]?.array?.first?["by"]?.string == "share")
    #expect(diff.json["approved_by"]?.array?.compactMap(\.string) == ["mallory", "bob"])
    #expect(
      diff.json["file"]?.string == approved.json["file_approvals"]?.array?.first?["file"]?.string)
    let taken = try await put(server, file(share: 40), mallory)
    #expect(taken.status == 200, "\(taken.text)")
    #expect(
      taken.json["audience"]?["joins"]?.array?.first?["what"]?.string == "40 % instead of 10 %")
    #expect(taken.json["file_approvals"] == nil)
    let events = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1")
    let evidence = events.json["events"]?.array?.first?["evidence"]
    #expect(evidence?["approved_by"]?.array?.compactMap(\.string) == ["bob"])
    await server.stop()
  }

  @Test func `a held plan takes a file that narrows, and none that widens`() async throws {
    let server = try await TestServer()
    let anna = try await token(server, "anna")
    #expect(try await put(server, file(approvals: 0), anna).status == 201)
    #expect(try await command(server, "start", anna).status == 200)
    #expect(try await command(server, "advance", anna).status == 200)
    let alert = #"{"feature":"ai-summary","id":"1","reason":"errors"}"#
    let acted = try await server.send("POST", "/v1/alerts", alert)
    #expect(acted.json["results"]?.array?.first?["acted"]?.bool == true)
    let refused = try await put(server, file(share: 100, approvals: 0), anna)
    #expect(refused.status == 409)
    #expect(refused.code == "held")
    #expect(refused.json["hold"]?["cause"]?.string == "alert")
    let diff = try await server.send(
      "PUT", "/v1/plans/ai-summary?dry_run=true", file(share: 100, approvals: 0), token: anna)
    #expect(diff.json["held"]?.bool == true)
    let narrowed = try await put(server, file(share: 5, approvals: 0), anna)
    #expect(narrowed.status == 200, "\(narrowed.text)")
    await server.stop()
  }
}
