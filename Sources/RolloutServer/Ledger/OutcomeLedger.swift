import DocumentKit
import RolloutCore
import RolloutStore
import Synchronization

/// The health of every feature; outcomes come in from any thread, the monitor reads.
final class OutcomeLedger: PlanObserver {
  /// What is known of one feature. A class: it is large, and changed in place under the mutex with
  /// every request.
  fileprivate final class Entry {
    var health: FeatureHealth
    var totals = RequestTotals()
    /// What happened when, until it is written down.
    var series = SeriesBook()
    /// Outcomes not kept yet.
    var fresh = PackedOutcomes()
    /// Those that could not be kept yet.
    var unsaved: [OutcomeChunk] = []
    /// Whether something came in since the last look.
    var hasNews = true
    var lookedAt = Instant(milliseconds: 0)
    var last: Assessment?

    init(health: FeatureHealth) { self.health = health }
  }

  /// A feature about which nothing is new is looked at so often: soaks end and silences grow.
  fileprivate static let restInterval = TimeSpan.seconds(2)

  private let entries = Mutex<[String: Entry]>([:])
  /// Features that serve anybody, in the order of their keys: only they are looked at.
  private let serving = Mutex<[String]>([])

  /// Measures this plan from now on, or goes on with as many people on its lists as there are now.
  func follow(_ plan: Plan, listedMembers: Int? = nil) {
    serving.withLock { serving in
      let place = serving.firstIndex { $0 >= plan.feature } ?? serving.count
      let isKnown = place < serving.count && serving[place] == plan.feature
      if plan.isServing, !isKnown { serving.insert(plan.feature, at: place) }
      if !plan.isServing, isKnown { serving.remove(at: place) }
    }
    entries.withLock { entries in
      let entry = entries[plan.feature] ?? Entry(health: FeatureHealth(plan))
      entries[plan.feature] = entry
      entry.health.follow(plan)
      entry.series.follow(plan)
      entry.health.listedMembers = listedMembers
      entry.hasNews = true
    }
  }

  // MARK: Recording

  struct Report: Sendable {
    var feature: String
    var outcome: Outcome
    var id: String?
    /// The plan's version when the request was decided, where it was said.
    var version: Int?
    /// What is known of it where it failed its user.
    var failure: FailureNote?
  }

  /// Records outcomes of features, at `now`; those of unknown features are dropped.
  func record(_ reports: [Report], at now: Instant) {
    entries.withLock { entries in
      for report in reports {
        let counted =
          entries[report.feature]?.health.record(
            report.outcome, id: report.id, version: report.version) ?? false
        guard counted else { continue }
        entries[report.feature]?.series.record(
          report.outcome, version: report.version, failure: report.failure, now: now)
        entries[report.feature]?.note(report.outcome)
      }
    }
  }

  /// `version` is the plan's when the request that it is about was decided, where it was said.
  func record(_ feedback: Feedback, of feature: String, id: String?, version: Int?) {
    entries.withLock { entries in
      guard entries[feature]?.health.record(feedback, id: id, version: version) == true else {
        return
      }
      entries[feature]?.totals.feedback[feedback.kind, default: 0] += 1
      entries[feature]?.series.record(feedback, version: version, now: feedback.at)
      entries[feature]?.hasNews = true
    }
  }

  /// A request of the AI path begins; nil for a feature nobody knows.
  func begin(_ feature: String, user: UInt64?, at: Instant) -> Int? {
    entries.withLock { $0[feature]?.health.begin(user: user, at: at) }
  }

  /// It ends with this outcome; `failure` is what is known where it failed its user.
  func end(_ feature: String, _ number: Int?, _ outcome: Outcome, failure: FailureNote? = nil) {
    entries.withLock { entries in
      if let number {
        entries[feature]?.health.end(number, outcome)
      } else {
        guard entries[feature]?.health.record(outcome) == true else { return }
      }
      entries[feature]?.series.record(outcome, failure: failure, now: outcome.at)
      entries[feature]?.note(outcome)
    }
  }

  /// Somebody asked who has this feature: so many got yes, so many no.
  func noteDecisions(_ feature: String, on: Int, off: Int, at now: Instant) {
    entries.withLock { entries in
      entries[feature]?.health.noteDecisions(on: on, off: off, at: now)
      entries[feature]?.series.noteDecisions(on: on, off: off, at: now)
    }
  }

  // MARK: Prometheus guards

  struct Query: Sendable, Equatable {
    var feature: String
    var stage: String
    /// The guard's place in the plan's list.
    var position: Int
    var text: String
  }

  /// The queries of every running plan.
  func queries() -> [Query] {
    entries.withLock { entries in
      entries.values.filter { $0.health.plan.isServing }.flatMap { entry in
        let plan = entry.health.plan
        return plan.definition.guards.enumerated().filter { $0.element.metric == .prometheus }.map {
          Query(
            feature: plan.feature, stage: plan.stageName, position: $0.offset,
            text: $0.element.query)
        }
      }
    }
  }

  /// An answer; dropped when the plan has moved on since it was asked.
  func record(_ sample: PollWatch.Sample, for query: Query, at now: Instant) {
    entries.withLock { entries in
      guard let plan = entries[query.feature]?.health.plan, plan.stageName == query.stage,
        plan.definition.guards.indices.contains(query.position),
        plan.definition.guards[query.position].query == query.text
      else { return }
      entries[query.feature]?.health.record(sample, guard: query.position, at: now)
      entries[query.feature]?.hasNews = true
    }
  }

  // MARK: Judging

  /// Judges every running plan about which something is new, or that waits for something.
  func assess(now: Instant) -> [Assessment] {
    let keys = serving.withLock { $0 }
    return entries.withLock { entries in
      keys.compactMap { key in
        // Asked in place: a copy at hand would make every look copy what it changes.
        guard entries[key]?.isDue(now) == true else { return nil }
        entries[key]?.hasNews = false
        entries[key]?.lookedAt = now
        return entries[key]?.look(now)
      }
    }
  }

  /// The last assessment of every running plan.
  func lastAssessments() -> [Assessment] {
    entries.withLock { entries in entries.values.compactMap(\.last) }
  }

  /// Who else began to fail on this target, sorted. By the last look, but serving now: a plan that
  /// was taken back since vouches for nobody.
  func witnesses(of target: ProviderModel, besides feature: String, now: Instant) -> [String] {
    entries.withLock { entries in
      entries.filter { key, entry in
        key != feature && entry.health.plan.isServing
          && entry.last?.witnesses(target, now: now) == true
      }.map(\.key).sorted()
    }
  }

  /// A feature as it is now. Judged on a copy, outside the lock: who looks moves no latch, counts
  /// no vote and holds up no outcome.
  func inspect(_ feature: String, now: Instant) -> (health: FeatureHealth, assessment: Assessment)?
  {
    guard var health = entries.withLock({ $0[feature]?.health }) else { return nil }
    let assessment = health.assessment(now: now)
    return (health, assessment)
  }

  /// How a plan's feature does, in a version that may not be followed yet; as in `inspect`.
  func assessment(of plan: Plan, now: Instant) -> Assessment? {
    guard var health = entries.withLock({ $0[plan.feature]?.health }) else { return nil }
    health.follow(plan)
    return health.assessment(now: now)
  }

  /// What the health of a plan's stage lets an advance wait for, in a version that may not be
  /// followed yet; as in `inspect`.
  func gates(of plan: Plan, now: Instant) -> HealthGates {
    assessment(of: plan, now: now)?.gates ?? HealthGates()
  }

  /// When somebody last asked for a feature or reported of it; nil where that is not known.
  func lastTraffic(of feature: String) -> Instant? {
    entries.withLock { $0[feature]?.health.lastTrafficAt }
  }

  /// What each running feature's users use.
  func usageRates(now: Instant) -> [(plan: Plan, rate: UsageRate)] {
    entries.withLock { entries in
      entries.values.compactMap { entry in
        guard entry.health.plan.isServing, let rate = entry.health.usageRate(now: now) else {
          return nil
        }
        return (entry.health.plan, rate)
      }
    }
  }

  /// What the next stage of a feature will use; nil when that cannot be told.
  func project(_ feature: String, _ projection: Projection?) {
    entries.withLock { entries in
      guard entries[feature]?.health.projection != projection else { return }
      entries[feature]?.health.projection = projection
      entries[feature]?.hasNews = true
    }
  }

  /// The numbers behind the verdict of the guard at `index`.
  func evidence(_ feature: String, _ index: Int, _ verdict: Verdict) -> Document? {
    entries.withLock { $0[feature]?.health.evidence(index, verdict) }
  }

  // MARK: Keeping

  /// What changed since the last call, for keeping over a restart.
  func takeChanges() -> TelemetryChanges {
    entries.withLock { entries in
      var states: [FeatureState] = []
      var chunks: [OutcomeChunk] = []
      var ids: [SeenIDs] = []
      var series: [FeatureSeries] = []
      for key in entries.keys {
        if let new = entries[key]?.series.take(), !new.isEmpty {
          series.append(FeatureSeries(feature: key, changes: new))
        }
        if let new = entries[key]?.health.takeNewIDs(), !new.isEmpty {
          ids.append(SeenIDs(feature: key, ids: new))
        }
        if entries[key]?.health.isDirty == true {
          entries[key]?.health.isDirty = false
          if let state = entries[key]?.health.state {
            states.append(FeatureState(feature: key, state: state))
          }
        }
        chunks += entries[key]?.unsaved ?? []
        entries[key]?.unsaved = []
        guard let fresh = entries[key]?.fresh, let at = fresh.firstAt else { continue }
        entries[key]?.fresh = PackedOutcomes()
        chunks.append(
          OutcomeChunk(feature: key, count: fresh.count, at: at, bytes: fresh.bytes))
      }
      return TelemetryChanges(states: states, chunks: chunks, ids: ids, series: series)
    }
  }

  /// Takes back what could not be kept; the next `takeChanges` gives it again, states as they are
  /// then.
  func giveBack(_ changes: TelemetryChanges) {
    entries.withLock { entries in
      for state in changes.states { entries[state.feature]?.health.isDirty = true }
      for chunk in changes.chunks { entries[chunk.feature]?.keep(chunk) }
      for seen in changes.ids { entries[seen.feature]?.health.giveBack(ids: seen.ids) }
      for series in changes.series { entries[series.feature]?.series.giveBack(series.changes) }
    }
  }

  func restore(_ state: FeatureState) {
    entries.withLock { $0[state.feature]?.health.restore(state.state) }
  }

  func restore(_ seen: SeenIDs) {
    entries.withLock { $0[seen.feature]?.health.restore(ids: seen.ids) }
  }

  /// Since the start of the process, by feature.
  func totals() -> [(plan: Plan, totals: RequestTotals, last: Assessment?)] {
    entries.withLock { entries in
      entries.sorted { $0.key < $1.key }.map {
        ($0.value.health.plan, $0.value.totals, $0.value.last)
      }
    }
  }
}

extension OutcomeLedger.Entry {
  /// Outcomes held until the next write; what comes beyond that within a second is counted, and not
  /// recorded for replay.
  private static let freshMax = 400_000

  func keep(_ chunk: OutcomeChunk) {
    guard unsaved.reduce(chunk.count, { $0 + $1.count }) <= Self.freshMax else { return }
    unsaved.append(chunk)
  }

  func note(_ outcome: Outcome) {
    totals.record(outcome)
    if fresh.count < Self.freshMax { fresh.append(outcome) }
    hasNews = true
  }

  func isDue(_ now: Instant) -> Bool {
    guard !hasNews, let last, now >= lookedAt else { return true }
    let waits =
      last.word == .failing || last.word == .pending || last.word == .investigate
      || health.plan.hold != nil
    return waits || now.since(lookedAt) >= OutcomeLedger.restInterval
  }

  /// The monitor's look: moves latches, and makes the news old.
  func look(_ now: Instant) -> Assessment {
    let assessment = health.assessment(now: now)
    last = assessment
    return assessment
  }
}
