/// Whether what users meet with is told at all: what outcomes carry, how often they come, and how
/// many decisions nothing is heard of.
struct Reporting: Sendable, Equatable {
  /// Outcomes after which what they carried is halved, so that it speaks of now.
  private static let memory = 500
  /// So long without an outcome, or twenty times the usual gap where that is longer.
  private static let silence = TimeSpan.hours(1)
  private static let gapsMax = 20.0
  private static let feedbackFreshness = TimeSpan.days(7)
  /// Requests of the stage from which the share of unreported decisions is worth a word.
  private static let decisionsMin = 100

  private struct Carried: Sendable, Equatable {
    var with = 0
    var all = 0
  }

  private var carried: [Int: Carried] = [:]
  /// Milliseconds between outcomes, as a moving mean; nil before the second.
  private var gap: Double?
  private var lastAt: Instant?
  private var lastFeedbackAt: Instant?
  private var lastYesAt: Instant?
  private(set) var decisionsOn = 0
  private(set) var decisionsOff = 0

  mutating func enterStage() {
    let feedback = lastFeedbackAt
    self = Reporting()
    lastFeedbackAt = feedback
  }

  mutating func note(_ outcome: Outcome) {
    if let lastAt {
      let now = Double(outcome.at.since(lastAt).milliseconds)
      gap = gap.map { $0 + (now - $0) / 50 } ?? now
    }
    lastAt = max(lastAt ?? outcome.at, outcome.at)
  }

  mutating func note(carried isCarried: Bool, _ detector: Int) {
    var seen = carried[detector] ?? Carried()
    seen.all += 1
    if isCarried { seen.with += 1 }
    if seen.all >= Self.memory * 2 { seen = Carried(with: seen.with / 2, all: seen.all / 2) }
    carried[detector] = seen
  }

  mutating func note(_ feedback: Feedback) {
    lastFeedbackAt = max(lastFeedbackAt ?? feedback.at, feedback.at)
  }

  mutating func noteDecisions(on: Int, off: Int, at: Instant) {
    decisionsOn &+= on
    decisionsOff &+= off
    if on > 0 { lastYesAt = max(lastYesAt ?? at, at) }
  }

  /// The share of the last outcomes that carried what the detector reads; nil without any.
  func carriedShare(_ detector: Int) -> Double? {
    carried[detector].map { Double($0.with) / Double($0.all) }
  }

  func hasFeedback(_ now: Instant) -> Bool {
    lastFeedbackAt.map { now.since($0) <= Self.feedbackFreshness } ?? false
  }

  /// Why silence is not health: `last` is the last outcome, or the stage's start.
  func staleness(since last: Instant, _ now: Instant) -> String? {
    let usual = TimeSpan(milliseconds: Int64(min((gap ?? 0) * Self.gapsMax, 1e12)))
    let patience = max(Self.silence, usual)
    guard now.since(last) > patience, let lastYesAt, now.since(lastYesAt) <= patience else {
      return nil
    }
    return "No outcome for \(now.since(last).words), although people are told that they have the "
      + "feature: report outcomes, or nobody can tell how it does."
  }

  func notes(treatment: ArmStatistics, control: ArmStatistics) -> [String] {
    func note(_ decisions: Int, _ arm: ArmStatistics, _ whose: String) -> String? {
      guard decisions >= Self.decisionsMin, arm.all < decisions else { return nil }
      let share = 1 - Double(arm.all) / Double(decisions)
      guard share > 0.05 else { return nil }
      return "\(percent(share)) of the decisions for those \(whose) have no outcome."
    }
    return [
      note(decisionsOn, treatment, "with the feature"),
      control.all > 0 ? note(decisionsOff, control, "without it") : nil,
    ].compactMap { $0 }
  }

  func write(to writer: inout StateWriter) {
    writer.int(carried.count)
    for (detector, seen) in carried.sorted(by: { $0.key < $1.key }) {
      for number in [detector, seen.with, seen.all] { writer.int(number) }
    }
    writer.optional(gap) { $0.double($1) }
    for at in [lastAt, lastFeedbackAt, lastYesAt] { writer.optional(at) { $0.instant($1) } }
    writer.int(decisionsOn)
    writer.int(decisionsOff)
  }

  mutating func read(from reader: inout StateReader) throws(StateReader.Truncated) {
    for _ in 0..<(try reader.count()) {
      let detector = try reader.natural()
      let with = min(try reader.natural(), Self.memory * 2)
      let all = min(try reader.natural(), Self.memory * 2)
      carried[detector] = all > 0 ? Carried(with: min(with, all), all: all) : nil
    }
    gap = try reader.optional { (r) throws(StateReader.Truncated) in try r.amount() }
    lastAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    lastFeedbackAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    lastYesAt = try reader.optional { (r) throws(StateReader.Truncated) in try r.instant() }
    decisionsOn = try reader.natural()
    decisionsOff = try reader.natural()
  }
}
