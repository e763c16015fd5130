package import DocumentKit
package import RolloutCore
import RolloutEvaluation

/// A plan as the API shows it. Serving (`status`, `stage`) and advancing (`hold`, `next`) apart.
package struct PlanView: Codable, Sendable, Equatable {
  package var feature: String
  package var description: String
  package var status: String
  package var stage: String
  /// -1 when rolled back to `off`.
  package var stageIndex: Int
  package var stageEnteredAt: String?
  package var hold: Nullable<HoldView>
  package var next: Nullable<NextView>
  /// How the feature does; absent of a plan that cannot be judged.
  package var health: PlanHealthView?
  /// The way back to the stage before an incident; absent when there is none.
  package var restore: RestoreView?
  /// What an advance passed over although it was not open; only in the answer to that advance.
  package var warnings: [String]?
  package var approvals: [String]
  /// Files that somebody approved, each with who did; absent when there are none.
  package var fileApprovals: [FileApprovalView]?
  /// Who joins and who leaves by the file that was applied; only in the answer to that.
  package var audience: AudienceView?
  package var version: Int
  package var stages: [StageView]
  package var createdAt: String
  package var updatedAt: String
  /// Until when an archived plan answers as a completed one; absent when it is off, or in use.
  package var answersUntil: String?
  /// False while the plan as shown is in force and could not be written; absent otherwise.
  package var durable: Bool?
  /// What is wrong with the plan as it is stored, for people; absent when nothing is.
  package var degraded: String?
  /// The plan file in its canonical form.
  package var definition: Document
}

/// How a feature does, in short; `HealthView` says more.
package struct PlanHealthView: Codable, Sendable, Equatable {
  package var verdict: String
  /// The verdict for people.
  package var words: String
  package var sentence: String

  package init(verdict: String, words: String, sentence: String) {
    self.verdict = verdict
    self.words = words
    self.sentence = sentence
  }
}

/// Why a plan may not advance.
package struct HoldView: Codable, Sendable, Equatable {
  package var cause: String
  package var reason: String
  package var since: String
  /// Who has seen it, and when: it is released when its cooldown ends. Absent until then.
  package var acknowledgedBy: String?
  package var acknowledgedAt: String?
}

/// What comes next, and what it waits for.
package struct NextView: Codable, Sendable, Equatable {
  package var action: String
  package var to: String?
  /// Whether who asks may take the step now.
  package var ready: Bool
  /// For whom it is ready, for people: `anybody`, or anybody but those who approved; absent while
  /// it waits for something else.
  package var readyFor: String?
  package var waitingOn: [String]
  /// Those of `waitingOn` that a person's step passes: hours and times as they are, the others with
  /// a reason.
  package var warnings: [String]
  /// What the next stage will use; absent while that cannot be told.
  package var projection: ProjectionView?
  /// When automation may take the step; absent where the plan names neither hours nor a time.
  package var schedule: ScheduleView?
}

/// Whether the hours and times of a plan let automation go on.
package struct ScheduleView: Codable, Sendable, Equatable {
  package var open: Bool
  /// `opens Mon 09:00 Europe/Berlin, in 14 h`
  package var sentence: String
  /// Absent while it is open, and where nobody can tell.
  package var opensAt: String?
  /// Absent while it is shut, and where it stays open.
  package var closesAt: String?
}

/// Going back to the stage before an incident, in one step.
package struct RestoreView: Codable, Sendable, Equatable {
  package var to: String
  /// As in `NextView`.
  package var ready: Bool
  package var readyFor: String?
  package var waitingOn: [String]
  /// Who approved it.
  package var approvals: [String]
}

/// One stage in short.
package struct StageView: Codable, Sendable, Equatable {
  package var name: String
  /// Percent of all users, nil when the stage is a list.
  package var percent: Double?
  package var cohort: String?
  package var rules: Int
  package var approvals: Int
  package var soak: String
  /// As the plan file has it; absent where it names none.
  package var advanceAt: String?
  /// For people, when automation may enter it, by its own hours or the plan's:
  /// `Mon–Thu 09:00–16:00 Europe/Berlin`. Absent where there are none.
  package var hours: String?
}

extension HoldView {
  package init(_ hold: Plan.Hold) {
    cause = hold.cause.rawValue
    reason = hold.reason
    since = hold.since.wall.rfc3339
    acknowledgedBy = hold.acknowledged?.by
    acknowledgedAt = hold.acknowledged?.at.wall.rfc3339
  }
}

extension PlanView {
  /// The plan as `actor` sees it. `passedOver` and `audience` belong to the answer to the change
  /// that made it.
  package init(
    _ status: PlanStatus, for actor: Actor, passedOver: [String] = [],
    audience: AudienceChange? = nil
  ) {
    let plan = status.plan
    feature = plan.feature
    description = plan.definition.description
    self.status = plan.status.rawValue
    stage = plan.status == .draft ? plan.definition.stages[0].name : plan.stageName
    stageIndex = plan.stageIndex
    stageEnteredAt = plan.stageEnteredAt?.wall.rfc3339
    hold = Nullable(plan.hold.map(HoldView.init))
    next = Nullable(status.next(for: actor).map(NextView.init))
    restore = status.restore(for: actor).map { RestoreView($0, plan.restoreApprovals) }
    warnings = passedOver.isEmpty ? nil : passedOver
    approvals = plan.approvals
    let files = FileApprovalView.all(plan)
    fileApprovals = files.isEmpty ? nil : files
    self.audience = audience.map(AudienceView.init)
    version = plan.version
    stages = plan.definition.stages.map { StageView($0, of: plan.definition) }
    if plan.bidsFarewell(at: status.now.steady) {
      answersUntil = plan.archived.map { ($0.at.wall + Plan.farewell).rfc3339 }
    }
    createdAt = plan.createdAt.rfc3339
    updatedAt = plan.updatedAt.wall.rfc3339
    health = status.health.map {
      PlanHealthView(verdict: $0.verdict, words: $0.words, sentence: $0.sentence)
    }
    durable = status.isDurable ? nil : false
    degraded = status.trouble
    definition = plan.definition.document
  }
}

extension StageView {
  fileprivate init(_ stage: Stage, of definition: PlanDefinition) {
    name = stage.name
    percent = stage.audience.percent.map { Double($0.thousandths) / 1000 }
    cohort = stage.audience.cohort
    rules = stage.audience.rules.count
    approvals = stage.approvals
    soak = (stage.soak ?? .zero).text
    advanceAt = stage.advanceAt?.text
    // A person starts the first one, whenever that is.
    let isEntered = stage.name != definition.stages.first?.name
    hours = (stage.hours ?? (isEntered ? definition.hours : nil))?.map(\.words)
      .joined(separator: "; ")
  }
}

extension NextView {
  fileprivate init(_ step: PlanStep) {
    action = step.action.rawValue
    to = step.to
    ready = step.isReady
    readyFor = step.readyFor
    waitingOn = step.waitingOn
    warnings = step.warnings
    projection = step.projection.map(ProjectionView.init)
    schedule = step.schedule.map(ScheduleView.init)
  }
}

extension ScheduleView {
  fileprivate init(_ standing: ScheduleStanding) {
    open = standing.isOpen
    sentence = standing.sentence
    opensAt = standing.opensAt?.rfc3339
    closesAt = standing.closesAt?.rfc3339
  }
}

extension RestoreView {
  fileprivate init(_ step: PlanStep, _ approvals: StepApprovals) {
    to = step.to ?? "off"
    ready = step.isReady
    readyFor = step.readyFor
    waitingOn = step.waitingOn
    self.approvals = approvals.given
  }
}
