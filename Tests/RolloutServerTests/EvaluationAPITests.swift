import DocumentKit
import RolloutCore
import RolloutEvaluation
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct EvaluationAPITests {
  @Test func `a decision says who, whether, which cohort and why`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    try await server.command("advance")
    try await server.command("advance")
    let bucket = Bucketer(salt: "ai-summary").bucket("user-1")
    let answer = try await server.send(
      "GET", "/v1/features/ai-summary/decision?user=user-1&explain=true")
    #expect(answer.status == 200)
    #expect(answer.json["feature"]?.string == "ai-summary")
    #expect(answer.json["user"]?.string == "user-1")
    #expect(answer.json["enabled"]?.bool == (bucket < 25_000))
    #expect(answer.json["bucket"]?.int == bucket)
    #expect(answer.json["stage"]?.string == "25")
    #expect(answer.json["reason"]?.string == "SPLIT")
    #expect(answer.json["plan_version"]?.int == 4)
    #expect(answer.json["because"]?.string?.hasPrefix("bucket \(bucket)") == true)
    let posted = try await server.send(
      "POST", "/v1/features/ai-summary/decision", #"{"user":{"id":"user-1"},"explain":true}"#)
    #expect(posted.body == answer.body)
    await server.stop()
  }

  @Test func `ids of any UTF-8 mean the same in query, body and OFREP`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let user = "Größe 🙂/a+b&c=%"
    let bucket = Bucketer(salt: "ai-summary").bucket(user)
    let query = try await server.send(
      "GET", "/v1/features/ai-summary/decision?user=Gr%C3%B6%C3%9Fe+%F0%9F%99%82%2Fa%2Bb%26c%3D%25")
    #expect(query.json["user"]?.string == user)
    #expect(query.json["bucket"]?.int == bucket)
    let body = Document.object(["context": .object(["targetingKey": .string(user)])]).jsonText
    let ofrep = try await server.send("POST", "/ofrep/v1/evaluate/flags/ai-summary", body)
    #expect(ofrep.json["metadata"]?["bucket"]?.int == bucket)
    await server.stop()
  }

  @Test func `many users and many features are decided in one call`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    try await server.startPlan("b")
    let users = try await server.send(
      "POST", "/v1/features/a/decisions", #"{"users":[{"id":"u1"},{"id":"u2"}]}"#)
    #expect(users.json["decisions"]?.array?.compactMap { $0["user"]?.string } == ["u1", "u2"])
    let features = try await server.send("POST", "/v1/decisions", #"{"user":{"id":"u1"}}"#)
    #expect(features.json["decisions"]?.array?.compactMap { $0["feature"]?.string } == ["a", "b"])
    let one = try await server.send(
      "POST", "/v1/decisions", #"{"user":{"id":"u1"},"features":["b"]}"#)
    #expect(one.json["decisions"]?.array?.count == 1)
    let many = (0...10_000).map { "{\"id\":\"\($0)\"}" }.joined(separator: ",")
    let tooMany = try await server.send("POST", "/v1/features/a/decisions", "{\"users\":[\(many)]}")
    #expect(tooMany.status == 413)
    await server.stop()
  }

  private static let badDecisions: [(String, String, String, Int, String)] = [
    ("GET", "/v1/features/nope/decision?user=a", "", 404, "not_found"),
    ("GET", "/v1/features/ai-summary/decision?usr=a", "", 400, "bad_request"),
    ("GET", "/v1/features/ai-summary/decision?user=a&user=b", "", 400, "bad_request"),
    ("GET", "/v1/features/ai-summary/decision?user=%FF", "", 400, "bad_request"),
    ("GET", "/v1/features/ai-summary/decision?user=a&explain=maybe", "", 400, "bad_request"),
    (
      "GET", "/v1/features/ai-summary/decision?user=\(String(repeating: "a", count: 513))", "", 400,
      "bad_request"
    ),
    ("POST", "/v1/features/ai-summary/decision", "", 400, "bad_request"),
    ("POST", "/v1/features/ai-summary/decision", "{}", 400, "bad_request"),
    ("POST", "/v1/features/ai-summary/decision", "{\"user\":\"a\"}", 400, "bad_request"),
    ("POST", "/v1/features/ai-summary/decision", "{\"user\":{\"id\":5}}", 400, "bad_request"),
    (
      "POST", "/v1/features/ai-summary/decision", "{\"user\":{\"id\":\"a\",\"id\":\"b\"}}", 400,
      "bad_request"
    ),
    (
      "POST", "/v1/features/ai-summary/decision", "{\"user\":{\"id\":\"a\"},\"x\":1}", 400,
      "bad_request"
    ),
    (
      "POST", "/v1/features/ai-summary/decision", String(repeating: "[", count: 1000), 400,
      "bad_request"
    ),
    ("DELETE", "/v1/features/ai-summary/decision", "", 405, "method_not_allowed"),
    ("TRACE", "/v1/features/ai-summary/decision", "", 405, "method_not_allowed"),
    ("GET", "/v1/features/ai-summary/decisions/x", "", 404, "not_found"),
    ("GET", "/v1//features", "", 404, "not_found"),
    ("GET", "/v1/features/../plans", "", 404, "not_found"),
  ]

  @Test func `bad questions get a clear answer`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    for (method, path, body, status, code) in Self.badDecisions {
      let answer = try await server.send(method, path, body)
      #expect(answer.status == status, "\(method) \(path.prefix(80)) \(body.prefix(40))")
      #expect(answer.code == code)
      #expect(answer.json["detail"]?.string?.isEmpty == false)
      #expect(answer.header("content-type") == "application/problem+json")
    }
    let large = try await server.send(
      "POST", "/v1/features/ai-summary/decision", String(repeating: " ", count: 1 << 20) + "{}")
    #expect(large.status == 413)
    await server.stop()
  }

  @Test func `OFREP answers with value, variant and reason, its errors with their codes`()
    async throws
  {
    let server = try await TestServer()
    try await server.startPlan(
      "all",
      #","stages":[{"name":"all","percent":100}],"values":{"on":{"model":"a"},"off":{"model":"b"}}"#
    )
    try await server.startPlan("half", #","stages":[{"name":"half","percent":50}]"#)
    let path = "/ofrep/v1/evaluate/flags"
    let all = try await server.send("POST", "\(path)/all", #"{"context":{}}"#)
    #expect(all.status == 200)
    #expect(all.json["value"] == .object(["model": .string("a")]))
    #expect(all.json["variant"]?.string == "on")
    #expect(all.json["reason"]?.string == "STATIC")
    for (key, body, status, code) in [
      ("half", #"{"context":{}}"#, 400, "TARGETING_KEY_MISSING"),
      ("half", #"{"context":{"targetingKey":""}}"#, 400, "TARGETING_KEY_MISSING"),
      ("half", #"{"context":{"targetingKey":5}}"#, 400, "INVALID_CONTEXT"),
      ("half", "{}", 400, "INVALID_CONTEXT"), ("half", "", 400, "PARSE_ERROR"),
      ("half", "{", 400, "PARSE_ERROR"), ("nope", #"{"context":{}}"#, 404, "FLAG_NOT_FOUND"),
    ] {
      let answer = try await server.send("POST", "\(path)/\(key)", body)
      #expect(answer.status == status, "\(key) \(body)")
      #expect(answer.json["errorCode"]?.string == code)
      #expect(answer.json["key"]?.string == key)
      #expect(answer.json["errorDetails"]?.string?.isEmpty == false)
    }
    let unauthorized = try await server.send("POST", "\(path)/all", "{}", token: "")
    #expect(unauthorized.status == 401)
    #expect(unauthorized.json["errorDetails"] != nil)
    await server.stop()
  }

  @Test func `bulk has an ETag over configuration and context`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    try await server.startPlan("b")
    func bulk(_ user: String, _ tag: String? = nil) async throws -> TestServer.Answer {
      try await server.send(
        "POST", "/ofrep/v1/evaluate/flags?flagConfigEtag=x&flagConfigLastModified=1",
        #"{"context":{"targetingKey":"\#(user)"}}"#,
        headers: tag.map { [("If-None-Match", $0)] } ?? [])
    }
    let first = try await bulk("u1")
    #expect(first.json["flags"]?.array?.count == 2)
    #expect(
      first.json["eventStreams"]?.array?.first?["endpoint"]?["requestUri"]?.string
        == "/ofrep/v1/events")
    let tag = try #require(first.header("etag"))
    let again = try await bulk("u1", tag)
    #expect(again.status == 304)
    #expect(again.body.isEmpty)
    #expect(try await bulk("u2", tag).status == 200)
    try await server.command("advance", "b")
    #expect(try await bulk("u1", tag).status == 200)
    await server.stop()
  }
}
