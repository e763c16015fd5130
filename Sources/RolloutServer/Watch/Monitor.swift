import DocumentKit
import RolloutCore
import Synchronization

/// The loop that watches: due → measure → assess → persist → act, several times a second. What to
/// do is `Judge`'s word; this only carries it out.
final class Monitor: Sendable {
  /// Between two looks.
  static let interval = TimeSpan(milliseconds: 200)

  private let controller: PlanController
  private let ledger: OutcomeLedger
  private let announcer: Announcer
  private let readiness: Readiness
  private let clock: any SteadyClock
  private let log: Log
  /// Asks a provider a neutral question; nil where nobody can be asked.
  private let probe: Probe?
  private let evaluations: @Sendable () -> [String: (enabled: Int, disabled: Int)]
  private let state = Mutex(State())

  private struct State {
    /// Decisions counted at the last look, by feature.
    var decisions: [String: (enabled: Int, disabled: Int)] = [:]
    /// The last verdict told, by feature.
    var words: [String: Assessment.Word] = [:]
    /// Notices told and still true: not told again with every look.
    var told: Set<Told> = []
  }

  private struct Told: Hashable {
    var feature: String
    var guardIndex: Int
    var kind: Notice.Kind
  }

  init(
    controller: PlanController, ledger: OutcomeLedger, announcer: Announcer, readiness: Readiness,
    clock: any SteadyClock, log: Log,
    evaluations: @escaping @Sendable () -> [String: (enabled: Int, disabled: Int)] = { [:] },
    probe: Probe? = nil
  ) {
    self.controller = controller
    self.ledger = ledger
    self.announcer = announcer
    self.readiness = readiness
    self.clock = clock
    self.log = log
    self.evaluations = evaluations
    self.probe = probe
  }

  /// One round over all plans that are due.
  func look() async {
    await controller.repair()
    await controller.endFarewells()
    let now = clock.moment
    // Of plans that serve nobody, too: those are not assessed.
    for plan in await controller.dueForRelease() {
      let reason = Judge.releaseReason(plan)
      await perform(.release, plan, CommandContext(actor: .monitor, reason: reason, now: now))
    }
    noteTraffic(now.steady)
    for assessment in ledger.assess(now: now.steady) {
      await tellVerdict(assessment, now)
      let provider = evidence(assessment, now.steady)
      let actions = Judge.decide(
        assessment, provider: provider, now: now.steady,
        civil: controller.zones.civil(for: assessment.plan.definition, at: now))
      forget(assessment, actions)
      for action in actions { await perform(action, assessment, now) }
    }
  }

  /// Who was asked about since the last look has traffic, whether or not outcomes are reported.
  private func noteTraffic(_ now: Instant) {
    let totals = evaluations()
    let before = state.withLock { state in
      defer { state.decisions = totals }
      return state.decisions
    }
    for (feature, total) in totals {
      let last = before[feature] ?? (0, 0)
      let (on, off) = (total.enabled &- last.enabled, total.disabled &- last.disabled)
      if on > 0 || off > 0 { ledger.noteDecisions(feature, on: on, off: off, at: now) }
    }
  }

  /// What is known of the provider whose calls fail: others that fail on it since a moment ago, or
  /// its answer to a neutral question. Asked when a guard is about to act, or is held for an
  /// outage.
  private func evidence(_ assessment: Assessment, _ now: Instant) -> ProviderCondition {
    let isHeld = assessment.plan.hold?.cause == .outage
    guard assessment.isActedOn || isHeld, let suspect = assessment.suspect else { return .none }
    let others = ledger.witnesses(of: suspect, besides: assessment.plan.feature, now: now)
    // What is held goes on being asked about, and what cannot be held for an outage: others'
    // trouble may be another, and two that fail by themselves would excuse each other for ever.
    let isAsked = isHeld || assessment.plan.hold?.yieldsToOutage == false
    if !others.isEmpty, !isAsked { return .witnessed(by: others) }
    let answer =
      probe?.condition(suspect, failedAt: assessment.lastFailureAt, isHeld: isHeld) ?? .none
    if !others.isEmpty, answer == .none || answer == .asking { return .witnessed(by: others) }
    return answer
  }

  private func perform(_ action: MonitorAction, _ assessment: Assessment, _ now: Moment) async {
    let plan = assessment.plan
    switch action {
    case .notice(let kind, let sentence, let index):
      let told = Told(feature: plan.feature, guardIndex: index ?? -1, kind: kind)
      guard state.withLock({ $0.told.insert(told).inserted }) else { return }
      await tell(kind, sentence, plan, evidence(assessment, index), now)
    case .command(let command, let reason, let index):
      var context = CommandContext(actor: .monitor, reason: reason, now: now)
      context.evidence = evidence(assessment, index)
      await perform(command, plan, context)
    }
  }

  private func perform(_ command: Command, _ plan: Plan, _ context: CommandContext) async {
    do {
      let done = try await controller.perform(
        command, on: plan.feature, expecting: plan.version, context)
      readiness.note("monitor:\(plan.feature)", nil, log)
      guard done.stored != nil || !done.isDurable else { return }
      log.notice(
        "monitor acted",
        ["feature": plan.feature, "stage": done.plan.stageName, "why": context.reason])
    } catch let stale as PlanController.Stale {
      // A person was first; the next round judges the plan as it is then.
      await tell(
        .overtaken,
        "The monitor wanted to \(command.word) (\(context.reason)), but version "
          + "\(stale.status.plan.version) came first.", plan, context.evidence, context.now)
    } catch is Refusal {
      // The rules say no by now; the next round looks again.
    } catch {
      // Promised: a rollback is applied in time, or people hear that it was not.
      readiness.note(
        "monitor:\(plan.feature)", "\(plan.feature) could not \(command.word): \(error)", log)
    }
  }

  private func evidence(_ assessment: Assessment, _ index: Int?) -> Document? {
    guard let index, assessment.findings.indices.contains(index) else { return nil }
    return ledger.evidence(
      assessment.plan.feature, index, assessment.findings[index].verdict)
  }

  // MARK: Telling

  /// Notices about guards that have calmed down may be told again.
  private func forget(_ assessment: Assessment, _ actions: [MonitorAction]) {
    var current: Set<Told> = []
    for case .notice(let kind, _, let index) in actions {
      current.insert(
        Told(feature: assessment.plan.feature, guardIndex: index ?? -1, kind: kind))
    }
    state.withLock { state in
      state.told = state.told.filter {
        $0.feature != assessment.plan.feature || current.contains($0)
      }
    }
  }

  private func tellVerdict(_ assessment: Assessment, _ now: Moment) async {
    let plan = assessment.plan
    let changed = state.withLock { state in
      let before = state.words.updateValue(assessment.word, forKey: plan.feature)
      return before != nil && before != assessment.word
    }
    guard changed else { return }
    await tell(
      .verdict, "\(assessment.word.words): \(assessment.sentence)", plan, nil, now)
  }

  private func tell(
    _ kind: Notice.Kind, _ sentence: String, _ plan: Plan, _ evidence: Document?, _ now: Moment
  ) async {
    await announcer.announce(
      Notice(
        feature: plan.feature, planVersion: plan.version, at: now.wall, kind: kind,
        sentence: sentence, evidence: evidence))
  }
}

extension Command {
  /// For sentences: `roll back`, `hold`.
  fileprivate var word: String {
    switch self {
    case .rollback: "roll back"
    case .pause: "pause"
    case .hold: "hold"
    case .release: "release"
    case .advance: "advance"
    default: "change"
    }
  }
}
