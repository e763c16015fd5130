import DocumentKit
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct OutcomeIDTests {
  private func report(_ server: TestServer, _ id: String, _ feature: String) async throws {
    let answer = try await server.send(
      "POST", "/v1/outcomes",
      #"{"outcomes":[{"feature":"\#(feature)","user":"u","ok":false,"id":"\#(id)"}]}"#)
    #expect(answer.json["accepted"]?.int == 1)
  }

  private func failed(_ server: TestServer, _ feature: String) async throws -> Int? {
    try await server.send("GET", "/v1/plans/\(feature)/health").json["arms"]?["treatment"]?[
      "failed"]?
      .int
  }

  @Test func `what is reported again after a restart still counts once`() async throws {
    let first = try await TestServer()
    for feature in ["a", "b"] {
      try await first.startPlan(feature, #","stages":[{"name":"all","percent":100}]"#)
    }
    for id in ["one", "two", "one"] { try await report(first, id, "a") }
    let vote = #"{"feature":"a","user":"u","kind":"thumbs_down","request_id":"r1"}"#
    #expect(try await first.send("POST", "/v1/feedback", vote).status == 202)
    #expect(try await failed(first, "a") == 2)
    await first.stop()
    let second = try await TestServer(folder: first.folder, clock: first.clock)
    for id in ["two", "one", "three"] { try await report(second, id, "a") }
    #expect(try await failed(second, "a") == 3)
    #expect(try await second.send("POST", "/v1/feedback", vote).status == 202)
    let metrics = try await second.send("GET", "/metrics").text
    #expect(!metrics.contains(#"kind="thumbs_down"} 1"#))
    // The same id of another feature is another one.
    try await report(second, "one", "b")
    #expect(try await failed(second, "b") == 1)
    await second.stop()
    let third = try await TestServer(folder: first.folder, clock: first.clock)
    try await report(third, "three", "a")
    #expect(try await failed(third, "a") == 3)
    await third.stop()
  }

  @Test func `ids are kept as far back as they are remembered, and no further`() async throws {
    let store = try TelemetryDatabase(try DataDirectory(TemporaryFolder().path), now: Samples.start)
    for round in 0..<60 {
      let ids = (0..<1500).map { UInt64(round * 1500 + $0) }
      try await store.save(TelemetryChanges(ids: [SeenIDs(feature: "a", ids: ids)]))
    }
    try await store.save(TelemetryChanges(ids: [SeenIDs(feature: "b", ids: [7, .max])]))
    let kept = try await store.loadIDs()
    let ids = kept.filter { $0.feature == "a" }.flatMap(\.ids)
    #expect(ids.last == 89_999 && ids == ids.sorted())
    #expect((2 * RecentIDs.capacity...2 * RecentIDs.capacity + 4000).contains(ids.count))
    #expect(kept.last == SeenIDs(feature: "b", ids: [7, .max]))
    await store.close()
  }
}
