import DocumentKit
import RolloutTesting
import Testing

@testable import RolloutServer

@Suite struct ReadinessTests {
  private let log = Log(clock: ManualClock(), isSilent: true)

  private func body(_ readiness: Readiness, strict: Bool = false) throws -> (Int, Document) {
    let report = readiness.report(isStrict: strict)
    return (report.isReady ? 200 : 503, report.document)
  }

  @Test func `a warning keeps 200, and is a 503 for who asks strictly`() throws {
    let readiness = Readiness(hasTokens: true)
    #expect(try body(readiness).1["status"]?.string == "ready")
    readiness.note("telemetry", "what is measured cannot be written", log)
    let lenient = try body(readiness)
    #expect(lenient.0 == 200)
    #expect(lenient.1["status"]?.string == "degraded")
    #expect(lenient.1["reasons"]?.array == [])
    #expect(lenient.1["warnings"]?.array?.first?["what"]?.string == "telemetry")
    #expect(
      lenient.1["warnings"]?.array?.first?["detail"]?.string
        == "what is measured cannot be written")
    let strict = try body(readiness, strict: true)
    #expect(strict.0 == 503)
    #expect(strict.1["reasons"]?.array?.count == 1)
    readiness.note("telemetry", nil, log)
    #expect(try body(readiness, strict: true).0 == 200)
  }

  @Test func `shutting down is 503 for everybody`() throws {
    let readiness = Readiness(hasTokens: false)
    readiness.startDraining()
    #expect(try body(readiness).0 == 503)
    #expect(try body(readiness).1["status"]?.string == "draining")
  }

  @Test func `strict is asked for in any spelling, and a misspelling is told`() async throws {
    let server = try await TestServer()
    for path in ["/readyz", "/readyz?strict", "/readyz?strict=1", "/readyz?strict=true"] {
      #expect(try await server.send("GET", path, token: "").status == 200)
    }
    #expect(try await server.send("GET", "/readyz?strickt", token: "").status == 400)
    await server.stop()
  }

  @Test func `metrics name what is degraded`() async throws {
    let server = try await TestServer()
    #expect(try await !server.send("GET", "/metrics").text.contains("rollout_degraded{"))
    server.application.stores.readiness.note("plan:ai \"x\"", "cannot be read", log)
    #expect(
      try await server.send("GET", "/metrics").text.contains(
        #"rollout_degraded{what="plan:ai \"x\""} 1"#))
    #expect(try await server.send("GET", "/readyz?strict").status == 503)
    await server.stop()
  }
}
