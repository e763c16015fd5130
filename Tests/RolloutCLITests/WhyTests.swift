import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// What `rollout why` says, by the real programs.
@Suite struct WhyTests {
  private let folder = TemporaryFolder()

  private func report(_ outcomes: [String], to server: ServerProcess) async throws -> String {
    let token = try String(contentsOfFile: "\(server.data)/admin.token", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
    let body = "{\"outcomes\":[\(outcomes.joined(separator: ","))]}"
    let connection = RawConnection(port: server.port)
    connection.send(
      "POST /v1/outcomes HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(token)\r\n"
        + "Connection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
    return await connection.receive().text
  }

  @Test func `after a step back it says what failed, where, for whom, and how the others fared`()
    async throws
  {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let plan = folder.write("feature: ai-summary\n", to: "plan.yaml")
    _ = try await server.rollout("plan", "apply", "-f", plan)
    let none = try await server.rollout("why", "ai-summary")
    #expect(none.output.contains("has not stepped back, been held, paused or killed on record"))
    #expect(none.output.contains("no failure is on record"))
    _ = try await server.rollout("start", "ai-summary")
    _ = try await server.rollout("advance", "ai-summary", "--reason", "go on")
    // What began before the stage is not counted for it.
    try await Task.sleep(for: .milliseconds(50))
    let outcomes =
      (0..<40).map {
        #"{"feature":"ai-summary","user":"u\#($0)","arm":"treatment","ok":false,"kind":"timeout","id":"r-\#($0)","latency_ms":20}"#
      }
      + (0..<20).map { #"{"feature":"ai-summary","user":"c\#($0)","arm":"control","ok":true}"# }
    let answer = try await report(outcomes, to: server)
    #expect(answer.contains(#""accepted":60"#), "\(answer)")
    var shown = try await server.rollout("why", "ai-summary")
    for _ in 0..<50 where !shown.output.contains("stepped back beta") {
      try await Task.sleep(for: .milliseconds(100))
      shown = try await server.rollout("why", "ai-summary")
    }
    #expect(shown.output.contains("stepped back beta → internal"), "\(shown.output)")
    #expect(shown.output.contains("by monitor"), "\(shown.output)")
    #expect(shown.output.contains("40  timeout"), "\(shown.output)")
    #expect(shown.output.contains("with it     40 of 40 failed (100 %)"), "\(shown.output)")
    #expect(shown.output.contains("without it  0 of 20 failed (0 %)"), "\(shown.output)")
    #expect(shown.output.contains("r-39"), "\(shown.output)")
    #expect(shown.output.contains("next: rollout plan show ai-summary"))
    #expect(shown.output.split(separator: "\n").allSatisfy { $0.count <= 100 }, "\(shown.output)")
    let json = try await server.rollout("why", "ai-summary", "--output", "json")
    let document = try JSONReader.read(Array(json.output.utf8))
    #expect(document["incident"]?["type"]?.string == "rolled_back")
    #expect(document["failures"]?["failures"]?.array?.isEmpty == false)
    let before = try await server.rollout("why", "ai-summary", "--at", "2020-01-01T00:00:00Z")
    #expect(before.output.contains("on record"), "\(before.output)")
    let wrong = try await server.rollout("why", "ai-summary", "--at", "yesterday")
    #expect(wrong.status == 2 && wrong.errors.contains("--at is a time such as"))
    #expect(server.terminate() == 0)
  }
}
