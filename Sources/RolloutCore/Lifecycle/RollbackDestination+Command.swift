extension PlanDefinition.RollbackDestination {
  /// Where a rollback of this plan goes: nil for one stage back.
  package func commandDestination(_ plan: Plan) -> String? {
    switch self {
    case .previous: nil
    case .off: "off"
    case .start: plan.stageIndex > 0 ? plan.definition.stages[0].name : "off"
    }
  }
}
