import DocumentKit
import RolloutAPI
import RolloutCore

/// One thing that a step waits for, or has behind it.
struct Gate {
  enum State {
    /// Somebody must do something.
    case shut
    /// Time or requests must come.
    case waits
    case open
  }

  var state: State
  var text: String

  var mark: String {
    switch state {
    case .shut: "✗"
    case .waits: "◷"
    case .open: "✓"
    }
  }

  var style: Terminal.Style {
    switch state {
    case .shut: .red
    case .waits: .yellow
    case .open: .green
    }
  }

  /// What a plan says that it waits for.
  init(waitingOn text: String) {
    self.text = clean(text)
    let isTimely =
      ["soak: ", "cooldown: ", "outcomes: ", "clock: "].contains { text.hasPrefix($0) }
      || Self.isSchedule(text) && text.contains(": opens ")
    let isGathering = text.hasPrefix("healthy evidence: ") && !text.hasSuffix("below its limit")
    let isReleased = text.hasPrefix("hold: acknowledged")
    state = isTimely || isGathering || isReleased ? .waits : .shut
  }

  /// Whether only automation waits for it.
  static func isSchedule(_ text: String) -> Bool {
    ["hours: ", "time: ", "clock: "].contains { text.hasPrefix($0) }
  }

  private init(open text: String) {
    state = .open
    self.text = text
  }

  /// The gates of the next step that are open already.
  static func passed(_ plan: PlanView) -> [Gate] {
    guard let next = plan.next.value, ["advance", "complete"].contains(next.action) else {
      return []
    }
    func waits(_ name: String) -> Bool { next.waitingOn.contains { $0.hasPrefix(name) } }
    let here = plan.stages.indices.contains(plan.stageIndex) ? plan.stages[plan.stageIndex] : nil
    let after = plan.stages.first { $0.name == next.to }
    var names: [String] = []
    if let here, here.soak != "0s", !waits("soak: ") { names.append("soak") }
    if let after, after.approvals > 0, !waits("approval: ") { names.append("approval") }
    if !waits("healthy evidence: "), !waits("outcomes: "), plan.health?.verdict == "healthy" {
      names.append("evidence")
    }
    if let projection = next.projection, projection.exceeded.isEmpty { names.append("budget") }
    // Of a plan that a person advances nothing waits for it.
    if let schedule = next.schedule, schedule.open { names.append(clean(schedule.sentence)) }
    return names.map { Gate(open: $0) }
  }

  /// In as few words as say it.
  var brief: String {
    if let found = text.wholeMatch(of: #/(soak|cooldown): (.*) left/#) {
      return "\(found.1), \(found.2) left"
    }
    if let found = text.firstMatch(of: #/^healthy evidence: (\d+) of (\d+) samples/#) {
      return "\(found.1) of \(found.2) clean requests"
    }
    if let found = text.wholeMatch(of: #/(?:hours|time): (opens .*), in .*/#) {
      return String(found.1)
    }
    if text.hasSuffix("must acknowledge it") { return "nobody has acknowledged" }
    if text == "outcomes: none of this stage yet" { return "no request yet" }
    if let found = text.wholeMatch(of: #/approval: (.*)/#) { return String(found.1) }
    if let found = text.wholeMatch(of: #/hold: (acknowledged by [^,]*).*/#) {
      return String(found.1)
    }
    if let found = text.wholeMatch(of: #/(?:outcomes|healthy evidence): (.*)/#) {
      return String(found.1)
    }
    return Words.reason(text)
  }
}
