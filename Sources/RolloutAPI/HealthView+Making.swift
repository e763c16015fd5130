import DocumentKit
package import RolloutCore

extension HealthView {
  /// How the feature does now, in numbers and in sentences.
  package init(_ health: FeatureHealth, _ assessment: Assessment) {
    let plan = assessment.plan
    let guards = assessment.findings.enumerated().map { index, finding in
      GuardView(finding, health.detector(index))
    }
    let share = health.treatmentShare
    self.init(
      feature: plan.feature, stage: plan.stageName, verdict: assessment.word.rawValue,
      sentence: assessment.sentence, guards: guards,
      arms: Arms(
        treatment: ArmView(health.treatment, share: share ?? 1),
        control: ArmView(health.control, share: share.map { 1 - $0 } ?? 0)),
      waitingOn: assessment.gates.freshness + assessment.gates.firing + assessment.gates.unsettled
        + assessment.gates.unproven, notes: assessment.notes)
    unattributed = health.unattributed.all > 0 ? health.unattributed.all : nil
  }
}

extension HealthView.ArmView {
  fileprivate init(_ arm: ArmStatistics, share: Double) {
    func latency(_ quantile: Double) -> Double? {
      arm.latencies.quantile(quantile).map { ($0 * 10).rounded() / 10 }
    }
    self.init(
      requests: arm.requests, failed: arm.failed, share: rounded(share),
      outcomes: Document(
        .object(Outcome.Result.allCases.map { .init(key: $0.rawValue, value: .int(arm[$0])) })),
      feedback: Document(
        .object(Feedback.Kind.allCases.map { .init(key: $0.rawValue, value: .int(arm[$0])) })),
      latencyMsP50: latency(0.5), latencyMsP95: latency(0.95), latencyMsP99: latency(0.99),
      inputTokens: arm.inputTokens, outputTokens: arm.outputTokens, costUsd: arm.cost.dollars)
  }
}

extension HealthView.GuardView {
  fileprivate init(_ finding: Finding, _ detector: Detector?) {
    let verdict = finding.verdict
    self.init(
      metric: finding.rule.metric.rawValue, limit: finding.rule.limit.text,
      action: finding.rule.action.rawValue, rate: verdict.rate.map(rounded),
      low: verdict.low.map(rounded), high: verdict.high.map(rounded), requests: verdict.requests,
      errors: verdict.errors, affectedUsers: verdict.affectedUsers,
      effectiveUsers: rounded(verdict.effectiveUsers), score: rounded(verdict.score),
      threshold: finding.threshold, state: verdict.state.rawValue, sentence: verdict.sentence)
    cappedMean = verdict.cappedMean.map(rounded)
    healthyEvidence = detector.map { rounded($0.health.value) }
    comparisonScore = detector.flatMap {
      $0.controlCount > 0 ? rounded($0.comparison.value) : nil
    }
    dryRun = finding.rule.dryRun ? true : nil
    query = finding.rule.query.isEmpty ? nil : finding.rule.query
  }
}

private func rounded(_ value: Double) -> Double { (value * 1e6).rounded() / 1e6 }
