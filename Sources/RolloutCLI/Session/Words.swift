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

  /// How a plan stands and does: `held after a step back`, `gathering`, `ready, failing`.
  static func state(_ plan: PlanView) -> String {
    let place = place(plan)
    guard isUnwell(plan), let words = plan.health?.words else { return place }
    // What it lacks follows from how it does.
    let isExplained = [notWell, "gathering", "waiting"].contains(place)
    return isExplained ? clean(words) : "\(place), \(clean(words))"
  }

  private static let notWell = "not well"

  /// Whether its users meet with what somebody should look at now.
  static func isFailing(_ plan: PlanView) -> Bool {
    plan.health?.words == "failing"
      || plan.health?.verdict == Assessment.Word.pending.rawValue
  }

  /// Whether it is over a limit, though no guard says so for certain.
  static func isNotWell(_ plan: PlanView) -> Bool { place(plan) == notWell }

  /// Whether its users meet with what somebody should look at.
  static func isUnwell(_ plan: PlanView) -> Bool {
    switch plan.health.flatMap({ Assessment.Word(rawValue: $0.verdict) }) {
    case .failing, .pending, .investigate, .unavailable: true
    case .healthy, .inconclusive, .notServing, nil: false
    }
  }

  /// Whether it waits for a person to say that they have seen it.
  static func isToBeAcknowledged(_ hold: HoldView) -> Bool {
    hold.acknowledgedBy == nil
      && Plan.Hold.Cause(rawValue: hold.cause)?.needsAcknowledgement == true
  }

  private static func place(_ plan: PlanView) -> String {
    guard plan.status == "active" else {
      // What happened while somebody had paused it is not hidden by that.
      guard plan.status == "paused", let hold = plan.hold.value, isToBeAcknowledged(hold)
      else { return plain(plan.status) }
      return "paused, held \(self.hold(hold.cause))"
    }
    if let hold = plan.hold.value {
      return hold.acknowledgedBy == nil ? "held \(self.hold(hold.cause))" : "cooling down"
    }
    if plan.stageIndex < 0 { return "off" }
    guard let next = plan.next.value, !next.ready else { return "ready" }
    let gates = next.waitingOn
    if gates.contains(where: { $0.hasPrefix("soak: ") }) { return "soaking" }
    if gates.allSatisfy({ $0.hasPrefix("approval: ") }) { return "waits for approval" }
    if gates.allSatisfy(Gate.isSchedule) { return "waits for its hours" }
    // What guards say of themselves is no want of evidence.
    if gates.contains(where: isWorry) { return notWell }
    if gates.contains("healthy evidence: no guard watches this plan") { return "unwatched" }
    if gates.contains(where: { $0.hasSuffix("only tell, and none acts") }) { return "nothing acts" }
    if gates.contains(where: isUnfed) { return "a guard is unfed" }
    let isGathering = gates.contains {
      $0.hasPrefix("healthy evidence: ") || $0.hasPrefix("outcomes: ")
    }
    return isGathering ? "gathering" : "waiting"
  }

  /// Whether a gate says that nobody feeds a guard: no sign of anything.
  private static func isUnfed(_ gate: String) -> Bool {
    gate.lowercased().hasSuffix("unavailable is not healthy.")
  }

  /// Whether a gate is a guard's sentence, or says that a stage is over its limit.
  private static func isWorry(_ gate: String) -> Bool {
    gate.hasSuffix("is not below its limit")
      || !isUnfed(gate)
        && Guard.Metric.allCases.contains { gate.hasPrefix("\($0.rawValue): ") }
  }

  private static func plain(_ name: String) -> String { clean(name.replacing("_", with: " ")) }

  /// Whether a person did it, and neither the monitor nor an alert.
  static func isPerson(_ actor: String) -> Bool {
    actor.hasPrefix("token:") || actor == "anonymous"
  }

  /// `error_rate: 22 % of …` as people say it: what is said of errors needs no name.
  static func reason(_ text: String) -> String {
    var text = text
    for metric in Guard.Metric.allCases {
      let name = metric == .errorRate ? "" : "\(metric.rawValue.replacing("_", with: " ")): "
      text = text.replacing("\(metric.rawValue): ", with: name)
    }
    return clean(text)
  }

  /// `rolled_back` → `stepped back`: what somebody did.
  static func deed(_ type: String) -> String {
    type == "rolled_back" ? "stepped back" : plain(type)
  }

  /// How a plan stands, in a word or two.
  static func brief(_ plan: PlanView) -> String {
    guard plan.status == "active", let hold = plan.hold.value, hold.acknowledgedBy == nil else {
      return state(plan)
    }
    let short = [
      "rollback": "held", "alert": "held by alert", "outage": "held, outage",
      "investigate": "held, look", "no_traffic": "held, silent", "manual": "held by hand",
    ]
    let place = short[hold.cause] ?? "held"
    guard isUnwell(plan), let words = plan.health?.words else { return place }
    return "\(place), \(clean(words))"
  }

  /// A stage as people call it: by its share, where it is named after that.
  static func stage(_ name: String, of stages: [StageView]) -> String {
    let isShare = stages.contains { $0.name == name && $0.percent.map(shortestText) == name }
    return clean(isShare ? "\(name) %" : name)
  }

  /// `token:anna` → `anna`: a person by name, anybody else as they are called.
  static func actor(_ name: String) -> String {
    clean(name.hasPrefix("token:") ? String(name.dropFirst(6)) : name)
  }

  /// `812 ms`, `2.5 s`
  static func duration(_ milliseconds: Double) -> String {
    milliseconds < 1000
      ? "\(shortestText(of: milliseconds.rounded())) ms"
      : "\(shortestText(of: (milliseconds / 10).rounded() / 100)) s"
  }

  /// The same to two digits: quantiles are told apart by buckets, and no finer.
  static func roughly(_ milliseconds: Double) -> String {
    guard milliseconds >= 10, milliseconds < 1e12 else { return duration(milliseconds) }
    var step = 1.0
    while milliseconds / step >= 100 { step *= 10 }
    return duration((milliseconds / step).rounded() * step)
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
