import Synchronization

/// Steps of the wall clock since the process began, for `/metrics`.
final class StepCounter: Sendable {
  private let count = Atomic<Int>(0)
  func add() { count.wrappingAdd(1, ordering: .relaxed) }
  var value: Int { count.load(ordering: .relaxed) }
}
