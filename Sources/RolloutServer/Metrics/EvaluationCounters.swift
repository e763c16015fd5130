import RolloutCore
import Synchronization

/// Counters by feature; they outlive the versions of a plan.
final class EvaluationCounters: Sendable {
  private let counters = Mutex<[String: EvaluationCounter]>([:])

  func counter(_ feature: String) -> EvaluationCounter {
    counters.withLock { counters in
      if let known = counters[feature] { return known }
      let new = EvaluationCounter()
      counters[feature] = new
      return new
    }
  }

  /// Takes over what others counted.
  func add(_ others: EvaluationCounters) {
    for (feature, counter) in others.counters.withLock({ $0 }) {
      self.counter(feature).add(counter)
    }
  }

  /// Adds what was counted to `totals`.
  func add(to totals: inout [String: (enabled: Int, disabled: Int)]) {
    for (feature, counter) in counters.withLock({ $0 }) {
      totals[feature, default: (0, 0)].enabled += counter.enabled
      totals[feature, default: (0, 0)].disabled += counter.disabled
    }
  }

  /// Adds who asked how often to `totals`.
  func addAsks(to totals: inout AskBook.Totals) {
    for (feature, counter) in counters.withLock({ $0 }) {
      totals[feature, default: [:]].merge(counter.asksByAccount, uniquingKeysWith: +)
    }
  }
}
