import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

/// Answers of many parts: four times as many take about four times as long.
@Suite(.serialized) struct LongAnswerTests {
  /// The quickest of three, so that what else the machine does counts for little.
  private func time(
    _ server: TestServer, _ path: String, _ key: String, _ bodies: [String], count: Int
  ) async throws -> Duration {
    let clock = ContinuousClock()
    var least = Duration.seconds(1000)
    for body in bodies {
      let begun = clock.now
      let answer = try await server.send("POST", path, body)
      least = min(least, clock.now - begun)
      try #require(answer.status == 200 || answer.status == 202, "\(answer.text.prefix(300))")
      #expect(answer.json[key]?.array?.count == count)
    }
    return least
  }

  private func outcomes(_ count: Int) -> String {
    let rejected = Array(repeating: #"{"feature":"nobody-knows","ok":true}"#, count: count)
    return #"{"outcomes":[\#(rejected.joined(separator: ","))]}"#
  }

  @Test func `outcomes that are all rejected`() async throws {
    let server = try await TestServer()
    let path = "/v1/outcomes"
    func time(_ count: Int) async throws -> Duration {
      try await self.time(
        server, path, "rejected", Array(repeating: outcomes(count), count: 3), count: count)
    }
    let (small, large) = (try await time(2500), try await time(10_000))
    #expect(large < small * 9, "\(small), \(large)")
    await server.stop()
  }

  private func alerts(_ count: Int, _ round: Int) -> String {
    let alerts = (0..<count).map {
      #"{"labels":{"alertname":"A","feature":"f\#($0)"},"fingerprint":"\#(round)-\#($0)"}"#
    }
    return #"{"version":"4","status":"firing","alerts":[\#(alerts.joined(separator: ","))]}"#
  }

  @Test func `alerts that all name another feature which nobody knows`() async throws {
    let server = try await TestServer()
    let path = "/v1/alerts/alertmanager"
    func time(_ count: Int) async throws -> Duration {
      try await self.time(
        server, path, "results", (0..<2).map { alerts(count, $0) }, count: count)
    }
    let (small, large) = (try await time(5000), try await time(20_000))
    #expect(large < small * 9, "\(small), \(large)")
    await server.stop()
  }
}
