import DocumentKit
import Glibc
import RolloutAPI
import RolloutCore
import Synchronization

/// Steps back since the process began, by feature and cause (`monitor`, `alert`, `person`).
final class RollbackCounter: PlanObserver {
  struct Key: Hashable, Comparable, Sendable {
    var feature: String
    var cause: String
    static func < (a: Key, b: Key) -> Bool { (a.feature, a.cause) < (b.feature, b.cause) }
  }

  private let counts = Mutex<[Key: Int]>([:])

  func hear(_ stored: StoredEvent) {
    let event = stored.event
    guard event.kind == .rolledBack else { return }
    let cause =
      switch event.actor {
      case .monitor: "monitor"
      case .alert: "alert"
      case .token, .anonymous: "person"
      case .server, .unknown: "unknown"
      }
    counts.withLock { $0[Key(feature: event.feature, cause: cause), default: 0] += 1 }
  }

  var all: [(key: Key, count: Int)] {
    counts.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }
}
