import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Attributes as applications send them, to every door that takes them.
@Suite struct AttributeTests {
  private static let plan = """
    {"feature":"f","stages":[{"name":"all","rules":[{"attribute":"tenant",\
    "equals":9007199254740993},{"attribute":"groups","contains":"beta"},\
    {"attribute":"company","exists":true}]}]}
    """

  private func start() async throws -> TestServer {
    let server = try await TestServer()
    #expect(try await server.send("PUT", "/v1/plans/f", Self.plan).status == 201)
    try await server.command("start", "f")
    return server
  }

  /// Whether a user with these attributes (members of a JSON object) has the feature, by each door;
  /// nil is a refusal.
  private func doors(_ server: TestServer, _ attributes: String) async throws -> [Bool?] {
    let native = try await server.send(
      "POST", "/v1/features/f/decision", #"{"user":{"id":"u","attributes":{\#(attributes)}}}"#)
    let many = try await server.send(
      "POST", "/v1/features/f/decisions",
      #"{"users":[{"id":"u","attributes":{\#(attributes)}}]}"#)
    let context = #"{"context":{"targetingKey":"u",\#(attributes)}}"#
    let single = try await server.send("POST", "/ofrep/v1/evaluate/flags/f", context)
    let bulk = try await server.send("POST", "/ofrep/v1/evaluate/flags", context)
    return [
      native.json["enabled"]?.bool, many.json["decisions"]?.array?.first?["enabled"]?.bool,
      single.json["value"]?.bool, bulk.json["flags"]?.array?.first?["value"]?.bool,
    ]
  }

  @Test func `an attribute means the same at every door`() async throws {
    let server = try await start()
    for (attributes, expected) in [
      (#""tenant":9007199254740993"#, true), (#""tenant":9007199254740992"#, false),
      (#""tenant":"9007199254740993""#, true), (#""tenant":9.007199254740993e15"#, true),
      (#""tenant":9007199254740993.00"#, true), (#""tenant":9.007199254740992e15"#, false),
      (#""groups":["ops","beta"]"#, true), (#""groups":["ops"]"#, false), (#""groups":[]"#, false),
      (#""groups":"beta""#, true), (#""groups":null"#, false),
      (#""tenant":null,"groups":null"#, false),
      (#""company":null"#, false), (#""company":[]"#, true), (#""other":["a",1,true]"#, false),
      (#""tenant":1e400"#, false),
    ] {
      #expect(
        try await doors(server, attributes) == Array(repeating: expected, count: 4), "\(attributes)"
      )
    }
    await server.stop()
  }

  @Test func `what no rule can compare is refused where a rule would, never dropped`() async throws
  {
    let server = try await start()
    for attributes in [
      #""groups":{"beta":true}"#, #""groups":[["beta"]]"#, #""groups":["a",null]"#,
      #""groups":[\#(Array(repeating: "1", count: 101).joined(separator: ","))]"#,
    ] {
      #expect(
        try await doors(server, attributes) == [nil, nil, nil, nil], "\(attributes.prefix(40))")
    }
    let refused = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags/f",
      #"{"context":{"targetingKey":"u","groups":{"beta":true}}}"#)
    #expect(refused.status == 400)
    #expect(refused.json["errorCode"]?.string == "INVALID_CONTEXT")
    #expect(refused.json["errorDetails"]?.string?.contains(#""groups""#) == true)
    // Of the whole context of an application, other attributes may be anything, and are there.
    let other = try await doors(server, #""address":{"city":"Perth"},"groups":["beta"]"#)
    #expect(other == [nil, nil, true, true])
    let exists = try await doors(server, #""company":{"name":"Acme"}"#)
    #expect(exists == [nil, nil, true, true])
    let native = try await server.send(
      "POST", "/v1/features/f/decision", #"{"user":{"id":"u","attributes":{"a":["x",null]}}}"#)
    #expect(native.status == 400)
    #expect(native.json["detail"]?.string?.contains("a list with null in it") == true)
    await server.stop()
  }

  @Test func `null is absent for ids, outcomes and the header of the AI path too`() async throws {
    let server = try await start()
    let nobody = try await server.send(
      "POST", "/ofrep/v1/evaluate/flags/f", #"{"context":{"targetingKey":null,"groups":["beta"]}}"#)
    #expect(nobody.json["value"]?.bool == true)
    let native = try await server.send(
      "POST", "/v1/features/f/decision",
      #"{"user":{"id":null,"attributes":{"groups":["beta"],"tenant":null}},"explain":null}"#)
    #expect(native.json["enabled"]?.bool == true)
    let outcomes = try await server.send(
      "POST", "/v1/outcomes",
      """
      {"outcomes":[\
      {"feature":"f","user":"u","ok":true,"attributes":{"tenant":1,"groups":["beta"],"company":null}},\
      {"feature":"f","user":"u","ok":true,"attributes":{"tenant":null}}]}
      """)
    #expect(outcomes.json["accepted"]?.int == 2, "\(outcomes.text)")
    #expect(outcomes.json["unattributed"]?.int == 1, "\(outcomes.text)")
    let vote = try await server.send(
      "POST", "/v1/feedback", #"{"feature":"f","user":"u","kind":"thumbs_down"}"#)
    #expect(vote.json["unattributed"]?.int == 1, "\(vote.text)")
    #expect(vote.json["hint"]?.string?.contains("company, groups, tenant") == true, "\(vote.text)")
    let told = try await server.send(
      "POST", "/v1/feedback",
      #"{"feature":"f","user":"u","kind":"thumbs_down","attributes":{"groups":["beta"]}}"#)
    #expect(told.json["unattributed"] == nil, "\(told.text)")
    await server.stop()
  }
}
