import DocumentKit
import Foundation
import RolloutTesting
import Testing

/// `rollout doctor` and `rollout demo`, by the real programs.
@Suite struct DoctorTests {
  private let folder = TemporaryFolder()

  @Test func `what is well is said, and what is not with what to do`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    let well = try await server.rollout("doctor", "--data", server.data)
    #expect(well.status == 0, "\(well)")
    for name in ["server", "version", "ready", "token", "clock", "providers", "files", "disk"] {
      #expect(well.output.contains("✓ \(name) "), "\(name): \(well.output)")
    }
    #expect(well.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(well.output)")
    chmod("\(server.data)/rollout.db", 0o644)
    let open = try await server.rollout("doctor", "--data", server.data)
    #expect(open.status == 1 && open.errors.contains("1 thing is not"), "\(open)")
    #expect(open.output.contains("chmod 600 \(server.data)/rollout.db"), "\(open.output)")
    let wrong = try await server.rollout("doctor", environment: ["ROLLOUT_TOKEN": "ro_no"])
    #expect(wrong.status == 1 && wrong.output.contains("✗ token"), "\(wrong)")
    let json = try await server.rollout("doctor", "--output", "json", "--data", server.data)
    let findings = try JSONReader.read(Array(json.output.utf8))["findings"]?.array
    #expect(findings?.contains { $0["verdict"]?.string == "bad" } == true, "\(json.output)")
    let nobody = try await run(
      "rollout", ["doctor"], environment: ["ROLLOUT_URL": "http://127.0.0.1:9"])
    #expect(nobody.status == 1 && nobody.output.hasPrefix("✗ server"), "\(nobody)")
    #expect(server.terminate() == 0)
  }

  @Test func `answers no server would give are findings, whatever they are`() async throws {
    let upstream = ScriptedUpstream()
    for body in ["", "{", "[]", "null", #"{"status":7,"warnings":[{}],"info":{"version":3}}"#] {
      for status in [200, 403, 500] {
        upstream.always { _ in [.answer(status, body)] }
        let asked = try await run(
          "rollout", ["doctor"], environment: ["ROLLOUT_URL": upstream.url])
        #expect(asked.status == 1 && asked.output.contains("✗"), "\(status) \(body): \(asked)")
      }
    }
  }

  @Test func `the demo tells its story, twice, and puts away what it made`() async throws {
    let server = try await ServerProcess(data: "\(folder.path)/data")
    for _ in 0..<2 {
      let told = try await server.rollout("demo", "--fast")
      #expect(told.status == 0, "\(told)")
      let words = told.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      for sentence in [
        "1 A plan: the team, then 10 %, 50 %, everyone.", "It steps back by itself, after",
        "limit 5 %", "Going on as if nothing had been is refused.", "monitor stepped back 50 → 10",
        "A person looks, and says so.",
      ] {
        #expect(words.contains(sentence), "\(sentence): \(told.output)")
      }
      #expect(told.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(told.output)")
      let plan = try await server.rollout("plan", "show", "rollout-demo", "--output", "json")
      let status = try JSONReader.read(Array(plan.output.utf8))["status"]?.string
      #expect(status == "archived", "\(plan.output)")
    }
    let plan = folder.write("feature: mine\n", to: "plan.yaml")
    _ = try await server.rollout("plan", "apply", "-f", plan)
    let refused = try await server.rollout("demo", "--fast", "--feature", "mine")
    #expect(refused.status == 4 && refused.errors.contains("another --feature"), "\(refused)")
    #expect(server.terminate() == 0)
  }
}
