package import RolloutCore

extension BacktestView {
  /// `steps` are the plan's own, oldest first; `clock` shows places of the steady timeline.
  package init(
    _ backtest: Backtest, _ plan: Plan, _ steps: [PlanEvent], _ clock: any SteadyClock
  ) {
    let notReplayed = plan.definition.guards.filter {
      $0.feedbackKind != nil || $0.measure(baseline: nil) == nil
    }
    self.init(
      feature: plan.feature, stage: plan.stageName, outcomes: backtest.outcomeCount,
      from: backtest.from.map { clock.wall(of: $0).rfc3339 },
      to: backtest.to.map { clock.wall(of: $0).rfc3339 },
      alarms: backtest.alarms.map {
        Alarm(
          at: clock.wall(of: $0.at).rfc3339, guard: $0.metric.rawValue, sentence: $0.sentence,
          requests: $0.requests, falseAlarm: $0.isFalse, usersSpared: $0.usersSpared)
      },
      falseAlarms: backtest.falseAlarms, usersSpared: backtest.usersSpared,
      actual: steps.map { Actual(at: $0.at.rfc3339, actor: $0.actor.text, reason: $0.reason) },
      notReplayed: notReplayed.map(\.metric.rawValue))
  }
}
