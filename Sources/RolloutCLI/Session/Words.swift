import DocumentKit
import RolloutAPI
import RolloutCore

/// What people read instead of the names that programs use. What a newer server says is shown as it
/// is.
enum Words {
  static func verdict(_ name: String) -> String {
    Assessment.Word(rawValue: name)?.words ?? plain(name)
  }

  /// `after a step back`: why a plan is held.
  static func hold(_ cause: String) -> String {
    Plan.Hold.Cause(rawValue: cause)?.words ?? "for \(plain(cause))"
  }

  /// How a plan stands, in a word or a few: `held after a step back`, `gathering`.
  static func state(_ plan: PlanView) -> String {
    guard plan.status == "active" else { return plain(plan.status) }
    if let hold = plan.hold.value {
      return hold.acknowledgedBy == nil ? "held \(self.hold(hold.cause))" : "cooling down"
    }
    if plan.stageIndex < 0 { return "off" }
    guard let next = plan.next.value, !next.ready else { return "ready" }
    let gates = next.waitingOn
    if gates.contains(where: { $0.hasPrefix("soak: ") }) { return "soaking" }
    if gates.allSatisfy({ $0.hasPrefix("approval: ") }) { return "waits for approval" }
    let isGathering = gates.contains {
      $0.hasPrefix("healthy evidence: ") || $0.hasPrefix("outcomes: ")
    }
    return isGathering ? "gathering" : "waiting"
  }

  private static func plain(_ name: String) -> String { clean(name.replacing("_", with: " ")) }

  /// `token:anna` → `anna`: a person by name, anybody else as they are called.
  static func actor(_ name: String) -> String {
    clean(name.hasPrefix("token:") ? String(name.dropFirst(6)) : name)
  }

  /// `0.81 s`.
  static func seconds(_ milliseconds: Double) -> String {
    "\(shortestText(of: (milliseconds / 10).rounded() / 100)) s"
  }

  // MARK: Times

  /// `22 min ago (2026-11-24 12:54:14 CET)` of an RFC 3339 time.
  static func since(_ text: String) -> String {
    let ago = LocalTime.ago(text)
    return ago.isEmpty ? clean(text) : "\(ago) (\(time(text)))"
  }

  /// `2026-11-24 12:54:14 CET` of an RFC 3339 time: where the reader is.
  static func time(_ text: String) -> String { clean(LocalTime.full(text)) }
}
