/// Where the last bad outcomes of a stage came from: which provider to ask before a feature is
/// blamed.
struct FailureOrigins: Sendable, Equatable {
  private static let kept = 50
  private static let span = TimeSpan.minutes(10)

  private var entries: [(origin: FailureOrigin?, at: Instant)] = []

  static func == (a: FailureOrigins, b: FailureOrigins) -> Bool {
    a.entries.elementsEqual(b.entries) { $0.origin == $1.origin && $0.at == $1.at }
  }

  mutating func record(_ origin: FailureOrigin?, at: Instant) {
    if entries.count == Self.kept { entries.removeFirst() }
    entries.append((origin, at))
  }

  var lastAt: Instant? { entries.last?.at }

  /// The target behind at least half of the last bad outcomes; nil when there is none, or when it
  /// was our quota that ended, or our key that was refused.
  func suspect(_ now: Instant) -> ProviderModel? {
    let late = entries.filter { now.since($0.at) <= Self.span }
    var counts: [ProviderModel: Int] = [:]
    for case let origin? in late.map(\.origin) where !origin.isThrottled && !origin.isRefused {
      counts[origin.target, default: 0] += 1
    }
    let most = counts.max { ($0.value, $1.key.description) < ($1.value, $0.key.description) }
    guard let most, most.value * 2 >= late.count else { return nil }
    return most.key
  }

  /// Whether at least half of what failed in the last minute met with a limit of our account. What
  /// was not asked at all says nothing of why.
  func isThrottled(_ now: Instant) -> Bool {
    let late = entries.filter { now.since($0.at) <= .minutes(1) && $0.origin?.keptAwayFor == nil }
    let throttled = late.count { $0.origin?.isThrottled == true }
    return throttled > 0 && throttled * 2 >= late.count
  }

  /// The provider that refused our key in at least half of the last bad outcomes; nil when there is
  /// none.
  func refuser(_ now: Instant) -> String? {
    let late = entries.filter { now.since($0.at) <= Self.span }
    var counts: [String: Int] = [:]
    for case let origin? in late.map(\.origin) where origin.isRefused {
      counts[origin.target.provider, default: 0] += 1
    }
    let most = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
    guard let most, most.value * 2 >= late.count else { return nil }
    return most.key
  }
}

/// What is known of the provider whose calls fail.
package enum ProviderCondition: Sendable, Equatable {
  /// The failures are no AI calls, or nobody can be asked.
  case none
  /// A neutral question is under way.
  case asking
  /// Other features that began to fail on it, too.
  case witnessed(by: [String])
  /// It does not answer a neutral question either.
  case silent(ProviderModel)
  /// It answers neutral questions: the trouble is the feature's own.
  case answers
}
