/// Whom a rollout may reach, and in which order: all that deciding needs to know of a plan's file.
package struct Audience: Sendable, Equatable {
  package var population: Population
  /// At least one; names unique, percentages never decreasing.
  package var stages: [StageAudience]

  package init(population: Population, stages: [StageAudience]) {
    self.population = population
    self.stages = stages
  }

  /// Of `eligible` and of every stage.
  package var rules: [Rule] { (population.eligible ?? []) + stages.flatMap(\.rules) }

  /// Bytes that its rules may look at for one user; see `Rule.cost`.
  package var ruleCost: Int { rules.reduce(0) { $0 + $1.cost } }
}

/// Of whom the stages draw: how users are hashed, and whom no stage lets in or keeps out.
package struct Population: Sendable, Equatable {
  /// Decides, by the formula of `bucketing`, which bucket a user is in.
  package var salt: String
  package var bucketing = Bucketing.rollout
  /// nil means everyone is eligible; otherwise a user must match one of the rules.
  package var eligible: [Rule]?
  package var forceOn: [String] = []
  package var forceOff: [String] = []
  /// Users that never get the feature before completion.
  package var holdout = Share.none

  package init(salt: String) { self.salt = salt }

  /// Whether both put every user into the same bucket.
  package func drawsAlike(_ other: Population) -> Bool {
    bucketing == other.bucketing && salt.hasSameBytes(as: other.salt)
  }
}

/// Who joins at one stage. A user is included when any of its ways has them.
package struct StageAudience: Sendable, Equatable {
  /// Unique in the plan; also the name of the cohort that joins here.
  package var name: String
  package var rules: [Rule] = []
  /// A member list kept by the server; who opted in.
  package var cohort: String?
  /// Share of all users by bucket; nil when the stage has no percentage.
  package var percent: Share?

  package init(name: String, cohort: String? = nil, percent: Share? = nil) {
    self.name = name
    self.cohort = cohort
    self.percent = percent
  }
}
