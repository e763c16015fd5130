import DocumentKit
package import RolloutCore
import RolloutEvaluation

/// Who would have the feature at a stage.
package struct PreviewView: Codable, Sendable {
  package var feature: String
  package var stage: String
  package var servedPer100000: Int
  package var joinsPer100000: Int
  package var leavesPer100000: Int
  package var members: Int
  /// What it will cost and take, when it is the next stage; absent while that cannot be told.
  package var projection: ProjectionView?

  /// `next` is the plan as it would serve there, `members` how many the cohorts of its stages have,
  /// and `projection` what the plan's next stage will use.
  package init(of next: Plan, after plan: Plan, members: Int, projection: Projection?) {
    let exposure = Exposure.between(plan, next)
    feature = plan.feature
    stage = next.stageName
    servedPer100000 = Exposure.servedShare(next)
    joinsPer100000 = exposure.joins
    leavesPer100000 = exposure.leaves
    self.members = members
    if let projection, projection.stage == stage { self.projection = ProjectionView(projection) }
  }

  enum CodingKeys: String, CodingKey {
    case feature, stage, members, projection
    case servedPer100000 = "served_per_100000"
    case joinsPer100000 = "joins_per_100000"
    case leavesPer100000 = "leaves_per_100000"
  }
}
