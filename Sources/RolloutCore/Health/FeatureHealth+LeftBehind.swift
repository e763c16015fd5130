// What the stage above left behind is no evidence against this one: one incident is one step.
extension FeatureHealth {
  /// Providers count their limits by the minute: so long after a step back the calls of the stage
  /// above are still in them.
  private static let quotaWindow = TimeSpan.minutes(1)

  /// Apps report in batches: so long after a step back an outcome of which nobody says when it was
  /// may be of the stage above.
  private static let reportsFor = TimeSpan.seconds(5)

  /// Whether a request failed by what was decided before this stage, or before a person said "go
  /// on", as far as anybody can tell: its way was barred by calls that began then, or it met with a limit of the account that
  /// those have used up.
  func isLeftBehind(_ outcome: Outcome) -> Bool {
    guard let entered = plan.stageEnteredAt?.steady else { return false }
    if outcome.isUndated, outcome.result == .failed || outcome.result == .degradedFallback,
      plan.hold?.needsAcknowledgement == true, outcome.at.since(entered) < Self.reportsFor
    {
      return true
    }
    guard let origin = outcome.origin else { return false }
    if let ago = origin.keptAwayFor {
      let barredAt = Instant(milliseconds: outcome.at.milliseconds &- ago.milliseconds)
      return barredAt < entered || fresh?.covers(barredAt, version: nil) == false
    }
    return origin.isThrottled && plan.hold?.cause == .rollback
      && outcome.beganAt.since(entered) < Self.quotaWindow
  }

  /// No evidence against the stage, and none for it.
  mutating func recordLeftBehind() {
    leftBehind += 1
    for index in detectors.indices where detectors[index].rule.isAboutFailures {
      detectors[index].doubtHealth()
    }
  }
}
