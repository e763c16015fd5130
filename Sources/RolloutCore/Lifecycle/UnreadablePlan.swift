import DocumentKit

/// A stored plan that this program cannot read. Its feature serves nobody until a person has
/// written it anew.
package struct UnreadablePlan: Sendable, Equatable {
  package var feature: String
  package var version: Int
  /// As the version's own columns say.
  package var status: Plan.Status
  package var stage: String
  /// What the reader said.
  package var why: String
  /// The newest version before it that can be read: it shows what the feature was, and what its
  /// users get while they do not have it.
  package var before: Plan?

  package init(
    feature: String, version: Int, status: Plan.Status, stage: String, why: String, before: Plan?
  ) {
    self.feature = feature
    self.version = version
    self.status = status
    self.stage = stage
    self.why = why
    self.before = before
  }

  /// What stands in its place: killed, at its version.
  package func placeholder(at now: Moment) -> Plan {
    var plan = before ?? Plan(PlanDefinition(feature: feature), at: now)
    plan.version = version
    plan.status = .killed
    return plan
  }

  /// The definition that replaces it, at the next version: killed at the stage it had, so that
  /// nobody is served before a person resumes it; a draft again where that stage is not in it, and
  /// where nothing is known of what it takes to get there.
  package func replaced(by definition: PlanDefinition, at now: Moment) -> Plan {
    var plan = Plan(definition, at: before.map { Moment($0.createdAt) } ?? now)
    plan.version = version.adding(1)
    plan.updatedAt = now
    if status == .archived {
      plan.status = .archived
    } else if status != .draft, before != nil {
      if let index = definition.stages.firstIndex(where: { $0.name == stage }) {
        plan.status = .killed
        plan.stageIndex = index
        plan.stageEnteredAt = now
      } else if stage == "off" {
        plan.status = .killed
        plan.stageIndex = -1
        plan.stageEnteredAt = now
      }
    }
    return plan
  }
}
