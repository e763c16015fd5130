import DocumentKit
import RolloutCore

/// The loop that watches: measure → assess → act, several times a second.
struct Monitor: Sendable {
  /// Between two looks.
  static let interval = Duration.milliseconds(200)

  let controller: PlanController
  let ledger: OutcomeLedger
  let clock: any WallClock
  let log: Log

  /// Runs until the task is cancelled.
  func run() async {
    while !Task.isCancelled {
      await look()
      try? await Task.sleep(for: Self.interval)
    }
  }

  /// One round over all plans.
  func look() async {
    let now = clock.now
    for (plan, findings) in ledger.assess(now: now) {
      let firing = findings.filter {
        $0.verdict.state == .firing && $0.guarded.rule.action != .notify
      }
      // The guard that reduces exposure most decides.
      let first = firing.first { $0.guarded.rule.action == .rollback } ?? firing.first
      guard let finding = first else { continue }
      await act(on: plan, finding, now)
    }
  }

  private func act(on plan: Plan, _ finding: OutcomeLedger.Finding, _ now: Instant) async {
    let rule = finding.guarded.rule
    guard !rule.dryRun, !plan.definition.dryRun else { return }
    let command: Command
    switch rule.action {
    case .rollback: command = .rollback(to: plan.definition.rollbackTarget.commandTarget(plan))
    case .pause:
      guard plan.status == .active else { return }
      command = .pause
    case .notify: return
    }
    var context = CommandContext(actor: .monitor, reason: finding.verdict.sentence, now: now)
    context.evidence = finding.guarded.evidenceDocument(finding.verdict)
    do {
      let done = try await controller.perform(
        command, on: plan.feature, expecting: plan.version, context)
      log.notice(
        "guard acted",
        ["feature": plan.feature, "stage": done.plan.stageName, "why": context.reason])
    } catch is PlanController.Stale {
      // A person was first; the next round judges the plan as it is then.
    } catch {
      log.error("guard could not act", ["feature": plan.feature, "error": "\(error)"])
    }
  }
}
