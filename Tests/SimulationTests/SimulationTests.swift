import Foundation
import RolloutTesting
import Synchronization
import Testing

/// `ROLLOUT_SEED=123 swift test --filter SimulationTests` runs one seed again, `ROLLOUT_SEEDS=N` so
/// many.
@Suite struct SimulationTests {
  private static let steps = 160

  @Test func `promises hold under every seed`() async {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["ROLLOUT_SEED"].flatMap({ UInt64($0) }) {
      let failures = Simulation(seed: seed).run(steps: Self.steps)
      #expect(failures.isEmpty, "seed \(seed): \(failures.joined(separator: "\n"))")
      return
    }
    let count = environment["ROLLOUT_SEEDS"].flatMap { UInt64($0) } ?? 500
    let failed = Mutex<[(seed: UInt64, failures: [String])]>([])
    let census = Mutex<[String: Int]>([:])
    // Threads of its own: a simulation runs its tasks itself and never waits for the pool.
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      let left = Mutex(2)
      for lane in 0..<2 as Range<UInt64> {
        onThread {
          for seed in stride(from: lane, to: count, by: 2) {
            let simulation = Simulation(seed: seed)
            let failures = simulation.run(steps: Self.steps)
            census.withLock { $0.merge(simulation.census, uniquingKeysWith: +) }
            if !failures.isEmpty { failed.withLock { $0.append((seed, failures)) } }
          }
          let isLast = left.withLock { left in
            left -= 1
            return left == 0
          }
          if isLast { done.resume() }
        }
      }
    }
    let happened = census.withLock { $0 }
    print("simulated \(count) seeds:", happened.sorted { $0.key < $1.key })
    for kind in [
      "advanced by monitor", "advanced within hours", "advanced by person",
      "rolled_back by monitor", "held by monitor",
      "released by monitor", "rolled_back by alert:smoke", "notice overtaken",
      "acknowledged by person", "restored by person", "held with a witness", "applied by person",
    ] { #expect((happened[kind] ?? 0) > 0, "\(kind) never happened") }
    for (seed, failures) in failed.withLock({ $0.sorted { $0.seed < $1.seed } }).prefix(5) {
      Issue.record(
        "ROLLOUT_SEED=\(seed) runs it again: \(failures.prefix(3).joined(separator: "; "))")
    }
  }

  @Test func `the same seed gives the same run`() {
    // A broken promise must be found in both runs or in neither; so must everything that was made.
    for seed in 0..<5 as Range<UInt64> {
      #expect(
        Simulation(seed: seed).run(steps: Self.steps)
          == Simulation(seed: seed).run(steps: Self.steps))
    }
  }

  @Test func `limits, queues, money and jobs keep their promises by a clock that jumps`() {
    var census: [String: Int] = [:]
    let environment = ProcessInfo.processInfo.environment
    let one = environment["ROLLOUT_SEED"].flatMap { UInt64($0) }
    let count = environment["ROLLOUT_SEEDS"].flatMap { UInt64($0) } ?? 150
    for seed in one.map({ $0...$0 }) ?? 0...max(1, count) - 1 {
      let simulation = PaidSimulation(seed: seed)
      let failures = simulation.run(steps: Self.steps)
      if !failures.isEmpty {
        Issue.record(
          "ROLLOUT_SEED=\(seed) runs it again: \(failures.prefix(3).joined(separator: "; "))")
      }
      for line in simulation.lines {
        census[line.split(separator: " ").dropFirst().joined(separator: " "), default: 0] += 1
      }
    }
    guard one == nil else { return }
    print("paid traffic:", census.sorted { $0.key < $1.key })
    for what in ["answered", "failed", "refused", "is promised", "is begun"] {
      #expect((census[what] ?? 0) > 0, "\(what) never happened")
    }
  }

  @Test func `the same seed gives the same paid traffic`() {
    for seed in 0..<5 as Range<UInt64> {
      let (first, second) = (PaidSimulation(seed: seed), PaidSimulation(seed: seed))
      #expect(first.run(steps: Self.steps) == second.run(steps: Self.steps))
      #expect(first.lines == second.lines)
    }
  }
}
