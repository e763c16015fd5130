import DocumentKit
import Foundation
import RolloutCore
import RolloutStore
import RolloutTesting
import Testing

@testable import RolloutServer

/// The event streams: order, what a client that comes back gets, and what one token may take.
@Suite struct EventStreamTests {
  private struct Frame {
    var id: String
    var event: String
    var data: Document
    var place: MessagePlace { MessagePlace(id) ?? .beginning }
  }

  /// Opens a stream without reading it. HTTP/1.0, so that nothing stands between the frames.
  private func open(
    _ server: TestServer, _ path: String = "/v1/events", last: String? = nil,
    token: String? = nil
  ) -> RawConnection {
    let connection = RawConnection(port: server.port)
    let resume = last.map { "Last-Event-ID: \($0)\r\n" } ?? ""
    connection.send(
      "GET \(path) HTTP/1.0\r\nHost: a\r\n\(resume)"
        + "Authorization: Bearer \(token ?? server.adminToken)\r\n\r\n")
    return connection
  }

  private func frames(_ text: String) -> [Frame] {
    text.components(separatedBy: "\n\n").compactMap { block in
      var fields: [String: String] = [:]
      for line in block.split(separator: "\n") {
        guard let colon = line.firstIndex(of: ":"), colon > line.startIndex else { continue }
        fields[String(line[..<colon])] = String(line[line.index(colon, offsetBy: 2)...])
      }
      guard let id = fields["id"], let event = fields["event"], let data = fields["data"] else {
        return nil
      }
      return Frame(
        id: id, event: event, data: (try? JSONReader.read(Array(data.utf8))) ?? .null)
    }
  }

  /// What the stream sends until it has `count` frames.
  private func read(_ connection: RawConnection, _ count: Int) async -> [Frame] {
    let text = await connection.receive(milliseconds: 5000) {
      $0.components(separatedBy: "\nevent: ").count > count && $0.hasSuffix("\n\n")
    }.text
    return frames(text)
  }

  private func token(_ server: TestServer, _ name: String, _ more: String = "") async throws
    -> (id: String, text: String)
  {
    let made = try await server.send(
      "POST", "/v1/tokens", #"{"name":"\#(name)","scopes":["evaluate"]\#(more)}"#)
    return (try #require(made.json["id"]?.string), try #require(made.json["token"]?.string))
  }

  @Test func `ids never go backwards and nothing is left out, however many change plans at once`()
    async throws
  {
    let server = try await TestServer()
    let live = open(server)
    _ = await live.receive { $0.hasSuffix(": connected\n\n") }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<12 {
        group.addTask {
          try await server.startPlan("f\(index)")
          try await server.command("pause", "f\(index)", #"{"reason":"x"}"#)
          try await server.command("resume", "f\(index)", #"{"reason":"x"}"#)
        }
      }
      try await group.waitForAll()
    }
    let ids = await read(live, 48).map(\.id)
    #expect(ids == (1...48).map { "\($0)" })
    await server.stop()
  }

  @Test func `a client that comes back gets the rest, from memory and from disk`() async throws {
    let first = try await TestServer()
    try await first.startPlan("a")
    try await first.startPlan("b")
    #expect(await read(open(first, last: "1"), 3).map(\.id) == ["2", "3", "4"])
    #expect(await read(open(first, last: "0"), 4).map(\.id) == ["1", "2", "3", "4"])
    await first.stop()
    let second = try await TestServer(folder: first.folder)
    let live = open(second, last: "2")
    _ = await live.receive { $0.contains("id: 4") }
    try await second.command("pause", "a", #"{"reason":"x"}"#)
    #expect(await read(live, 1).map(\.id) == ["5"])
    let limited = try await token(second, "limited", #","features":["b"]"#)
    let own = await read(open(second, last: "0", token: limited.text), 2)
    #expect(own.map(\.id) == ["3", "4"])
    #expect(own.allSatisfy { $0.data["feature"]?.string == "b" })
    await second.stop()
  }

  @Test func `a place that never was, or of a later time, is answered with a reset`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    for last in ["99", "99.1", "abc", "1.x", "99999999999999999999", "-1"] {
      let frames = await read(open(server, last: last), 1)
      #expect(frames.map(\.event) == ["reset"], "\(last)")
      #expect(frames.first?.id == "2")
      #expect(frames.first?.data["first_id"]?.string == "2")
    }
    let stream = open(server, last: "99")
    _ = await stream.receive { $0.contains("event: reset") }
    try await server.command("pause", "ai-summary", #"{"reason":"x"}"#)
    #expect(await read(stream, 1).map(\.id) == ["3"])
    await server.stop()
  }

  @Test func `a client behind the notices that are kept is told where it may go on`() async throws {
    let folder = TemporaryFolder()
    try await notices(in: folder, count: 10_050, size: 10)
    let server = try await TestServer(folder: folder)
    let text = await open(server, last: "0").receive(milliseconds: 10_000) {
      $0.contains("\nid: 0.10050\n")
    }.text
    let all = frames(text)
    #expect(all.first?.event == "reset")
    #expect(all.first?.data["first_id"]?.string == "0.50")
    #expect(all.dropFirst().map(\.id) == (51...10_050).map { "0.\($0)" })
    let known = await read(open(server, last: "0.10048"), 2)
    #expect(known.map(\.id) == ["0.10049", "0.10050"])
    await server.stop()
  }

  /// Fills a data folder with notices.
  private func notices(in folder: TemporaryFolder, count: Int, size: Int) async throws {
    let directory = try DataDirectory(folder.path)
    let store = try Store(directory, now: Samples.start)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<count {
        group.addTask {
          _ = try await store.append(
            Notice(
              feature: "a", planVersion: 1, at: Samples.start, kind: .dryRun,
              sentence: String(repeating: "x", count: size), evidence: nil))
        }
      }
      try await group.waitForAll()
    }
    await store.close()
    directory.release()
  }

  @Test func `one token gets half of the replays, all together a few, and what is let go is free`()
    async throws
  {
    let folder = TemporaryFolder()
    try await notices(in: folder, count: 400, size: 64 * 1024)
    let server = try await TestServer(folder: folder)
    let (first, second) = (try await token(server, "first"), try await token(server, "second"))
    func status(_ connection: RawConnection) async -> String {
      String(await connection.receive { $0.contains("\r\n\r\n") }.text.prefix(12).suffix(3))
    }
    // They read their first bytes and no more.
    var readers: [RawConnection] = []
    for _ in 0..<(EventReplay.countMax / 2) {
      let reader = open(server, last: "0", token: first.text)
      #expect(await status(reader) == "200")
      readers.append(reader)
    }
    let refused = await open(server, last: "0", token: first.text).receive().text
    #expect(refused.hasPrefix("HTTP/1.1 503 "))
    #expect(refused.contains("\r\nRetry-After: 1\r\n"))
    let other = open(server, last: "0", token: second.text)
    #expect(await status(other) == "200")
    // Who is not behind needs no replay.
    #expect(await status(open(server, last: "0.400", token: first.text)) == "200")
    readers = []
    #expect(
      try await server.eventually {
        await status(open(server, last: "0", token: first.text)) == "200"
      })
    await server.stop()
  }

  @Test(arguments: ["/v1/events", "/ofrep/v1/events"])
  func `a stream ends when its token is revoked or expires`(path: String) async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let revoked = try await token(server, "revoked")
    let expiring = try await token(server, "expiring", #","expires_in":"1h""#)
    let (one, two, mine) = (
      open(server, path, token: revoked.text), open(server, path, token: expiring.text),
      open(server, path)
    )
    for stream in [one, two, mine] { _ = await stream.receive { $0.hasSuffix(": connected\n\n") } }
    let revoke = "/v1/tokens/\(revoked.id)?confirm=revoked"
    #expect(try await server.send("DELETE", revoke).status == 204)
    try await server.command("pause", "ai-summary", #"{"reason":"x"}"#)
    let ended = await one.receive()
    #expect(ended.end == .closed)
    #expect(!ended.text.contains("id: 3"))
    server.clock.advance(.hours(2))
    // Nothing happens, and still it ends.
    let expired = await two.receive(milliseconds: 4000)
    #expect(expired.end == .closed)
    #expect(expired.text.contains("id: 3"))
    #expect(await mine.receive(milliseconds: 100).end == .open)
    await server.stop()
  }

  @Test func `an OFREP client that comes back is told once to fetch again`() async throws {
    let server = try await TestServer()
    try await server.startPlan("a")
    try await server.startPlan("b")
    let behind = await open(server, "/ofrep/v1/events", last: "1").receive(milliseconds: 500).text
    #expect(frames(behind).map(\.id) == ["4"])
    #expect(frames(behind).first?.data["type"]?.string == "refetchEvaluation")
    let current = await open(server, "/ofrep/v1/events", last: "4").receive(milliseconds: 300).text
    #expect(frames(current).isEmpty)
    await server.stop()
  }

  @Test func `what the stream sends is what openapi.json says`() async throws {
    let server = try await TestServer()
    try await server.startPlan()
    let document = try await server.send("GET", "/openapi.json", token: "").json
    let schemas = try #require(document["components"]?["schemas"])
    let content = document["paths"]?["/v1/events"]?["get"]?["responses"]?["200"]?["content"]
    let reference = content?["text/event-stream"]?["schema"]?["$ref"]?.string
    #expect(reference == "#/components/schemas/StreamEvent")
    let stream = try #require(schemas["StreamEvent"]?["properties"])
    let words = stream["event"]?["enum"]?.array?.compactMap(\.string) ?? []
    #expect(
      Set(words)
        == Set(PlanEvent.Kind.allCases.map(\.rawValue) + Notice.Kind.allCases.map(\.rawValue))
        .union(["reset"]))
    let named = stream["data"]?["contentSchema"]?["oneOf"]?.array?.compactMap {
      $0["$ref"]?.string.flatMap { $0.split(separator: "/").last }.map(String.init)
    }
    #expect(named == ["Event", "Notice", "Reset"])
    let sent = await read(open(server, last: "0"), 2) + (await read(open(server, last: "9"), 1))
    #expect(sent.count == 3)
    for frame in sent {
      #expect(words.contains(frame.event))
      let schema = try #require(schemas[frame.event == "reset" ? "Reset" : "Event"])
      let known = Set(schema["properties"]?.members?.map(\.key) ?? [])
      let required = Set(schema["required"]?.array?.compactMap(\.string) ?? [])
      let keys = Set(frame.data.members?.map(\.key) ?? [])
      #expect(keys.isSubset(of: known) && required.isSubset(of: keys), "\(keys)")
    }
    await server.stop()
  }
}
