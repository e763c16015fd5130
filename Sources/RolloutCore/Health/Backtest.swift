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
    self.init(counted: outcomes.filter(Self.counts), plan: plan, rollbacks: rollbacks)
  }

  /// Of packed outcomes, those from `since` on. Unpacks a portion at a time: only what counts is in
  /// memory.
  package init(_ packed: [[UInt8]], since: Instant, plan: Plan, rollbacks: [Instant]) {
    let counted = packed.flatMap { bytes in
      PackedOutcomes.unpack(bytes).filter { Self.counts($0) && $0.at >= since }
    }
    self.init(counted: counted, plan: plan, rollbacks: rollbacks)
  }

  private static func counts(_ outcome: Outcome) -> Bool {
    outcome.arm == .treatment && outcome.result != .excluded
  }

  private init(counted: [Outcome], plan: Plan, rollbacks: [Instant]) {
    outcomes = counted
    self.rollbacks = rollbacks.sorted()
    self.plan = plan
    outcomeCount = self.outcomes.count
    from = self.outcomes.map(\.at).min()
    to = self.outcomes.map(\.at).max()
    replay()
  }

  package var falseAlarms: Int { alarms.count { $0.isFalse } }
  package var usersSpared: Int { alarms.reduce(0) { $0 + ($1.isFalse ? 0 : $1.usersSpared) } }

  private mutating func replay() {
    guard let first = from else { return }
    var health = fresh(first)
    var requests = 0
    var looked = first
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
      health = fresh(outcome.at)
      requests = 0
    }
  }

  /// Detectors as they are when a stage has just been entered.
  private func fresh(_ at: Instant) -> FeatureHealth {
    var plan = plan
    plan.status = .active
    plan.stageEnteredAt = Moment(at)
    return FeatureHealth(plan)
  }

  private func alarm(_ finding: Finding, after index: Int, _ requests: Int) -> Alarm {
    let at = outcomes[index].at
    let end = rollbacks.first { $0 >= at } ?? Instant(milliseconds: Int64.max)
    let rule = finding.rule
    var users: Set<UInt64> = []
    var sum = 0.0
    var count = 0
    for outcome in outcomes[(index + 1)...] {
      guard outcome.at <= end || count < Self.horizon else { break }
      guard let measure = rule.measure(baseline: nil),
        let reading = rule.reading(outcome, measure, feedback: false)
      else { continue }
      if count < Self.horizon {
        sum += reading.ratio
        count += 1
      }
      if reading.bad, outcome.at <= end, let user = outcome.user { users.insert(user) }
    }
    return Alarm(
      at: at, metric: rule.metric, sentence: finding.verdict.sentence, requests: requests,
      isFalse: count > 0 && sum <= Double(count), usersSpared: users.count)
  }
}

extension FeatureHealth {
  /// Whether a look could find anything but quiet guards. O(guards).
  var needsLook: Bool { detectors.contains { $0.isTriggered || $0.latchedAt != nil } }
}
