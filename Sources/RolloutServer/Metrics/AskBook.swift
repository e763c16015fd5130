import RolloutCore
import Synchronization

/// Who asked for which feature in the last day, as far as this process has seen: the difference of
/// what is counted now and what was counted a day ago.
final class AskBook: Sendable {
  /// Counts by feature and account; they only grow.
  typealias Totals = [String: [Int: Int]]

  static let window = TimeSpan.hours(24)
  private static let step = TimeSpan.hours(1)
  /// Between two looks.
  static let interval = TimeSpan.minutes(1)

  private let totals: @Sendable () -> Totals
  private let names: @Sendable () -> [Int: String]
  /// The oldest first; the first one is the newest that is older than the window.
  private let past = Mutex<[(at: Instant, totals: Totals)]>([])

  /// `names` gives the names of the accounts of tokens.
  init(totals: @escaping @Sendable () -> Totals, names: @escaping @Sendable () -> [Int: String]) {
    self.totals = totals
    self.names = names
  }

  /// Keeps what is counted at an hour's end.
  func note(_ now: Instant) {
    past.withLock { past in
      if let last = past.last, now.since(last.at) < Self.step { return }
      past.append((now, totals()))
      while past.count > 1, now.since(past[1].at) >= Self.window { past.removeFirst() }
    }
  }

  /// Whether it has seen less than a day.
  func isYoung(_ now: Instant) -> Bool {
    past.withLock { $0.first.map { now.since($0.at) < Self.window } ?? true }
  }

  /// Those who asked for a feature in the last day, who asks most first.
  func askers(of feature: String, now: Instant) -> [Asker] {
    let before = past.withLock { past in
      past.last { now.since($0.at) >= Self.window }?.totals[feature]
    }
    let names = names()
    var counts: [String: Int] = [:]
    for (account, count) in totals()[feature] ?? [:] {
      let new = count - (before?[account] ?? 0)
      guard new > 0 else { continue }
      counts[Self.name(account, names), default: 0] += new
    }
    return counts.map { Asker(name: $0.key, count: $0.value) }
      .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
  }

  private static func name(_ account: Int, _ names: [Int: String]) -> String {
    switch account {
    case EvaluationCounter.anonymous: "anonymous"
    case EvaluationCounter.others: "others"
    default: names[account] ?? "a token that is gone"
    }
  }
}
