// What the stage above left behind is no evidence against this one: one incident is one step.
extension FeatureHealth {
  /// Providers count their limits by the minute: so long after a step back the calls of the stage
  /// above are still in them.
  private static let quotaWindow = TimeSpan.minutes(1)

  /// Apps report in batches: so long after a step back an outcome of which nobody says when it was
  /// may be of the stage above.
  private static let reportsFor = TimeSpan.seconds(5)

  /// Whether an outcome that says no time came so soon after a step back, automation's or a
  /// person's, that nobody can tell which stage it is of. It speaks neither for this one nor
  /// against it, whatever it measures.
  func mayBeOfBefore(_ outcome: Outcome) -> Bool {
    guard outcome.isUndated, let entered = plan.stageEnteredAt?.steady,
      let cause = plan.hold?.cause, cause.needsAcknowledgement || cause == .manual
    else { return false }
    return outcome.at.since(entered) < Self.reportsFor
  }

  /// Whether a request failed by what was decided before this stage, or before a person said "go
  /// on", as far as anybody can tell: its way was barred by calls that began then, or it met with a
  /// limit of the account that those have used up.
  func isLeftBehind(_ outcome: Outcome) -> Bool {
    guard let entered = plan.stageEnteredAt?.steady else { return false }
    guard let origin = outcome.origin else { return false }
    if let ago = origin.keptAwayFor {
      let barredAt = Instant(milliseconds: outcome.at.milliseconds &- ago.milliseconds)
      return barredAt < entered || fresh?.covers(barredAt, version: nil) == false
    }
    return origin.isThrottled && plan.hold?.cause == .rollback
      && outcome.beganAt.since(entered) < Self.quotaWindow
  }

  /// What is asked for looks back over minutes, so after a step back it still tells of the stage
  /// above: it acts again once it has been within its limit, or when the cooldown is over.
  var restOfPolls: PollWatch.Rest? {
    guard plan.hold?.needsAcknowledgement == true, let entered = plan.stageEnteredAt?.steady else {
      return nil
    }
    return PollWatch.Rest(until: entered + (plan.hold?.cooldown ?? plan.definition.cooldown))
  }

  /// No evidence against the stage, and none for it.
  mutating func recordLeftBehind() {
    leftBehind += 1
    for index in detectors.indices where detectors[index].rule.isAboutFailures {
      detectors[index].doubtHealth()
    }
  }
}
