import DocumentKit
import RolloutCore
import Synchronization

/// Tells people when a plan waits for nothing but their approval: once for each version of it.
final class ApprovalWatch: Sendable {
  static let interval = TimeSpan.seconds(5)

  private let controller: PlanController
  private let announcer: Announcer
  private let history: any ActivityStore
  private let clock: any WallClock
  private let log: Log
  /// The version that was told of last, by feature.
  private let told = Mutex<[String: Int]>([:])

  init(
    controller: PlanController, announcer: Announcer, history: any ActivityStore,
    clock: any WallClock, log: Log
  ) {
    self.controller = controller
    self.announcer = announcer
    self.history = history
    self.clock = clock
    self.log = log
  }

  func look() async {
    // Most plans ask for none: how these stand is not worked out.
    for plan in await controller.allPlans() where (plan.stageAhead?.approvals ?? 0) > 0 {
      guard told.withLock({ $0[plan.feature] }) != plan.version,
        let step = await controller.status(of: plan).next(for: .anonymous),
        let stage = step.to, case let gates = closed(step, of: plan), !gates.isEmpty,
        gates.allSatisfy({ $0.hasPrefix("approval: ") })
      else { continue }
      do {
        if try await !isTold(plan) { await tell(plan, step, stage) }
        told.withLock { $0[plan.feature] = plan.version }
      } catch {
        log.error("what was told could not be read", ["error": "\(error)"])
      }
    }
  }

  /// What keeps whoever is to take the step from it: automation waits for what a person may pass.
  private func closed(_ step: PlanStep, of plan: Plan) -> [String] {
    guard plan.definition.advance == .manual else { return step.waitingOn }
    return step.waitingOn.filter { !step.warnings.contains($0) }
  }

  /// Whether an earlier process has told of it.
  private func isTold(_ plan: Plan) async throws -> Bool {
    let last = try await history.activity(
      ActivityQuery(
        before: nil, features: [plan.feature], kind: Notice.Kind.approval.rawValue, actor: nil,
        limit: 1))
    guard case .notice(let stored)? = last.first else { return false }
    return stored.notice.planVersion == plan.version
  }

  private func tell(_ plan: Plan, _ step: PlanStep, _ stage: String) async {
    await announcer.announce(
      Notice(
        feature: plan.feature, planVersion: plan.version, at: clock.now, kind: .approval,
        sentence: "waits for approval to \(step.action.rawValue) to \(stage): "
          + step.waitingOn.filter { $0.hasPrefix("approval: ") }
          .map { $0.dropFirst("approval: ".count) }.joined(separator: "; "),
        evidence: .object(["stage": .string(stage)])))
  }
}

extension Plan {
  /// The stage that its next step leads to; nil where there is none.
  fileprivate var stageAhead: Stage? { status == .draft ? stageToEnter : nextStage }
}
