package import DocumentKit

/// What the users of one feature have met with in its present stage, and what its guards make of
/// it. All its times are places on the steady timeline.
package struct FeatureHealth: Sendable {
  /// Where the guard at the same place of the plan's list is watched.
  private enum GuardWatch: Sendable, Equatable {
    case detector(Int)
    case poll(Int)
    case unmeasured(String)
    /// Compares with the stage before, in the first one.
    case notYet(String)
  }

  package private(set) var plan: Plan
  package internal(set) var detectors: [Detector] = []
  package private(set) var polls: [PollWatch] = []
  private var watches: [GuardWatch] = []
  package internal(set) var treatment = ArmStatistics()
  package private(set) var control = ArmStatistics()
  package private(set) var unattributed = ArmStatistics()
  package internal(set) var users = StageUsers()
  private(set) var reporting = Reporting()
  private var origins = FailureOrigins()
  /// Failures that the stage above left behind.
  var leftBehind = 0
  /// When the plan was last held for the investigate band, in any stage.
  package private(set) var investigatedAt: Instant?
  /// Means of the stages measured so far, by name: what a multiple such as `2x` compares with.
  private var means: [String: StageMeans] = [:]
  /// The version that entered the present stage; nil when it is not known any more.
  private var stageVersion: Int?
  /// Members of the lists that are all of the stage's audience; nil where others can be in it.
  package var listedMembers: Int?
  /// Votes that wait for a request to be counted with, by detector.
  private var votes: [[Vote]] = []
  var running = RunningRequests()
  /// What automation judges since a person said "go on"; nil while nobody has in this stage.
  var fresh: FreshStart?
  var seen = RecentIDs()
  /// Of all stages; what came before this one is left out when it is read.
  private var usage = UsageMeter()
  /// What the next stage will use, as last worked out.
  package var projection: Projection?
  package private(set) var lastOutcomeAt: Instant?
  /// The last outcome or evaluation of any kind, in any stage.
  package private(set) var lastTrafficAt: Instant?
  /// The traffic that was last marked for keeping, where nothing else was.
  private var trafficMarkedAt: Instant?
  /// Whether anything was measured since it was last kept.
  package var isDirty = false

  private struct Vote: Sendable {
    var user: UInt64?
    var at: Instant
  }

  /// Votes kept waiting at most; more say nothing new.
  private static let votesMax = 1000
  /// How old what is kept of mere decisions may be.
  private static let trafficKeptEvery = TimeSpan.minutes(10)
  /// A vote that no request follows is counted by itself.
  private static let votePatience = TimeSpan.seconds(10)

  package init(_ plan: Plan) {
    self.plan = plan
    makeGuards()
    // What was held before the process began is judged like the hold, until its state is back.
    keepHolding(nil)
    if plan.stageEnteredAt == plan.updatedAt { stageVersion = plan.version }
  }

  private mutating func makeGuards() {
    let preset = plan.definition.preset(atStage: plan.stageIndex)
    detectors = []
    polls = []
    watches = plan.definition.guards.map { rule in
      if rule.metric == .prometheus {
        polls.append(PollWatch(rule, preset: preset, rest: restOfPolls))
        return .poll(polls.count - 1)
      }
      guard let measure = rule.measure(baseline: baseline) else {
        guard plan.stageIndex > 0 else {
          return .notYet(
            "\(rule.metric.rawValue): \(rule.limit.text) of the stage before is judged from the "
              + "second stage on.")
        }
        return .unmeasured(
          "\(rule.metric.rawValue): the stage before was not measured, so \(rule.limit.text) of it "
            + "is unknown; unavailable is not healthy.")
      }
      detectors.append(
        Detector(rule, measure: measure, preset: preset, neededHealth: neededHealth))
      return .detector(detectors.count - 1)
    }
    votes = Array(repeating: [], count: detectors.count)
    running.forgetGuards()
  }

  /// New detectors know nothing, and that is no evidence: a hold goes on until they have seen that
  /// what it is about is well. `old` are those before; nil where they are not known.
  private mutating func keepHolding(_ old: [Detector]?) {
    guard let cause = plan.hold?.cause else { return }
    for index in detectors.indices {
      let metric = detectors[index].rule.metric
      let before = old?.filter { $0.rule.metric == metric }
      switch cause {
      case .outage:
        detectors[index].isHeldFor =
          before?.contains { $0.isHeldFor } ?? detectors[index].rule.isAboutFailures
      case .investigate:
        guard before?.contains(where: { $0.band?.isLatched == true }) ?? true else { continue }
        detectors[index].keepInvestigating()
      case .rollback, .alert, .noTraffic, .manual: continue
      }
    }
  }

  private var baseline: StageMeans? {
    let stages = plan.definition.stages
    guard plan.stageIndex > 0, stages.indices.contains(plan.stageIndex) else { return nil }
    return means[stages[plan.stageIndex - 1].name]
  }

  /// The evidence that the next advance asks for: more before everybody gets it.
  private var neededHealth: Double {
    plan.stageIndex + 2 == plan.definition.stages.count
      ? HealthScore.enoughForEveryone : HealthScore.enough
  }

  /// Takes over a new version; evidence of another stage or another set of guards is dropped, and
  /// what came before a person said "go on".
  package mutating func follow(_ new: Plan) {
    let old = plan
    let oldNeed = neededHealth
    plan = new
    isDirty = true
    if let hold = new.hold, hold.cause == .investigate { investigatedAt = hold.since.steady }
    let sameStage =
      new.stageEnteredAt?.steady == old.stageEnteredAt?.steady && new.stageName == old.stageName
    let sameGuards =
      new.definition.guards == old.definition.guards && neededHealth == oldNeed
      && new.definition.preset(atStage: new.stageIndex)
        == old.definition.preset(atStage: old.stageIndex)
    guard sameStage else { return enterStage(isStepBack: new.stageIndex < old.stageIndex) }
    let isFresh = Self.startsFresh(old, new)
    if isFresh { fresh = FreshStart(version: new.version, at: new.updatedAt.steady) }
    followHold(old, new)
    if !sameGuards || isFresh {
      let before = detectors
      makeGuards()
      keepHolding(before)
    }
  }

  private mutating func followHold(_ old: Plan, _ new: Plan) {
    let (wasHeld, isHeld) = (old.hold?.cause == .outage, new.hold?.cause == .outage)
    guard wasHeld != isHeld else { return }
    for index in detectors.indices {
      detectors[index].isHeldFor = isHeld && detectors[index].isInOutage
      if !isHeld { detectors[index].restartHealth() }
    }
  }

  private mutating func enterStage(isStepBack: Bool) {
    makeGuards()
    projection = nil
    // On the way back what was measured before the incident is what counts.
    if !isStepBack { means[plan.stageName] = nil }
    treatment = ArmStatistics()
    control = ArmStatistics()
    unattributed = ArmStatistics()
    users = StageUsers()
    reporting.enterStage()
    origins = FailureOrigins()
    leftBehind = 0
    lastOutcomeAt = nil
    fresh = nil
    stageVersion = plan.version
  }

  /// Whether somebody resumed or acknowledged: automation judges only what comes after. The release
  /// that follows an acknowledgement drops nothing.
  private static func startsFresh(_ old: Plan, _ new: Plan) -> Bool {
    let isResumed = old.status == .paused && new.status == .active
    guard let hold = old.hold, hold.needsAcknowledgement, hold.acknowledged == nil else {
      return isResumed
    }
    return isResumed || new.hold == nil || new.hold?.acknowledged != nil
  }

  /// What the users of this stage use; nil while no whole minute of it has passed.
  package func usageRate(now: Instant) -> UsageRate? {
    guard let entered = plan.stageEnteredAt?.steady,
      var rate = usage.rate(since: entered, now: now)
    else { return nil }
    rate.people = users.effective
    return rate
  }

  // MARK: Recording

  /// Whether a request decided at `version`, or at `began`, belongs to the present stage: what was
  /// decided before it is not its fault.
  func isOfThisStage(_ began: Instant, version: Int?) -> Bool {
    guard let entered = plan.stageEnteredAt?.steady else { return false }
    if let version, let stageVersion { return version >= stageVersion }
    return began >= entered
  }

  /// False when an outcome with this id was counted before. `version` is the plan's when the
  /// request was decided, where that is known.
  package mutating func record(_ outcome: Outcome, id: String? = nil, version: Int? = nil) -> Bool {
    if let id, !seen.insert(id) { return false }
    record(outcome, version: version, ended: nil)
    return true
  }

  /// `ended` is what was counted of it while it was still running.
  mutating func record(_ outcome: Outcome, version: Int?, ended: RunningRequests.Request?) {
    lastTrafficAt = max(lastTrafficAt ?? outcome.at, outcome.at)
    guard isOfThisStage(outcome.beganAt, version: version) else { return }
    isDirty = true
    switch outcome.arm {
    case .treatment: treatment.record(outcome, instead: ended?.noted)
    case .control: control.record(outcome)
    case .unknown: unattributed.record(outcome)
    }
    let isScored = fresh?.covers(outcome.beganAt, version: version) ?? true
    guard outcome.arm != .unknown else { return }
    guard outcome.result != .excluded else {
      if outcome.isGivenUp, isScored { recordGivenUp(outcome, ended) }
      return
    }
    if outcome.arm == .treatment {
      usage.record(outcome)
      reporting.note(outcome)
      users.record(outcome.user)
      lastOutcomeAt = max(lastOutcomeAt ?? outcome.at, outcome.at)
      // What an incident costs is no measure for the stages after it.
      if plan.hold?.needsAcknowledgement != true {
        means[plan.stageName, default: StageMeans()].record(outcome)
      }
    }
    guard isScored else { return }
    let isFailure = outcome.result == .failed || outcome.result == .degradedFallback
    guard !mayBeOfBefore(outcome), !isLeftBehind(outcome) else {
      if isFailure { recordLeftBehind() }
      return
    }
    if outcome.arm == .treatment, isFailure {
      origins.record(outcome.origin, at: outcome.at)
    }
    for index in detectors.indices where ended?.counted.contains(index) != true {
      observe(outcome, index)
    }
  }

  /// A request that nobody waited for took at least as long as it ran. Below the limit that proves
  /// nothing.
  private mutating func recordGivenUp(
    _ outcome: Outcome, _ ended: RunningRequests.Request?
  ) {
    guard let ran = outcome.latency else { return }
    var isSlow = false
    for index in detectors.indices where detectors[index].rule.isLatency {
      guard case .time(let limit) = detectors[index].rule.limit, ran > Double(limit.milliseconds)
      else { continue }
      isSlow = true
      if ended?.counted.contains(index) != true { observe(outcome, index) }
    }
    guard isSlow, outcome.arm == .treatment else { return }
    treatment.note(latency: ran, instead: ended?.noted)
    users.record(outcome.user)
    lastOutcomeAt = max(lastOutcomeAt ?? outcome.at, outcome.at)
  }

  mutating func observe(_ outcome: Outcome, _ index: Int) {
    let isVoted = outcome.arm == .treatment && !votes[index].isEmpty
    let rule = detectors[index].rule
    if outcome.arm == .treatment { reporting.note(carried: rule.isCarried(by: outcome), index) }
    guard var reading = rule.reading(outcome, detectors[index].measure, feedback: isVoted) else {
      return
    }
    reading.isAtLeast = outcome.isGivenUp
    guard outcome.arm == .treatment else {
      detectors[index].recordControl(
        reading, user: outcome.user, at: outcome.at, isDrawn: outcome.isDrawn)
      return
    }
    let user = isVoted ? votes[index].removeFirst().user : outcome.user
    detectors[index].record(
      reading, user: user, at: outcome.at, isDrawn: outcome.isDrawn,
      provesHealth: outcome.provesHealth && plan.hold?.cause != .outage)
  }

  /// Thumbs are counted over thumbs; what was asked for again or abandoned makes the next request
  /// count as bad, since it always comes after the request it is about. False when a vote with this
  /// id was counted before. `version` is the plan's when the request was decided, where that is
  /// known.
  package mutating func record(_ feedback: Feedback, id: String? = nil, version: Int? = nil) -> Bool
  {
    if let id, !seen.insert(id) { return false }
    guard isOfThisStage(feedback.beganAt, version: version) else { return true }
    isDirty = true
    reporting.note(feedback)
    switch feedback.arm {
    case .treatment: treatment.record(feedback.kind)
    case .control: control.record(feedback.kind)
    case .unknown: unattributed.record(feedback.kind)
    }
    guard fresh?.covers(feedback.beganAt, version: version) ?? true else { return true }
    for index in detectors.indices { observe(feedback, index) }
    return true
  }

  private mutating func observe(_ feedback: Feedback, _ index: Int) {
    let detector = detectors[index]
    if let reading = detector.rule.reading(feedback, detector.measure) {
      switch feedback.arm {
      case .treatment:
        detectors[index].record(
          reading, user: feedback.user, at: feedback.at, provesHealth: plan.hold?.cause != .outage)
      case .control:
        detectors[index].recordControl(reading, user: feedback.user, at: feedback.at)
      case .unknown: return
      }
    }
    guard feedback.arm == .treatment, detector.rule.feedbackKind == feedback.kind,
      votes[index].count < Self.votesMax
    else { return }
    votes[index].append(Vote(user: feedback.user, at: feedback.at))
  }

  /// Somebody asked whether they have the feature: so many got yes, so many no.
  package mutating func noteDecisions(on: Int, off: Int, at: Instant) {
    lastTrafficAt = max(lastTrafficAt ?? at, at)
    reporting.noteDecisions(on: on, off: off, at: at)
    // Seldom is often enough for what is told in days, and all of the state is written.
    guard trafficMarkedAt.map({ at.since($0) >= Self.trafficKeptEvery }) ?? true else { return }
    trafficMarkedAt = at
    isDirty = true
  }

  /// An answer to the query of the guard at `index` of the plan's list.
  package mutating func record(_ sample: PollWatch.Sample, guard index: Int, at: Instant) {
    guard watches.indices.contains(index), case .poll(let poll) = watches[index] else { return }
    isDirty = true
    polls[poll].record(sample, at: at)
  }

  private mutating func countLonelyVotes(_ now: Instant) {
    for index in votes.indices {
      while let vote = votes[index].first, now.since(vote.at) >= Self.votePatience {
        votes[index].removeFirst()
        detectors[index].record(bad: true, user: vote.user, at: vote.at)
      }
    }
  }

  // MARK: Judging

  /// What every guard concludes at `now`, in the plan's order. Moves latches, and nothing else.
  package mutating func assess(now: Instant) -> [Finding] {
    countOverdue(now)
    countLonelyVotes(now)
    return plan.definition.guards.indices.map { index in
      let rule = plan.definition.guards[index]
      switch watches[index] {
      case .detector(let place):
        let verdict = explained(detectors[place].assess(now: now), place, now)
        if plan.hold?.cause == .outage, detectors[place].isShared {
          detectors[place].isHeldFor = true
        }
        return Finding(rule, verdict, of: detectors[place], now: now)
      case .poll(let poll):
        let verdict = polls[poll].assess(now: now)
        var finding = Finding(
          rule: rule, verdict: verdict, attribution: .unopposed, threshold: 0)
        // It waits for nothing but time.
        finding.isGoingOn = verdict.state == .pending
        return finding
      case .notYet(let sentence):
        return Finding(
          rule: rule, verdict: Verdict(state: .quiet, sentence: sentence),
          attribution: .unopposed, threshold: 0)
      case .unmeasured(let sentence):
        return Finding(
          rule: rule, verdict: Verdict(state: .unavailable, sentence: sentence),
          attribution: .unopposed, threshold: 0)
      }
    }
  }

  /// A guard that nothing feeds is unavailable, however many outcomes there are.
  private func explained(_ verdict: Verdict, _ index: Int, _ now: Instant) -> Verdict {
    guard verdict.state == .quiet || verdict.state == .inconclusive else { return verdict }
    let rule = detectors[index].rule
    guard let why = unfed(rule, index, now) else { return verdict }
    var unavailable = verdict
    unavailable.state = .unavailable
    unavailable.sentence = "\(rule.metric.rawValue): \(why). Unavailable is not healthy."
    return unavailable
  }

  /// The provider's model that most of the last failures came from; nil when there is none.
  package func suspect(_ now: Instant) -> ProviderModel? { origins.suspect(now) }

  /// When the last request failed its user, as far as that is remembered.
  package var lastFailureAt: Instant? { origins.lastAt }

  /// Whether most of the last failures met with a limit of our account.
  package func isThrottled(_ now: Instant) -> Bool { origins.isThrottled(now) }

  /// The provider that refused our key in most of the last failures; nil when there is none.
  package func refuser(_ now: Instant) -> String? { origins.refuser(now) }

  /// Why nobody can tell how the feature does, although people use it; nil when outcomes arrive.
  package func staleness(_ now: Instant) -> String? {
    guard plan.isServing, let entered = plan.stageEnteredAt?.steady else { return nil }
    return reporting.staleness(since: lastOutcomeAt ?? entered, now)
  }

  /// The numbers behind a guard's verdict.
  package func evidence(_ index: Int, _ verdict: Verdict) -> Document {
    switch watches[index] {
    case .detector(let detector): detectors[detector].evidenceDocument(verdict)
    case .poll(let poll): polls[poll].evidenceDocument(verdict)
    case .unmeasured, .notYet: .object([:])
    }
  }

  /// Whether the guard at `index` says something about this stage.
  func isJudging(_ index: Int) -> Bool {
    guard watches.indices.contains(index), case .notYet = watches[index] else { return true }
    return false
  }

  /// The detector behind the guard at `index`; nil for what is not measured by outcomes.
  package func detector(_ index: Int) -> Detector? {
    guard watches.indices.contains(index), case .detector(let position) = watches[index] else {
      return nil
    }
    return detectors[position]
  }
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
    keepHolding(nil)
  }

  func writeArms(to writer: inout StateWriter) {
    treatment.write(to: &writer)
    control.write(to: &writer)
    unattributed.write(to: &writer)
    users.write(to: &writer)
    reporting.write(to: &writer)
    writer.optional(stageVersion) { $0.int($1) }
    writer.optional(fresh) { writer, fresh in fresh.write(to: &writer) }
  }

  mutating func readArms(from reader: inout StateReader) throws(StateReader.Truncated) {
    try treatment.read(from: &reader)
    try control.read(from: &reader)
    try unattributed.read(from: &reader)
    try users.read(from: &reader)
    try reporting.read(from: &reader)
    stageVersion = try reader.optional { (r) throws(StateReader.Truncated) in try r.natural() }
    fresh = try reader.optional { (r) throws(StateReader.Truncated) in try FreshStart(from: &r) }
  }

  mutating func restoreTraffic(_ at: Instant?) { lastTrafficAt = at }
  mutating func restoreInvestigated(_ at: Instant?) { investigatedAt = at }
  mutating func restoreOutcomes(_ at: Instant?) { lastOutcomeAt = at }
  mutating func restoreDetector(_ index: Int, _ state: [UInt8]) { detectors[index].restore(state) }
}
