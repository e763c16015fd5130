import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Putting plans away without taking features from people who still use them.
@Suite struct ArchiveTests {
  private func complete(_ server: TestServer, _ feature: String = "f") async throws {
    try await server.startPlan(feature, #","stages":[{"name":"all","percent":100}]"#)
    try await server.command("complete", feature)
  }

  private func command(
    _ server: TestServer, _ name: String, _ body: String = "{}"
  ) async throws -> TestServer.Answer {
    let plan = try await server.send("GET", "/v1/plans/f")
    let version = try #require(plan.json["version"]?.int)
    return try await server.send(
      "POST", "/v1/plans/f/\(name)", body, headers: [("If-Match", "\"\(version)\"")])
  }

  private func isOn(_ server: TestServer, token: String? = nil) async throws -> Bool? {
    try await server.send("GET", "/v1/features/f/decision?user=u", token: token).json["enabled"]?
      .bool
  }

  @Test func `a plan that is asked for is archived only by its name, and says by whom`()
    async throws
  {
    let server = try await TestServer()
    try await complete(server)
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"web","scopes":["evaluate"]}"#)
    let web = try #require(made.json["token"]?.string)
    for _ in 0..<3 { _ = try await isOn(server, token: web) }
    _ = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags", #"{"context":{"targetingKey":"u"}}"#, token: web)
    _ = try await isOn(server)
    for body in ["{}", #"{"confirm":"g"}"#, #"{"confirm":"","force":true,"reason":"r"}"#] {
      let refused = try await command(server, "archive", body)
      #expect(refused.status == 409)
      #expect(refused.code == "in_use")
      let detail = try #require(refused.json["detail"]?.string)
      #expect(detail.contains("5 times"), "\(detail)")
      #expect(detail.contains("web (4), admin (1)"), "\(detail)")
    }
    #expect(try await command(server, "pause", #"{"confirm":"f"}"#).status == 400)
    let done = try await command(server, "archive", #"{"confirm":"f"}"#)
    #expect(done.status == 200)
    #expect(done.json["answers_until"]?.string != nil)
    await server.stop()
  }

  @Test func `a restart does not make what was asked for look unused`() async throws {
    let server = try await TestServer()
    try await complete(server)
    _ = try await isOn(server)
    // The monitor has seen it.
    #expect(
      try await server.eventually { server.application.control.ledger.lastTraffic(of: "f") != nil })
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    again.clock.advance(.hours(1))
    let refused = try await command(again, "archive")
    #expect(refused.code == "in_use")
    let detail = try #require(refused.json["detail"]?.string)
    #expect(detail.hasPrefix("f was in use in the last 24 hours, before the server was started"))
    again.clock.advance(.hours(24))
    #expect(try await command(again, "archive").status == 200)
    await again.stop()
  }

  @Test func `what nobody has asked for in a day is archived unasked`() async throws {
    let server = try await TestServer()
    try await complete(server)
    _ = try await isOn(server)
    // As the process does every minute.
    for _ in 0..<26 {
      server.application.ai.asks.note(server.application.stores.clock.steady)
      server.clock.advance(.hours(1))
    }
    #expect(try await command(server, "archive").status == 200)
    await server.stop()
  }

  @Test func `an archived plan answers for a week as before, then as off, then comes back`()
    async throws
  {
    let server = try await TestServer()
    try await complete(server)
    let before = try await server.send("GET", "/v1/features/f/decision?user=u")
    #expect(try await command(server, "archive", #"{"confirm":"f"}"#).status == 200)
    let after = try await server.send("GET", "/v1/features/f/decision?user=u")
    for key in ["enabled", "variant", "cohort", "reason", "bucket", "stage"] {
      #expect(after.json[key] == before.json[key], "\(key)")
    }
    // A restart changes nothing about it.
    await server.stop()
    let again = try await TestServer(folder: server.folder, clock: server.clock)
    #expect(try await isOn(again) == true)
    again.clock.advance(.days(7))
    // The monitor sees to it.
    #expect(try await again.eventually { try await isOn(again) == false })
    let plan = try await again.send("GET", "/v1/plans/f")
    #expect(plan.json["answers_until"] == nil)
    #expect(plan.json["status"]?.string == "archived")
    let back = try await command(again, "unarchive")
    #expect(back.json["status"]?.string == "completed")
    #expect(try await isOn(again) == true)
    let events = try await again.send("GET", "/v1/plans/f/events")
    #expect(events.json["events"]?.array?.first?["type"]?.string == "unarchived")
    #expect(try await command(again, "unarchive").status == 422)
    await again.stop()
  }

  @Test func `what was killed is off when archived, and is killed when it comes back`() async throws
  {
    let server = try await TestServer()
    try await complete(server)
    try await server.command("kill", "f")
    #expect(try await command(server, "archive").json["answers_until"] == nil)
    #expect(try await isOn(server) == false)
    #expect(try await command(server, "unarchive").json["status"]?.string == "killed")
    #expect(try await isOn(server) == false)
    await server.stop()
  }

  @Test func `a kill ends the week of an archived plan at once`() async throws {
    let server = try await TestServer()
    try await complete(server)
    #expect(try await command(server, "archive").status == 200)
    #expect(try await isOn(server) == true)
    #expect(try await command(server, "kill").json["status"]?.string == "killed")
    #expect(try await isOn(server) == false)
    await server.stop()
  }
}
