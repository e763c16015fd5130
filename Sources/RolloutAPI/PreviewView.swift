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
  /// How many users there are in all; absent while nobody can tell.
  package var population: PopulationView?
  /// Why nobody can tell; absent where somebody can.
  package var populationUnknown: String?
  /// Every stage, with how many it would have.
  package var sizes: [StageSizeView]
  /// What the numbers leave out, for people.
  package var notes: [String]
  /// Users of this feature and another; absent where none was asked about.
  package var overlap: OverlapView?
  /// What it will cost and take, when it is the next stage; absent while that cannot be told.
  package var projection: ProjectionView?
  /// Why that cannot be told; absent where it can.
  package var projectionUnknown: String?

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
    sizes = []
    notes = []
    if let projection, projection.stage == stage {
      self.projection = ProjectionView(projection)
    } else if stage != plan.nextStage?.name || plan.status == .draft {
      projectionUnknown = "only what comes after the stage that people use can be told"
    } else {
      projectionUnknown =
        "no minute of the present stage has been measured, or nobody can tell how many more have "
        + "the next"
    }
  }

  /// Adds how many there are in all, if that is known, and at each stage.
  package mutating func count(
    _ crowd: Crowd?, unknown: String?, _ named: NamedUsers, of next: Plan, membersLookedAt: Bool
  ) {
    population = crowd.map { PopulationView($0) }
    populationUnknown = unknown
    let stages = next.definition.stages
    for index in stages.indices {
      var plan = next
      plan.stageIndex = index
      let share = Exposure.servedShare(plan)
      let count = named.count(upTo: index)
      sizes.append(
        StageSizeView(
          stage: stages[index].name, per100000: share, named: count,
          users: crowd.map {
            EstimateView($0.holding(Double(share) / 100_000, named: count, ofNamed: named.all))
          }))
    }
    let ruled = stages.filter { !$0.audience.rules.isEmpty }.map(\.name)
    if !ruled.isEmpty {
      notes.append(
        "Rules of \(ruled.joined(separator: ", ")) let in whoever matches them, besides: a list of "
          + "users with their attributes tells who.")
    }
    if next.definition.population.eligible != nil {
      notes.append(
        "Only who is eligible can have it: of others among these users nobody does, so that the "
          + "numbers are at most right.")
    }
    if !membersLookedAt {
      notes.append(
        "There are too many members to look at each; they are counted as everybody else, by share.")
    }
  }

  /// Adds what two plans have in common.
  package mutating func compare(
    _ plan: Plan, _ other: Plan, _ crowd: Crowd?, _ named: NamedUsers
  ) {
    overlap = OverlapView(plan, other, crowd, named)
    let isRuled = other.definition.stages.contains { !$0.audience.rules.isEmpty }
    if isRuled || other.definition.population.eligible != nil {
      notes.append(
        "What rules of \(other.feature) let in or keep out is not counted: a list of users with "
          + "their attributes tells.")
    }
  }

  enum CodingKeys: String, CodingKey {
    case feature, stage, members, population, sizes, notes, overlap, projection
    case populationUnknown = "population_unknown"
    case projectionUnknown = "projection_unknown"
    case servedPer100000 = "served_per_100000"
    case joinsPer100000 = "joins_per_100000"
    case leavesPer100000 = "leaves_per_100000"
  }
}
