import DocumentKit
import RolloutAPI
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Many plan files in one call.
@Suite struct FolderTests {
  private func file(_ feature: String, _ version: Int?, _ more: String = "") -> String {
    let version = version.map { #","version":\#($0)"# } ?? ""
    return #"{"definition":{"feature":"\#(feature)"\#(more)}\#(version)}"#
  }

  private func body(_ files: String..., archive: String = "") -> String {
    #"{"plans":[\#(files.joined(separator: ","))],"archive":[\#(archive)],"reason":"together"}"#
  }

  private func versions(_ server: TestServer) async throws -> [String] {
    let list = try await server.send("GET", "/v1/plans").json["plans"]?.array ?? []
    return list.map { "\($0["feature"]?.string ?? "")\($0["version"]?.int ?? 0)" }
  }

  @Test func `all are there afterwards, each with its event, or none is`() async throws {
    let server = try await TestServer()
    let made = try await server.send("POST", "/v1/plans", body(file("a", nil), file("b", nil)))
    #expect(made.status == 200, "\(made.text)")
    #expect(try await versions(server) == ["a1", "b1"])
    let events = try await server.send("GET", "/v1/plans/b/events").json["events"]?.array
    #expect(events?.first?["reason"]?.string == "together")
    for (wrong, status, code) in [
      (body(file("a", 1, #","description":"x""#), file("b", 7)), 409, "stale_version"),
      (body(file("a", 1, #","description":"x""#), file("b", nil)), 409, "stale_version"),
      (body(file("a", 1, #","description":"x""#), file("c", 3)), 404, "not_found"),
      (
        body(file("a", 1, #","description":"x""#), file("c", nil, #","route":"no""#)), 400,
        "invalid_plan"
      ),
      (body(file("a", 1, #","description":"x""#), file("a", 1)), 400, "bad_request"),
      (
        body(file("a", 1, #","description":"x""#), file("c", nil, #","stages":[]"#)), 400,
        "bad_request"
      ),
      (
        body(file("a", 1, #","description":"x""#), archive: #"{"feature":"b"}"#), 400, "bad_request"
      ),
      (
        body(file("a", 1, #","description":"x""#), archive: #"{"feature":"b","version":2}"#), 409,
        "stale_version"
      ),
    ] {
      let refused = try await server.send("POST", "/v1/plans", wrong)
      #expect(refused.status == status && refused.code == code, "\(wrong): \(refused.text)")
      #expect(try await versions(server) == ["a1", "b1"], "\(wrong)")
    }
    let done = try await server.send(
      "POST", "/v1/plans",
      body(
        file("a", 1, #","description":"x""#), file("c", nil),
        archive: #"{"feature":"b","version":1}"#))
    #expect(done.status == 200, "\(done.text)")
    #expect(try await versions(server) == ["a2", "b2", "c1"])
    #expect(try await server.send("GET", "/v1/plans/b").json["status"]?.string == "archived")
    await server.stop()
  }

  @Test func `a limited token changes its own features only, and then none of the others`()
    async throws
  {
    let server = try await TestServer()
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"t","scopes":["operate"],"features":["a"]}"#)
    let token = try #require(made.json["token"]?.string)
    let refused = try await server.send(
      "POST", "/v1/plans", body(file("a", nil), file("b", nil)), token: token)
    #expect(refused.status == 403, "\(refused.text)")
    #expect(try await versions(server).isEmpty)
    let own = try await server.send("POST", "/v1/plans", body(file("a", nil)), token: token)
    #expect(own.status == 200, "\(own.text)")
    await server.stop()
  }

  @Test func `two folders at once end, and each plan is as one of them says`() async throws {
    let server = try await TestServer()
    let made = try await server.send("POST", "/v1/plans", body(file("a", nil), file("b", nil)))
    #expect(made.status == 200)
    for round in 1...20 {
      let one = body(
        file("a", round, #","description":"\#(round)x""#),
        file("b", round, #","description":"\#(round)x""#))
      let two = body(
        file("b", round, #","description":"\#(round)y""#),
        file("a", round, #","description":"\#(round)y""#))
      async let first = server.send("POST", "/v1/plans", one)
      async let second = server.send("POST", "/v1/plans", two)
      let statuses = try await [first.status, second.status].sorted()
      #expect(statuses == [200, 409])
      let texts = try await server.send("GET", "/v1/plans").json["plans"]?.array?
        .compactMap { $0["description"]?.string }
      #expect(texts?.count == 2 && texts?.first == texts?.last, "\(texts ?? [])")
    }
    await server.stop()
  }
}
