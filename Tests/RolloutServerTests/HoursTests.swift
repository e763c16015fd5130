import DocumentKit
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Hours and times of plans, by a whole server. It begins on Friday, 15 January 2027, 09:00 in
/// Berlin.
@Suite struct HoursTests {
  private static let stages =
    #","advance":"automatic","stages":[{"name":"a","percent":5,"soak":"0s"},"#
    + #"{"name":"b","percent":50,"soak":"0s"},{"name":"c","percent":100,"#
    + #""advance_at":"2027-01-18T12:00+01:00"}],"guards":[{"metric":"error_rate","max":"5%"}]"#
  private static let friday =
    #","hours":{"days":["mon","fri"],"from":"10:00","to":"11:00","zone":"Europe/Berlin"}"#

  private func report(_ server: TestServer, _ range: Range<Int>) async throws {
    let items = range.map {
      #"{"feature":"ai-summary","user":"u\#($0)","ok":true,"arm":"treatment"}"#
    }
    let answer = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(items.joined(separator: ","))]}"#)
    try #require(answer.status == 202, "\(answer.text)")
  }

  private func next(_ server: TestServer) async throws -> Document? {
    try await server.send("GET", "/v1/plans/ai-summary").json["next"]
  }

  private func waiting(_ server: TestServer) async throws -> [String]? {
    try await next(server)?["waiting_on"]?.array?.compactMap(\.string)
  }

  @Test func `what is healthy waits for its hours, goes on in them, and says so`() async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", Self.stages + Self.friday)
    try await report(server, 0..<100)
    let gate = "hours: opens Fri 10:00 Europe/Berlin, in 1 h"
    #expect(try await waiting(server) == [gate])
    let shut = try await next(server)
    #expect(shut?["ready"]?.bool == false)
    #expect(shut?["warnings"]?.array?.compactMap(\.string) == [gate])
    #expect(shut?["schedule"]?["open"]?.bool == false)
    #expect(shut?["schedule"]?["opens_at"]?.string == "2027-01-15T09:00:00.000Z")
    // Nobody is needed: it goes on by itself.
    let overview = try await server.send("GET", "/v1/overview").json["plans"]?.array?.first
    #expect(overview?["attention"]?.string == "goes_on")
    server.clock.advance(.minutes(59))
    try await Task.sleep(for: .milliseconds(700))
    #expect(try await server.stage() == "a")
    server.clock.advance(.minutes(1))
    #expect(try await server.eventually { try await server.stage() == "b" })
    let event = try await server.send("GET", "/v1/plans/ai-summary/events?limit=1").json
    #expect(event["events"]?.array?.first?["actor"]?.string == "monitor")
    // The next stage has a time, which is beyond Monday's hours: the Friday after it counts.
    let later = try await next(server)
    #expect(later?["schedule"]?["opens_at"]?.string == "2027-01-22T09:00:00.000Z")
    let gates = try await waiting(server) ?? []
    #expect(gates.contains("time: opens Mon 12:00 +01:00, in 3 d 2 h"), "\(gates)")
    #expect(gates.contains { $0.hasPrefix("hours: opens Fri 22 Jan 10:00") }, "\(gates)")
    let stage = try await server.send("GET", "/v1/plans/ai-summary").json["stages"]?.array?[2]
    #expect(stage?["advance_at"]?.string == "2027-01-18T12:00+01:00")
    #expect(stage?["hours"]?.string == "Mon, Fri 10:00–11:00 Europe/Berlin")
    await server.stop()
  }

  @Test func `a person goes on outside the hours without a reason, and is told`() async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", Self.stages + Self.friday + #","preset":"sensitive""#)
    try await report(server, 0..<100)
    let version = try await server.send("GET", "/v1/plans/ai-summary").json["version"]?.int ?? 0
    let done = try await server.send(
      "POST", "/v1/plans/ai-summary/advance", "{}", headers: [("If-Match", "\"\(version)\"")])
    #expect(done.status == 200, "\(done.text)")
    #expect(
      done.json["warnings"]?.array?.compactMap(\.string) == [
        "hours: opens Fri 10:00 Europe/Berlin, in 1 h"
      ])
    // Down at any hour, by itself.
    let bad = (0..<60).map {
      #"{"feature":"ai-summary","user":"u\#($0)","ok":false,"arm":"treatment"}"#
    }
    _ = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(bad.joined(separator: ","))]}"#)
    #expect(try await server.eventually { try await server.stage() == "a" })
    await server.stop()
  }

  @Test func `a clock that was set into the hours opens them an hour later`() async throws {
    let server = try await TestServer()
    try await server.startPlan("ai-summary", Self.stages + Self.friday)
    try await report(server, 0..<100)
    server.clock.step(milliseconds: 65 * 60_000)
    #expect(
      try await server.eventually {
        try await waiting(server)?.first?.hasPrefix("clock: the clock was set less than 1 h")
          == true
      })
    try await Task.sleep(for: .milliseconds(700))
    #expect(try await server.stage() == "a")
    // By the old clock it is 10:00 by then, by the new one 11:00: shut again, by what it says.
    server.clock.advance(.minutes(59))
    #expect(
      try await server.eventually {
        try await waiting(server)?.first?.hasPrefix("hours: opens Mon 10:00") == true
      })
    #expect(try await server.stage() == "a")
    await server.stop()
  }

  @Test func `a zone that nobody knows is refused at the door, wherever it stands`() async throws {
    let server = try await TestServer()
    for (hours, place) in [
      (#""hours":{"zone":"Europe/Atlantis"}"#, "hours.zone"),
      (#""hours":[{"zone":"UTC"},{"zone":"europe/berlin"}]"#, "hours[1].zone"),
      (
        #""stages":[{"name":"a","percent":1},{"name":"b","percent":2,"hours":{"zone":"localtime"}}]"#,
        "stages[1].hours.zone"
      ),
    ] {
      let plan = #"{"feature":"x",\#(hours)}"#
      for answer in [
        try await server.send("PUT", "/v1/plans/x", plan),
        try await server.send("PUT", "/v1/plans/x?dry_run=true", plan),
        try await server.send("POST", "/v1/plans", #"{"plans":[{"definition":\#(plan)}]}"#),
      ] {
        #expect(answer.status >= 400 && answer.status < 500, "\(answer.text)")
        #expect(answer.text.contains("There is no time zone"), "\(answer.text)")
        #expect(answer.text.contains(place), "\(answer.text)")
      }
    }
    #expect(
      try await server.send("PUT", "/v1/plans/x", #"{"feature":"x","hours":{"zone":"UTC"}}"#).status
        == 201)
    await server.stop()
  }
}
