/// A rollout as it stands: its definition, where it is, and what keeps it there. A value; every
/// change makes the next version through `Lifecycle`.
package struct Plan: Sendable, Equatable {
  package enum Status: String, Sendable, CaseIterable {
    case draft, active, paused, completed, killed, archived
  }

  /// Why a plan may not advance although it serves.
  package struct Hold: Sendable, Equatable {
    package enum Cause: String, Sendable, CaseIterable {
      case rollback, alert, outage, investigate
      case noTraffic = "no_traffic"
      case manual

      /// Whether it takes a person to end it (and the cooldown); the others end with their
      /// condition.
      package var needsAcknowledgement: Bool { self == .rollback || self == .alert }

      /// Whether an outage that is found takes its place: it says less, and would let a person go
      /// on at once.
      package var yieldsToOutage: Bool { self == .investigate || self == .noTraffic }

      /// For people, after "held".
      package var words: String {
        switch self {
        case .rollback: "after a step back"
        case .alert: "after an alert"
        case .outage: "for an outage"
        case .investigate: "to be looked at"
        case .noTraffic: "for want of traffic"
        case .manual: "by a person"
        }
      }
    }
    package var cause: Cause
    package var reason: String
    package var since: Moment
    /// Who has seen it, where it needs that; it ends with the cooldown then.
    package var acknowledged: Acknowledgement?
    /// The longest cooldown that the plan has had since; nil while it is the plan's own.
    package var cooldown: TimeSpan?

    package init(cause: Cause, reason: String, since: Moment) {
      self.cause = cause
      self.reason = reason
      self.since = since
    }

    package var needsAcknowledgement: Bool { cause.needsAcknowledgement }
    package var yieldsToOutage: Bool { cause.yieldsToOutage }
  }

  /// That somebody has seen why the plan is held.
  package struct Acknowledgement: Sendable, Equatable {
    /// As in `Actor.text`.
    package var by: String
    package var at: Moment

    package init(by: String, at: Moment) {
      self.by = by
      self.at = at
    }

    /// For people: the name of a token, anybody else as they are called.
    var name: String {
      Actor(text: by).tokenName ?? by
    }
  }

  /// Somebody's approval of a file that is to be applied.
  package struct FileApproval: Sendable, Equatable {
    /// SHA-256 of the file in its canonical form.
    package var digest: String
    /// The token's name.
    package var name: String

    package init(digest: String, name: String) {
      self.digest = digest
      self.name = name
    }
  }

  package var definition: PlanDefinition
  /// 1, 2, 3, … without gaps.
  package var version: Int
  package var status: Status
  /// Index of the stage being served; -1 is `off`: rolled back to nobody.
  package var stageIndex: Int
  /// When the stage was entered; nil before the start.
  package var stageEnteredAt: Moment?
  package var hold: Hold?
  /// Since when it is paused, on the steady timeline; nil when it is not.
  package var pausedAt: Instant?
  /// Time spent paused in this stage before that.
  package var pausedBefore = TimeSpan.zero
  /// Token names that approved entering the next stage.
  package var approvals: [String]
  /// Who approved which file; like `approvals` they end with the stage and with the next file.
  package var fileApprovals: [FileApproval] = []
  /// The token that applied the definition in force; nil where that is not known. Where the plan
  /// advances by itself, this is who lets it.
  package var appliedBy: String?
  /// Automatic rollbacks of the last 24 hours, on the steady timeline; two of them turn automatic
  /// advance off.
  package var recentRollbacks: [Instant]
  package var automaticAdvanceOff: Bool
  /// The stage before automation or an alert took it back, while a person may go back there.
  package var incident: Incident?
  /// What it was before, while it is archived.
  package var archived: Archived?
  package var createdAt: Instant
  package var updatedAt: Moment

  package var feature: String { definition.feature }

  /// `off`, or the name of the stage being served.
  package var stageName: String {
    definition.stages.indices.contains(stageIndex) ? definition.stages[stageIndex].name : "off"
  }

  /// The stage that `start` or `advance` enters.
  package var stageToEnter: Stage? {
    status == .draft ? definition.stages.first : nextStage
  }

  package var nextStage: Stage? {
    definition.stages.indices.contains(stageIndex + 1) ? definition.stages[stageIndex + 1] : nil
  }

  /// Whether anyone can have the feature.
  package var isServing: Bool {
    switch status {
    case .active, .paused, .completed: stageIndex >= 0
    case .draft, .killed, .archived: false
    }
  }

  /// The first version of a plan: a draft that serves nobody.
  package init(_ definition: PlanDefinition, at now: Moment) {
    self.definition = definition
    version = 1
    status = .draft
    stageIndex = 0
    stageEnteredAt = nil
    hold = nil
    approvals = []
    recentRollbacks = []
    automaticAdvanceOff = false
    createdAt = now.wall
    updatedAt = now
  }

  /// Time spent paused in this stage, up to a place on the steady timeline.
  package func timePaused(_ now: Instant) -> TimeSpan {
    guard let pausedAt else { return pausedBefore }
    // Neither is longer than `TimeSpan.longest`: the sum is far from overflowing.
    return TimeSpan(milliseconds: pausedBefore.milliseconds + now.since(pausedAt).milliseconds)
  }
}
