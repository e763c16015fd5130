import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutServer

/// Sizes, overlaps and costs before anything is changed, by a whole server.
@Suite struct PreviewAPITests {
  private func apply(_ server: TestServer, _ feature: String, _ more: String) async throws {
    let answer = try await server.send(
      "PUT", "/v1/plans/\(feature)", #"{"feature":"\#(feature)",\#(more)}"#)
    try #require(answer.status == 201, "\(answer.text)")
  }

  private func preview(_ server: TestServer, _ query: String) async throws -> Document {
    let answer = try await server.send("GET", "/v1/plans/ai-summary/preview?\(query)")
    #expect(answer.status == 200, "\(answer.text)")
    return answer.json
  }

  @Test func `a given population is shared out among stages, members counted by name`()
    async throws
  {
    let server = try await TestServer()
    try await apply(
      server, "ai-summary",
      #""holdout":"10%","stages":[{"name":"a","cohort":"beta"},{"name":"b","percent":5},{"name":"c","percent":100}]"#
    )
    for user in ["anna", "bob", "carl"] {
      _ = try await server.send("PUT", "/v1/cohorts/beta/members/\(user)")
    }
    let view = try await preview(server, "population=100000&stage=b")
    let sizes = view["sizes"]?.array ?? []
    #expect(sizes.map { $0["per_100000"]?.int } == [0, 4500, 90_000])
    // The holdout takes members, too: looked at one by one.
    let bucketer = Bucketer(salt: "ai-summary", purpose: .holdout)
    let members = ["anna", "bob", "carl"].count { bucketer.bucket($0) >= 10_000 }
    #expect(sizes.allSatisfy { $0["named"]?.int == members })
    let users = sizes[1]["users"]
    // 99,997 others, of whom 4.5 %: 4,500, σ = 65.6.
    let about = 4500 + members
    #expect(users?["about"]?.int == about)
    let (low, high) = (users?["low"]?.int ?? 0, users?["high"]?.int ?? 0)
    #expect(abs(low - (about - 128)) <= 1 && abs(high - (about + 129)) <= 1, "\(low) \(high)")
    #expect(view["population"]?["sentence"]?.string == "as was said")
    #expect(view["projection_unknown"]?.string?.contains("after the stage") == true)
    #expect(view["projection"] == nil && view["overlap"] == nil)
    await server.stop()
  }

  @Test func `without a population it is told from who was seen, or why it cannot be`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan(
      "ai-summary", #","stages":[{"name":"half","percent":50},{"name":"all","percent":100}]"#)
    let nobody = try await preview(server, "")
    #expect(nobody["population"] == nil)
    #expect(nobody["population_unknown"]?.string?.hasPrefix("0 users were seen") == true)
    let items = (0..<300).map {
      #"{"feature":"ai-summary","user":"u\#($0)","ok":true,"arm":"treatment"}"#
    }
    _ = try await server.send(
      "POST", "/v1/outcomes", #"{"outcomes":[\#(items.joined(separator: ","))]}"#)
    server.clock.advance(.seconds(30))
    #expect(
      try await server.eventually { try await preview(server, "")["population"] != nil })
    let seen = try await preview(server, "")
    // 300 are half of all.
    let population = seen["population"]
    let about = population?["about"]?.int ?? 0
    #expect(abs(about - 600) < 90, "\(about)")
    #expect((population?["low"]?.int ?? 0) < 600 && (population?["high"]?.int ?? 0) > 600)
    #expect(seen["sizes"]?.array?.last?["users"]?["about"]?.int == about)
    #expect(seen["projection_unknown"]?.string?.contains("no minute") == true)
    await server.stop()
  }

  @Test func `two features have users in common as their salts say`() async throws {
    let server = try await TestServer()
    try await apply(
      server, "ai-summary",
      #""stages":[{"name":"a","percent":40}],"force_on":["vip"]"#)
    try await apply(
      server, "other", #""stages":[{"name":"x","percent":25},{"name":"y","percent":50}]"#)
    try await apply(
      server, "sister", #""salt":"ai-summary","stages":[{"name":"x","percent":25}]"#)
    let apart = try await preview(server, "stage=a&with=other&population=100000")["overlap"]
    #expect(apart?["stage"]?.string == "x" && apart?["nested"]?.bool == false)
    #expect(apart?["both"]?["per_100000"]?.int == 10_000)
    #expect(apart?["only"]?["named"]?.int.map { $0 <= 1 } == true)
    #expect(apart?["both"]?["users"]?["low"]?.int ?? 0 > 9800)
    let later = try await preview(server, "stage=a&with=other&with_stage=y")["overlap"]
    #expect(later?["both"]?["per_100000"]?.int == 20_000)
    let nested = try await preview(server, "stage=a&with=sister")["overlap"]
    #expect(nested?["nested"]?.bool == true && nested?["only_other"]?["per_100000"]?.int == 0)
    #expect(nested?["both"]?["per_100000"]?.int == 25_000)
    // Of a list each is told.
    let list = try await server.send(
      "POST", "/v1/plans/ai-summary/preview?stage=a&with=other",
      #"{"users":[{"id":"vip"},{"id":"u1"}]}"#)
    #expect(list.json["other"]?["stage"]?.string == "x")
    let (one, other) = (Bucketer(salt: "ai-summary"), Bucketer(salt: "other"))
    for user in list.json["users"]?.array ?? [] {
      let id = user["user"]?.string ?? ""
      #expect(user["then"]?.bool == (id == "vip" || one.bucket(id) < 40_000))
      #expect(user["other"]?.bool == (other.bucket(id) < 25_000))
    }
    await server.stop()
  }

  @Test func `what cannot be meant is refused`() async throws {
    let server = try await TestServer()
    try await apply(server, "ai-summary", #""stages":[{"name":"a","percent":40}]"#)
    for (query, status) in [
      ("population=0", 400), ("population=-1", 400), ("population=many", 400),
      ("population=99999999999", 400), ("population=9999999999999999999999", 400),
      ("with=ai-summary", 400), ("with_stage=a", 400), ("with=nobody", 404), ("stage=z", 400),
      ("population=10000000000", 200),
    ] {
      let answer = try await server.send("GET", "/v1/plans/ai-summary/preview?\(query)")
      #expect(answer.status == status, "\(query): \(answer.text)")
    }
    // A token that is limited to one feature learns nothing of another.
    try await apply(server, "other", #""stages":[{"name":"x","percent":25}]"#)
    let token =
      try await server.send(
        "POST", "/v1/tokens", #"{"name":"one","scopes":["view"],"features":["ai-summary"]}"#
      ).json["token"]?.string ?? ""
    let limited = try await server.send(
      "GET", "/v1/plans/ai-summary/preview?with=other", token: token)
    #expect(limited.status == 403, "\(limited.text)")
    await server.stop()
  }
}
