package import RolloutEvaluation

/// One step of a plan: who joins here, and what must be true before the plan may enter or leave.
/// Stages only ever add people.
package struct Stage: Sendable, Equatable {
  package var audience: StageAudience
  /// Least time in this stage before anybody may leave it upwards. nil is none for a person, and
  /// `automaticSoak` for automation; zero is none for both.
  package var soak: TimeSpan?
  /// What automation waits in a stage that states no soak.
  package static let automaticSoak = TimeSpan.hours(1)
  /// Distinct tokens, other than the advancing one, that must approve entering this stage.
  package var approvals = 0
  package var preset: Preset?
  /// Before that, automation does not enter this stage.
  package var advanceAt: ScheduledTime?
  /// When automation may enter this stage, in place of the plan's.
  package var hours: [OpeningHours]?

  package init(name: String, cohort: String? = nil, percent: Share? = nil) {
    audience = StageAudience(name: name, cohort: cohort, percent: percent)
  }

  package var name: String { audience.name }

  /// The plan of those who name none: internal → beta → 25 → 50 → 100.
  package static let defaults = [
    Stage(name: "internal", cohort: "internal"),
    Stage(name: "beta", cohort: "beta", percent: .percent(5)),
    Stage(name: "25", percent: .percent(25)),
    Stage(name: "50", percent: .percent(50)),
    Stage(name: "100", percent: .percent(100)),
  ]
}
