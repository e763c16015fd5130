/// Replays recorded outcomes against guards: when would they have acted, for whom would that have
/// been in time, and how often for nothing.
package struct Backtest: Sendable {
  /// One time a guard would have acted.
  package struct Alarm: Sendable, Equatable {
    package var at: Instant
    package var metric: Guard.Metric
    package var sentence: String
    /// Requests of the treatment since the start, or since the alarm before.
    package var requests: Int
    /// The metric was within its limit afterwards.
    package var isFalse: Bool
    /// Users with bad requests between the alarm and what ended it: a recorded rollback, or the
    /// end.
    package var usersSpared: Int
  }

  /// Requests after an alarm that decide whether it was false.
  private static let horizon = 1000
  /// The monitor's pace.
  private static let lookInterval = TimeSpan(milliseconds: 200)

  package private(set) var alarms: [Alarm] = []
  package private(set) var outcomeCount = 0
  package private(set) var from: Instant?
  package private(set) var to: Instant?

  private let outcomes: [Outcome]
  private let rollbacks: [Instant]
  private let plan: Plan

  /// `plan` gives guards, preset and stage; `rollbacks` are the steps back that really happened.
  /// O(outcomes · guards).
  package init(_ outcomes: [Outcome], plan: Plan, rollbacks: [Instant]) {
    // Already so where they were unpacked a portion at a time: a second copy would be large.
    self.outcomes =
      outcomes.allSatisfy(Self.counts) ? outcomes : outcomes.filter(Self.counts)
    self.rollbacks = rollbacks.sorted()
    self.plan = plan
    outcomeCount = self.outcomes.count
    from = self.outcomes.map(\.at).min()
    to = self.outcomes.map(\.at).max()
    replay()
  }

  /// Whether an outcome is one of those that are replayed.
  package static func counts(_ outcome: Outcome) -> Bool {
    outcome.arm == .treatment && outcome.result != .excluded
  }

  package var falseAlarms: Int { alarms.count { $0.isFalse } }
  package var usersSpared: Int { alarms.reduce(0) { $0 + ($1.isFalse ? 0 : $1.usersSpared) } }

  private mutating func replay() {
    guard let first = from else { return }
    var health = fresh(first)
    var requests = 0
    var looked = first
    var fired: [(rule: Guard, index: Int)] = []
    for (index, outcome) in outcomes.enumerated() {
      requests += 1
      _ = health.record(outcome)
      guard outcome.at.since(looked) >= Self.lookInterval || index == outcomes.count - 1,
        health.needsLook
      else { continue }
      looked = outcome.at
      let firing = health.assess(now: outcome.at).first {
        $0.verdict.state == .firing && $0.rule.action != .notify
      }
      guard let firing else { continue }
      alarms.append(alarm(firing, after: index, requests))
      fired.append((firing.rule, index))
      health = fresh(outcome.at)
      requests = 0
    }
    countSpared(fired)
  }

  /// Who had bad requests after each alarm until the recorded rollback that ended it. One walk for
  /// each guard, from the end: there may be thousands of alarms.
  private mutating func countSpared(_ fired: [(rule: Guard, index: Int)]) {
    var rules: [Guard] = []
    for (rule, _) in fired where !rules.contains(rule) { rules.append(rule) }
    for rule in rules {
      var users: Set<UInt64> = []
      var end: Instant?
      var next = outcomes.count - 1
      for (number, alarm) in fired.enumerated().reversed() where alarm.rule == rule {
        let ownEnd = self.end(after: outcomes[alarm.index].at)
        while next > alarm.index {
          let outcome = outcomes[next]
          next -= 1
          let itsEnd = self.end(after: outcome.at)
          if itsEnd != end { (users, end) = ([], itsEnd) }
          guard let user = outcome.user, let measure = rule.measure(baseline: nil),
            rule.reading(outcome, measure, feedback: false)?.bad == true
          else { continue }
          users.insert(user)
        }
        alarms[number].usersSpared = end == ownEnd ? users.count : 0
      }
    }
  }

  /// The first recorded rollback at or after a moment; far away when there is none.
  private func end(after at: Instant) -> Instant {
    var (low, high) = (0, rollbacks.count)
    while low < high {
      let middle = (low + high) / 2
      if rollbacks[middle] < at { low = middle + 1 } else { high = middle }
    }
    return low < rollbacks.count ? rollbacks[low] : Instant(milliseconds: Int64.max)
  }

  /// Detectors as they are when a stage has just been entered.
  private func fresh(_ at: Instant) -> FeatureHealth {
    var plan = plan
    plan.status = .active
    plan.stageEnteredAt = Moment(at)
    return FeatureHealth(plan)
  }

  /// What an alarm says, but for whom it would have spared.
  private func alarm(_ finding: Finding, after index: Int, _ requests: Int) -> Alarm {
    let rule = finding.rule
    var sum = 0.0
    var count = 0
    for outcome in outcomes[(index + 1)...] {
      guard count < Self.horizon else { break }
      guard let measure = rule.measure(baseline: nil),
        let reading = rule.reading(outcome, measure, feedback: false)
      else { continue }
      sum += reading.ratio
      count += 1
    }
    return Alarm(
      at: outcomes[index].at, metric: rule.metric, sentence: finding.verdict.sentence,
      requests: requests, isFalse: count > 0 && sum <= Double(count), usersSpared: 0)
  }
}

extension FeatureHealth {
  /// Whether a look could find anything but quiet guards. O(guards).
  var needsLook: Bool { detectors.contains(where: \.needsLook) }
}
