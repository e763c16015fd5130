extension Evaluator {
  /// The decision in one sentence for people, as `explain` answers it.
  package func because(_ decision: Decision) -> String {
    let stages = audience.stages
    func place(_ index: Int) -> String {
      let name = stages[index].name
      return index <= stageIndex
        ? "stage \(name) is open" : "stage \(name) is not open yet (now at \(stageName))"
    }
    switch decision.cause {
    case .notServing: return whyOff
    case .forcedOff: return "the user is in force_off"
    case .forcedOn: return "the user is in force_on"
    case .notEligible: return "no rule of eligible matches"
    case .heldOut: return "the user is in the holdout of \(audience.population.holdout.text)"
    case .matchedRule(let stage):
      return "a rule of stage \(stages[stage].name) matches; \(place(stage))"
    case .member(let stage):
      return "the user is in cohort \(stages[stage].cohort ?? stages[stage].name); \(place(stage))"
    case .everyone(let stage):
      return decision.enabled
        ? "stage \(stages[stage].name) includes everyone"
        : "\(bucketText(decision.bucket))only stage \(stages[stage].name) includes; \(place(stage))"
    case .bucketInside(let stage):
      let share = stages[stage].percent ?? .none
      let inside =
        "bucket \(decision.bucket ?? 0) is inside \(share.text) (0–\(share.thousandths - 1))"
      return stage <= stageIndex ? inside : "\(inside); \(place(stage))"
    case .inNoStage:
      return "\(bucketText(decision.bucket))no stage includes this user"
    }
  }

  private var whyOff: String {
    if case .off(let why) = standing { why } else { "the rollout serves nobody" }
  }

  private var stageName: String {
    audience.stages.indices.contains(stageIndex) ? audience.stages[stageIndex].name : "off"
  }

  private func bucketText(_ bucket: Int?) -> String { bucket.map { "bucket \($0): " } ?? "" }
}
