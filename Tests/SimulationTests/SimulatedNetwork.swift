import RolloutCore
import RolloutTesting
import Synchronization

@testable import RolloutServer

/// Loses messages, repeats them, and says it failed when it did not.
final class SimulatedNetwork: Messenger, Sendable {
  private let state: Mutex<State>

  private struct State {
    var random: SeededRandom
    var isHealed = false
    var delivered: Set<String> = []
  }

  init(seed: UInt64) { state = Mutex(State(random: SeededRandom(seed: seed &+ 1))) }

  func heal() { state.withLock { $0.isHealed = true } }
  var delivered: Set<String> { state.withLock { $0.delivered } }

  func send(_ message: Message, to target: String, at now: Instant) async throws {
    await Task.yield()
    let fails = state.withLock { state in
      guard !state.isHealed else {
        state.delivered.insert(message.id)
        return false
      }
      let arrives = state.random.chance(0.7)
      if arrives { state.delivered.insert(message.id) }
      return !arrives || state.random.chance(0.2)
    }
    if fails { throw DeliveryFailure(reason: "simulated") }
  }
}
