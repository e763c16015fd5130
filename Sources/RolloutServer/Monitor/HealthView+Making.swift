import RolloutAPI
import RolloutCore

extension HealthView {
  /// How the feature does now, in numbers and in sentences.
  init(_ plan: Plan, _ health: FeatureHealth, now: Instant) {
    var guards: [GuardView] = []
    var verdicts: [RateGuard.State] = []
    for rule in plan.definition.guards {
      if var guarded = health.guards.first(where: { $0.rule == rule }) {
        let verdict = guarded.assess(now: now)
        verdicts.append(verdict.state)
        guards.append(GuardView(guarded, verdict))
      } else {
        guards.append(GuardView(unmeasured: rule))
      }
    }
    let firing = zip(guards, verdicts).first { $1 == .firing }?.0
    let verdict: String
    let sentence: String
    if !plan.isServing {
      verdict = "not_serving"
      sentence = "\(plan.feature) serves nobody, so there is nothing to judge."
    } else if let firing {
      verdict = "failing"
      sentence = firing.sentence
    } else if verdicts.contains(.pending) {
      verdict = "pending"
      sentence = guards.first { $0.state == "pending" }?.sentence ?? ""
    } else if verdicts.isEmpty || verdicts.contains(.inconclusive) {
      verdict = "inconclusive"
      sentence = guards.first { $0.state == "inconclusive" }?.sentence ?? "Nothing is measured."
    } else {
      verdict = "healthy"
      sentence = "All guards are quiet at stage \(plan.stageName)."
    }
    self.init(
      feature: plan.feature, stage: plan.stageName, verdict: verdict, sentence: sentence,
      guards: guards,
      arms: Arms(treatment: ArmView(health.treatment), control: ArmView(health.control)))
  }
}

extension HealthView.ArmView {
  fileprivate init(_ count: FeatureHealth.ArmCount) {
    self.init(requests: count.requests, failed: count.failed)
  }
}

extension HealthView.GuardView {
  fileprivate init(_ guarded: RateGuard, _ verdict: RateGuard.Verdict) {
    let rate = verdict.requests == 0 ? nil : Double(verdict.errors) / Double(verdict.requests)
    let interval = wilson(verdict.errors, verdict.requests)
    self.init(
      metric: guarded.rule.metric.rawValue, limit: guarded.rule.limit.text,
      action: guarded.rule.action.rawValue, rate: rate.map(rounded),
      low: interval.map { rounded($0.low) },
      high: interval.map { rounded($0.high) }, requests: verdict.requests,
      errors: verdict.errors, affectedUsers: verdict.affectedUsers, score: rounded(verdict.score),
      threshold: guarded.evidence, state: verdict.state.rawValue, sentence: verdict.sentence)
  }

  /// A guard this server does not measure says so, instead of looking healthy.
  fileprivate init(unmeasured rule: Guard) {
    self.init(
      metric: rule.metric.rawValue, limit: rule.limit.text, action: rule.action.rawValue,
      rate: nil, low: nil, high: nil, requests: 0, errors: 0, affectedUsers: 0, score: 0,
      threshold: 0, state: "unavailable",
      sentence: "\(rule.metric.rawValue): not measured by this version; it never acts.")
  }
}

private func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }

/// The 95 % Wilson interval of a rate; nil without observations.
private func wilson(_ bad: Int, _ count: Int) -> (low: Double, high: Double)? {
  guard count > 0 else { return nil }
  let n = Double(count)
  let p = Double(bad) / n
  let z = 1.96
  let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
  let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
  return (max(0, centre - half), min(1, centre + half))
}
