package import DocumentKit

/// What the users of one feature have met with in its present stage, and what its guards make of
/// it. All its times are places on the steady timeline.
package struct FeatureHealth: Sendable {
  /// Where the guard at the same place of the plan's list is watched.
  private enum Slot: Sendable, Equatable {
    case detector(Int)
    case poll(Int)
    case unmeasured(String)
  }

  package private(set) var plan: Plan
  package private(set) var detectors: [Detector] = []
  package private(set) var polls: [PollWatch] = []
  private var slots: [Slot] = []
  package private(set) var treatment = ArmStatistics()
  package private(set) var control = ArmStatistics()
  private var shares = ArmShares()
  /// Means of the stages measured so far, by name: what a multiple such as `2x` compares with.
  private var means: [String: StageMeans] = [:]
  /// Votes that wait for a request to be counted with, by detector.
  private var votes: [[Vote]] = []
  private var running: [Int: Running] = [:]
  private var nextRunning = 0
  private var seen = RecentIDs()
  /// Of all stages; what came before this one is left out when it is read.
  private var usage = UsageMeter()
  /// What the next stage will use, as last worked out.
  package var projection: Projection?
  package private(set) var lastOutcomeAt: Instant?
  /// The last outcome or evaluation of any kind, in any stage.
  package private(set) var lastTrafficAt: Instant?
  /// Whether anything was measured since it was last kept.
  package var isDirty = false

  private struct Vote: Sendable {
    var user: UInt64?
    var at: Instant
  }

  /// A request that has not been answered yet.
  private struct Running: Sendable {
    var user: UInt64?
    var since: Instant
    /// Already counted as having taken the latency cap.
    var isCounted = false
  }

  /// Votes kept waiting at most; more say nothing new.
  private static let votesMax = 1000
  /// A vote that no request follows is counted by itself.
  private static let votePatience = TimeSpan.seconds(10)

  package init(_ plan: Plan) {
    self.plan = plan
    makeGuards()
  }

  private mutating func makeGuards() {
    let preset = plan.definition.preset(atStage: plan.stageIndex)
    detectors = []
    polls = []
    slots = plan.definition.guards.map { rule in
      if rule.metric == .prometheus {
        polls.append(PollWatch(rule, preset: preset))
        return .poll(polls.count - 1)
      }
      guard let measure = rule.measure(baseline: baseline) else {
        return .unmeasured(
          "\(rule.metric.rawValue): the stage before was not measured, so \(rule.limit.text) of it "
            + "is unknown; unavailable is not healthy.")
      }
      detectors.append(Detector(rule, measure: measure, preset: preset))
      return .detector(detectors.count - 1)
    }
    votes = Array(repeating: [], count: detectors.count)
  }

  private var baseline: StageMeans? {
    let stages = plan.definition.stages
    guard plan.stageIndex > 0, stages.indices.contains(plan.stageIndex) else { return nil }
    return means[stages[plan.stageIndex - 1].name]
  }

  /// Takes over a new version; evidence of another stage or another set of guards is dropped.
  package mutating func follow(_ new: Plan) {
    let sameStage =
      new.stageEnteredAt?.steady == plan.stageEnteredAt?.steady && new.stageName == plan.stageName
    let sameGuards =
      new.definition.guards == plan.definition.guards
      && new.definition.preset(atStage: new.stageIndex)
        == plan.definition.preset(atStage: plan.stageIndex)
    plan = new
    isDirty = true
    guard !sameStage || !sameGuards else { return }
    makeGuards()
    guard !sameStage else { return }
    projection = nil
    means[new.stageName] = nil
    treatment = ArmStatistics()
    control = ArmStatistics()
    lastOutcomeAt = nil
  }

  /// What the users of this stage use; nil while no whole minute of it has passed.
  package func usageRate(now: Instant) -> UsageRate? {
    plan.stageEnteredAt.flatMap { usage.rate(since: $0.steady, now: now) }
  }

  // MARK: Recording

  /// False when an outcome with this id was counted before.
  package mutating func record(_ outcome: Outcome, id: String? = nil) -> Bool {
    if let id, !seen.insert(id) { return false }
    lastTrafficAt = max(lastTrafficAt ?? outcome.at, outcome.at)
    guard let entered = plan.stageEnteredAt?.steady, outcome.at >= entered else { return true }
    isDirty = true
    switch outcome.arm {
    case .treatment: treatment.record(outcome)
    case .control: control.record(outcome)
    }
    guard outcome.result != .excluded else { return true }
    shares.record(outcome.arm)
    if outcome.arm == .treatment {
      usage.record(outcome)
      lastOutcomeAt = max(lastOutcomeAt ?? outcome.at, outcome.at)
      means[plan.stageName, default: StageMeans()].record(outcome)
    }
    for index in detectors.indices { observe(outcome, index) }
    return true
  }

  private mutating func observe(_ outcome: Outcome, _ index: Int) {
    let isVoted = outcome.arm == .treatment && !votes[index].isEmpty
    let rule = detectors[index].rule
    guard let reading = rule.reading(outcome, detectors[index].measure, feedback: isVoted) else {
      return
    }
    let share = shares.treatmentShare
    guard outcome.arm == .treatment else {
      detectors[index].recordControl(reading, share: share)
      return
    }
    let user = isVoted ? votes[index].removeFirst().user : outcome.user
    detectors[index].record(reading, user: user, at: outcome.at, share: share)
  }

  /// A vote makes the next request count as bad: it always comes after the request it is about.
  /// False when a vote with this id was counted before.
  package mutating func record(_ feedback: Feedback, id: String? = nil) -> Bool {
    if let id, !seen.insert(id) { return false }
    guard let entered = plan.stageEnteredAt?.steady, feedback.at >= entered else { return true }
    isDirty = true
    guard feedback.arm == .treatment else {
      control.record(feedback.kind)
      return true
    }
    treatment.record(feedback.kind)
    for index in detectors.indices
    where detectors[index].rule.feedbackKind == feedback.kind
      && votes[index].count < Self.votesMax
    {
      votes[index].append(Vote(user: feedback.user, at: feedback.at))
    }
    return true
  }

  /// Somebody asked whether they have the feature.
  package mutating func noteTraffic(at: Instant) { lastTrafficAt = max(lastTrafficAt ?? at, at) }

  /// An answer to the query of the guard at `index` of the plan's list.
  package mutating func record(_ sample: PollWatch.Sample, guard index: Int, at: Instant) {
    guard slots.indices.contains(index), case .poll(let poll) = slots[index] else { return }
    isDirty = true
    polls[poll].record(sample, at: at)
  }

  // MARK: Requests under way

  /// A request of the treatment begins; the number ends it.
  package mutating func begin(user: UInt64?, at: Instant) -> Int {
    nextRunning += 1
    running[nextRunning] = Running(user: user, since: at)
    return nextRunning
  }

  /// Its outcome; the latency is left out when it was counted while it was still running.
  package mutating func end(_ number: Int, _ outcome: Outcome) {
    var outcome = outcome
    if let request = running.removeValue(forKey: number), request.isCounted {
      outcome.latency = nil
    }
    _ = record(outcome)
  }

  /// Milliseconds after which a running request counts as having taken that long.
  private var latencyCap: Double? {
    let limits = detectors.compactMap { detector -> Double? in
      guard detector.rule.isLatency, case .time(let span) = detector.rule.limit else { return nil }
      return Double(span.milliseconds) * Guard.latencyCap
    }
    return limits.min()
  }

  private mutating func countOverdue(_ now: Instant) {
    guard !running.isEmpty, let cap = latencyCap else { return }
    for (number, request) in running.sorted(by: { $0.key < $1.key })
    where !request.isCounted && Double(now.since(request.since).milliseconds) >= cap {
      running[number]?.isCounted = true
      let late = Outcome(
        result: .ok, arm: .treatment, user: request.user, at: now, latency: cap)
      for index in detectors.indices where detectors[index].rule.isLatency { observe(late, index) }
      treatment.note(latency: cap)
      isDirty = true
    }
  }

  private mutating func countLonelyVotes(_ now: Instant) {
    for index in votes.indices {
      while let vote = votes[index].first, now.since(vote.at) >= Self.votePatience {
        votes[index].removeFirst()
        detectors[index].record(bad: true, user: vote.user, at: now)
      }
    }
  }

  // MARK: Judging

  /// What every guard concludes at `now`, in the plan's order. Moves latches, and nothing else.
  package mutating func assess(now: Instant) -> [Finding] {
    countOverdue(now)
    countLonelyVotes(now)
    let share = shares.treatmentShare
    return plan.definition.guards.indices.map { index in
      let rule = plan.definition.guards[index]
      switch slots[index] {
      case .detector(let detector):
        let verdict = explained(detectors[detector].assess(now: now), detectors[detector])
        return Finding(
          rule: rule, verdict: verdict, attribution: detectors[detector].attribution(share: share),
          threshold: detectors[detector].evidence)
      case .poll(let poll):
        return Finding(
          rule: rule, verdict: polls[poll].assess(now: now), attribution: .treatment, threshold: 0)
      case .unmeasured(let sentence):
        return Finding(
          rule: rule, verdict: Verdict(state: .unavailable, sentence: sentence),
          attribution: .treatment, threshold: 0)
      }
    }
  }

  /// A metric that no outcome carries is not measured, however many outcomes there are.
  private func explained(_ verdict: Verdict, _ detector: Detector) -> Verdict {
    guard detector.rule.isLatency, detector.requests == 0,
      treatment.requests >= detector.rule.minRequests
    else { return verdict }
    return Verdict(
      state: .unavailable,
      sentence: "\(detector.rule.metric.rawValue): no outcome carries latency_ms; report it or "
        + "remove the guard. Unavailable is not healthy.")
  }

  /// The numbers behind a guard's verdict.
  package func evidence(_ index: Int, _ verdict: Verdict) -> Document {
    switch slots[index] {
    case .detector(let detector): detectors[detector].evidenceDocument(verdict)
    case .poll(let poll): polls[poll].evidenceDocument(verdict)
    case .unmeasured: .object([:])
    }
  }

  /// The detector behind the guard at `index`; nil for what is not measured by outcomes.
  package func detector(_ index: Int) -> Detector? {
    guard slots.indices.contains(index), case .detector(let position) = slots[index] else {
      return nil
    }
    return detectors[position]
  }

  /// The treatment's measured share of requests; nil without control traffic.
  package var treatmentShare: Double? { shares.treatmentShare }
}

// What `FeatureHealth+State.swift` writes and reads of the private parts.
extension FeatureHealth {
  func writeMeans(to writer: inout StateWriter) {
    writer.int(means.count)
    for (stage, mean) in means.sorted(by: { $0.key < $1.key }) {
      writer.text(stage)
      writer.int(mean.requests)
      writer.double(mean.cost)
      writer.double(mean.tokens)
    }
  }

  /// A guard that compares with the stage before can be measured once its mean is back.
  mutating func readMeans(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let stage = try reader.text()
      var mean = StageMeans()
      mean.requests = try reader.natural()
      mean.cost = try reader.amount()
      mean.tokens = try reader.amount()
      means[stage] = mean
    }
    makeGuards()
  }

  func writeArms(to writer: inout StateWriter) {
    treatment.write(to: &writer)
    control.write(to: &writer)
    shares.write(to: &writer)
  }

  mutating func readArms(from reader: inout StateReader) throws(StateReader.Truncated) {
    try treatment.read(from: &reader)
    try control.read(from: &reader)
    try shares.read(from: &reader)
  }

  mutating func restoreTraffic(_ at: Instant?) { lastTrafficAt = at }
  mutating func restoreOutcomes(_ at: Instant?) { lastOutcomeAt = at }
  mutating func restoreDetector(_ index: Int, _ state: [UInt8]) { detectors[index].restore(state) }
}

/// What one guard of a plan concludes.
package struct Finding: Sendable, Equatable {
  package var rule: Guard
  package var verdict: Verdict
  /// Whom to blame if it fires.
  package var attribution: Detector.Attribution
  /// The score at which evidence triggers.
  package var threshold: Double
}

/// The last outcome ids, so that a repeated report counts once.
struct RecentIDs: Sendable {
  private static let capacity = 20_000
  private var newer: Set<String> = []
  private var older: Set<String> = []

  /// False when the id was among the last 20,000 or more.
  mutating func insert(_ id: String) -> Bool {
    guard !newer.contains(id), !older.contains(id) else { return false }
    newer.insert(id)
    if newer.count >= Self.capacity {
      older = newer
      newer = []
    }
    return true
  }
}
