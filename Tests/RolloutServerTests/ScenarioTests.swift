import Glibc
import RolloutCore
import RolloutTesting
import Testing

@testable import RolloutServer

/// Days as people have them, played against a whole server with a clock that is turned. Every third
/// one here; all of them with `script/scenarios`, which prints the table.
@Suite struct ScenarioTests {
  private static let playsAll = getenv("ROLLOUT_SCENARIOS").map { String(cString: $0) } == "all"

  @Test func `every scenario ends as it should`() async throws {
    let days = Scenario.all.enumerated().filter { Self.playsAll || $0.offset % 3 == 0 }
    let chosen = days.map(\.element) + Scenario.now
    if Self.playsAll { say(row("scenario", "right", "ours", "delay", "hurt", "")) }
    for scenario in chosen {
      let result = try await scenario.play()
      let isRight = result.isRight(scenario)
      let done = result.done.isEmpty ? "nothing" : result.done.joined(separator: ", ")
      let right = scenario.right.isEmpty ? "nothing" : scenario.right.joined(separator: ", ")
      #expect(
        isRight, "\(scenario.name): \(done) after \(result.delay ?? -1) s instead of \(right)")
      guard Self.playsAll else { continue }
      say(
        row(
          scenario.name, right, done, result.delay.map { "\($0) s" } ?? "",
          scenario.incident == nil ? "" : "\(result.hurt)", isRight ? "" : "WRONG"))
    }
  }

  private func row(_ cells: String...) -> String {
    zip(cells, [58, 34, 34, 8, 6, 6]).map { cell, width in
      cell + String(repeating: " ", count: max(1, width - cell.count))
    }.joined()
  }

  private func say(_ line: String) {
    let bytes = Array((line + "\n").utf8)
    _ = write(STDOUT_FILENO, bytes, bytes.count)
  }
}
