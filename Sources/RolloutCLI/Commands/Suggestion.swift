import DocumentKit
import RolloutAPI
import RolloutCore

/// The command that people want next.
enum Suggestion {
  static func command(_ plan: PlanView) -> String? {
    let reason = "--reason TEXT"
    let words: String
    if let hold = plan.hold.value, Words.isToBeAcknowledged(hold),
      ["active", "paused"].contains(plan.status)
    {
      words = "ack \(plan.feature) \(reason)"
    } else if plan.restore?.ready == true {
      words = "restore \(plan.feature) \(reason)"
    } else {
      guard let next = plan.next.value, next.action != "archive" else { return nil }
      guard next.ready else { return wait(plan, next).map { "rollout \(clean($0))" } }
      words = "\(next.action) \(plan.feature)\(plan.status == "killed" ? " \(reason)" : "")"
    }
    return "rollout \(clean(words))"
  }

  /// What to do while a plan waits: approve it, or look at what it met with.
  private static func wait(_ plan: PlanView, _ next: NextView) -> String? {
    // Who approved has done what they can.
    if next.waitingOn.contains(where: { $0.hasPrefix("approval: you ") }) { return nil }
    let isForApproval =
      plan.hold.value == nil && next.waitingOn.allSatisfy { $0.hasPrefix("approval: ") }
    return isForApproval ? "approve \(plan.feature)" : "why \(plan.feature)"
  }
}
