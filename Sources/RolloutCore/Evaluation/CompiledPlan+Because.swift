extension CompiledPlan {
  /// The decision in one sentence for people, as `explain` answers it.
  package func because(_ decision: Decision) -> String {
    let stages = plan.definition.stages
    func place(_ index: Int) -> String {
      let name = stages[index].name
      return index <= plan.stageIndex
        ? "stage \(name) is open" : "stage \(name) is not open yet (now at \(plan.stageName))"
    }
    switch decision.cause {
    case .notServing(let status):
      return status == .active || status == .paused || status == .completed
        ? "the plan was rolled back to off" : "the plan is \(status.rawValue)"
    case .forcedOff: return "the user is in force_off"
    case .forcedOn: return "the user is in force_on"
    case .notEligible: return "no rule of eligible matches"
    case .heldOut: return "the user is in the holdout of \(plan.definition.holdout.text)"
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
      return stage <= plan.stageIndex ? inside : "\(inside); \(place(stage))"
    case .inNoStage:
      return "\(bucketText(decision.bucket))no stage includes this user"
    }
  }

  private func bucketText(_ bucket: Int?) -> String { bucket.map { "bucket \($0): " } ?? "" }
}
