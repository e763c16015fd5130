import DocumentKit

/// Where a cell of the series belongs.
package struct SeriesKey: Sendable, Hashable {
  package var step: SeriesStep
  /// The beginning of the span.
  package var at: Instant
  /// Of the plan when the request was decided; 0 where nobody knows any more.
  package var version: Int
  /// The stage in force then; empty where nobody knows any more.
  package var stage: String
  package var arm: Outcome.Arm

  package init(
    step: SeriesStep, at: Instant, version: Int, stage: String, arm: Outcome.Arm
  ) {
    self.step = step
    self.at = at
    self.version = version
    self.stage = stage
    self.arm = arm
  }
}

/// Sorts what comes in about one feature by time, stage and arm, until it is written down. Late
/// reports go where they belong; what is taken in between two writes is bounded, and what is
/// beyond that is kept by the hour.
package struct SeriesBook: Sendable {
  /// Single failures between two writes: as many as are ever shown.
  package static let recentMax = 200
  /// Different failures in an hour; the rest of them is `other`. Apps may report any word.
  private static let kindsMax = 32
  private static let versionsMax = 16
  /// What is said of a request that its user gave up on after too long.
  private static let givenUp = "given_up"

  /// A version of the plan, and since when it was in force.
  private struct Version: Sendable {
    var number: Int
    var stage: String
    var since: Instant
  }

  private struct Kind: Hashable, Sendable {
    var word: String
    var target: ProviderModel?
  }

  private var changes = SeriesChanges()
  /// Milliseconds: the smallest limit of the plan's latency guards; nil without one.
  private var slowLimit: Double?
  private var versions: [Version] = []
  private var kinds: Set<Kind> = []
  private var kindsOf = Instant(milliseconds: 0)

  package init() {}

  /// Takes over a new version of the plan.
  package mutating func follow(_ plan: Plan) {
    guard plan.version != versions.last?.number else { return }
    slowLimit =
      plan.definition.guards.compactMap { rule -> Double? in
        guard rule.isLatency, case .time(let limit) = rule.limit else { return nil }
        return Double(limit.milliseconds)
      }.min()
    let updated = plan.updatedAt.steady
    // The first that is seen may have had its stage for long.
    let since = versions.isEmpty ? min(plan.stageEnteredAt?.steady ?? updated, updated) : updated
    versions.append(Version(number: plan.version, stage: plan.stageName, since: since))
    if versions.count > Self.versionsMax { versions.removeFirst() }
  }

  /// What was in force when a request was decided, at the version it names or by its time.
  private func version(_ number: Int?, at: Instant) -> Version? {
    if let number { return versions.last { $0.number <= number } }
    return versions.last { $0.since <= at }
  }

  private func key(
    _ at: Instant, _ version: Version?, _ arm: Outcome.Arm, now: Instant
  ) -> SeriesKey {
    let step = SeriesStep.kept(since: at, now: now)
    return changes.room(
      for: SeriesKey(
        step: step, at: step.start(of: at), version: version?.number ?? 0,
        stage: version?.stage ?? "", arm: arm))
  }

  /// `number` is the plan's version when the request was decided, where that was said; `failure`
  /// what is known where it failed its user, or was made good in another way.
  package mutating func record(
    _ outcome: Outcome, version number: Int? = nil, failure: FailureNote? = nil, now: Instant
  ) {
    let decided = version(number, at: outcome.beganAt)
    let place = key(outcome.at, decided, outcome.arm, now: now)
    changes.cells[place, default: SeriesCell()].record(outcome)
    var said = failure ?? FailureNote(kind: outcome.result.rawValue)
    if outcome.isGivenUp, let ran = outcome.latency, let slowLimit, ran > slowLimit {
      // Nobody waits for a hang: given up on when it had taken too long already.
      changes.cells[place]?.record(givenUpAfter: ran)
      said.kind = Self.givenUp
    } else if outcome.result == .ok || outcome.result == .excluded {
      return
    }
    count(said, outcome, now)
    // The newest count; what is too much goes in one piece.
    if changes.recent.count >= 2 * Self.recentMax { changes.recent.removeFirst(Self.recentMax) }
    changes.recent.append(
      RecentFailure(
        at: outcome.at, arm: outcome.arm, note: said,
        latency: outcome.latency.map { Int(saturating: $0) }))
  }

  private mutating func count(_ note: FailureNote, _ outcome: Outcome, _ now: Instant) {
    let hour = SeriesStep.hour.start(of: now)
    if hour != kindsOf {
      kindsOf = hour
      kinds = []
    }
    var kind = Kind(word: note.kind, target: note.target)
    if !kinds.contains(kind) {
      if kinds.count < Self.kindsMax { kinds.insert(kind) } else { kind = Kind(word: "other") }
    }
    let step = SeriesStep.kept(since: outcome.at, now: now)
    let key = changes.room(
      for: FailureKey(
        step: step, at: step.start(of: outcome.at), arm: outcome.arm, kind: kind.word,
        target: kind.target))
    changes.failures[key, default: 0] += 1
  }

  package mutating func record(_ vote: Feedback, version number: Int? = nil, now: Instant) {
    let decided = version(number, at: vote.beganAt)
    changes.cells[key(vote.at, decided, vote.arm, now: now), default: SeriesCell()].record(vote)
  }

  /// Somebody asked who has the feature: so many got yes, so many no.
  package mutating func noteDecisions(on: Int, off: Int, at now: Instant) {
    let decided = versions.last
    if on > 0 {
      changes.cells[key(now, decided, .treatment, now: now), default: SeriesCell()]
        .record(decisions: on)
    }
    if off > 0 {
      changes.cells[key(now, decided, .control, now: now), default: SeriesCell()]
        .record(decisions: off)
    }
  }

  /// What came in since the last call.
  package mutating func take() -> SeriesChanges {
    defer { changes = SeriesChanges() }
    changes.recent.removeFirst(max(0, changes.recent.count - Self.recentMax))
    return changes
  }

  /// Takes back what could not be written; bounded like what comes in.
  package mutating func giveBack(_ old: SeriesChanges) {
    for (key, cell) in old.cells {
      changes.cells[changes.room(for: key), default: SeriesCell()].merge(cell)
    }
    for (key, count) in old.failures {
      let key = changes.room(for: key)
      changes.failures[key] = (changes.failures[key] ?? 0).adding(count)
    }
    changes.recent = (old.recent + changes.recent).suffix(Self.recentMax)
  }
}
