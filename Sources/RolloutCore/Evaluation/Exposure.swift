import RolloutEvaluation

/// Who joins and who leaves when one definition or stage replaces another, by counting buckets.
package struct Exposure: Sendable, Equatable {
  /// Of 100,000 users, by percentage alone; rules and member lists cannot be counted ahead.
  package var joins: Int
  package var leaves: Int

  package init(joins: Int, leaves: Int) {
    self.joins = joins
    self.leaves = leaves
  }

  /// Compares what two plans serve. With a new salt or bucketing everyone is drawn anew, and the
  /// estimate says so statistically. O(stages).
  package static func between(_ before: Plan?, _ after: Plan) -> Exposure {
    let old = before.map(servedShare) ?? 0
    let new = servedShare(after)
    guard let before,
      before.definition.population.drawsAlike(after.definition.population)
    else {
      // Independent draws: joins are those outside before and inside after.
      let joins = (100_000 - old) * new / 100_000
      return Exposure(joins: joins, leaves: old * (100_000 - new) / 100_000)
    }
    return Exposure(joins: max(0, new - old), leaves: max(0, old - new))
  }

  /// Users per 100,000 that have the feature by percentage.
  package static func servedShare(_ plan: Plan) -> Int {
    guard plan.isServing, plan.stageIndex >= 0 else { return 0 }
    let stages = plan.definition.stages.prefix(plan.stageIndex + 1)
    let share = stages.compactMap(\.audience.percent).last?.thousandths ?? 0
    guard plan.status != .completed else { return share }
    // The holdout is hashed on its own, so it takes the same part of every stage.
    return share * (100_000 - plan.definition.population.holdout.thousandths) / 100_000
  }
}
