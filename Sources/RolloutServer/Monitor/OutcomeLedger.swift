import RolloutAPI
import RolloutCore
import RolloutStore
import Synchronization

/// The health of every feature; outcomes come in from any thread, the monitor reads.
final class OutcomeLedger: Sendable {
  private let features = Mutex<[String: FeatureHealth]>([:])

  /// Measures this plan from now on.
  func follow(_ plan: Plan) {
    features.withLock { features in
      if features[plan.feature] != nil {
        features[plan.feature]?.follow(plan)
      } else {
        features[plan.feature] = FeatureHealth(plan)
      }
    }
  }

  /// Records outcomes of features; those of unknown features are dropped.
  func record(_ outcomes: [(feature: String, outcome: Outcome, id: String?)]) {
    features.withLock { features in
      for item in outcomes {
        _ = features[item.feature]?.record(item.outcome, id: item.id)
      }
    }
  }

  /// Judges every guard of every running plan.
  func assess(now: Instant) -> [(plan: Plan, findings: [Finding])] {
    features.withLock { features in
      var results: [(plan: Plan, findings: [Finding])] = []
      for key in features.keys.sorted() {
        guard let plan = features[key]?.plan, plan.isServing else { continue }
        let verdicts = features[key]?.assess(now: now) ?? []
        let guards = features[key]?.guards ?? []
        results.append((plan, zip(guards, verdicts).map { Finding(guarded: $0, verdict: $1) }))
      }
      return results
    }
  }

  struct Finding: Sendable {
    var guarded: RateGuard
    var verdict: RateGuard.Verdict
  }

  /// Guards that would act now, in sentences.
  func firingSentences(_ feature: String, now: Instant) -> [String] {
    features.withLock { features in
      let verdicts = features[feature]?.assess(now: now) ?? []
      let guards = features[feature]?.guards ?? []
      return zip(guards, verdicts).compactMap { guarded, verdict in
        verdict.state == .firing && guarded.rule.action != .notify ? verdict.sentence : nil
      }
    }
  }

  func health(_ feature: String, now: Instant) -> FeatureHealth? {
    features.withLock { features in
      _ = features[feature]?.assess(now: now)
      return features[feature]
    }
  }

  /// Everything measured that changed since the last call, for keeping over a restart.
  func changedWindows() -> [GuardWindow] {
    features.withLock { features in
      features.keys.flatMap { key -> [GuardWindow] in
        guard features[key]?.isDirty == true else { return [] }
        features[key]?.isDirty = false
        return features[key]?.windows ?? []
      }
    }
  }

  func restore(_ window: GuardWindow) {
    features.withLock { $0[window.feature]?.restore(window) }
  }
}
