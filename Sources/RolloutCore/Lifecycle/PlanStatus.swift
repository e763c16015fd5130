/// How a plan stands at a moment: the one source of its picture, for whoever reads it, was
/// overtaken, or repeats a request.
package struct PlanStatus: Sendable, Equatable {
  package let plan: Plan
  /// What the health of its stage lets an advance wait for.
  package let gates: HealthGates
  package let now: Moment
  /// False while the plan is in force and could not be written.
  package var isDurable = true
  /// What is wrong with the plan as it is stored, for people; nil when nothing is.
  package var trouble: String?

  /// How its feature does; nil for a draft.
  package var health: Health?

  package struct Health: Sendable, Equatable {
    package let verdict: String
    package let words: String
    package let sentence: String

    package init(verdict: String, words: String, sentence: String) {
      self.verdict = verdict
      self.words = words
      self.sentence = sentence
    }
  }

  package init(_ plan: Plan, gates: HealthGates, now: Moment) {
    self.plan = plan
    self.gates = gates
    self.now = now
  }

  /// What comes next for `actor`; nil when nothing does.
  package func next(for actor: Actor) -> PlanStep? {
    let context = context(actor)
    switch plan.status {
    case .draft:
      var step = PlanStep(.start, to: plan.stageToEnter?.name)
      step.wait(on: Lifecycle.waitingOn(plan, context), Lifecycle.nextApprovals(plan), actor)
      return step
    case .active:
      var step = PlanStep(plan.nextStage == nil ? .complete : .advance, to: plan.nextStage?.name)
      step.wait(on: Lifecycle.waitingOn(plan, context), Lifecycle.nextApprovals(plan), actor)
      step.warnings = Lifecycle.warnings(plan, context)
      step.projection = gates.projection
      return step
    case .paused: return PlanStep(.resume, to: plan.stageName)
    case .killed:
      var step = PlanStep(.resume, to: plan.stageName)
      step.waitingOn = ["a reason: why it is safe to serve again"]
      return step
    case .completed: return PlanStep(.archive, to: nil)
    case .archived: return nil
    }
  }

  /// The way back to the stage before an incident, for `actor`; nil when there is none.
  package func restore(for actor: Actor) -> PlanStep? {
    guard plan.status == .active || plan.status == .paused, let stage = plan.stageToRestore else {
      return nil
    }
    var step = PlanStep(.restore, to: stage.name)
    step.wait(
      on: Lifecycle.restoreWaitsOn(plan, context(actor)), plan.restoreApprovals, actor)
    return step
  }

  private func context(_ actor: Actor) -> CommandContext {
    var context = CommandContext(actor: actor, reason: "", now: now)
    context.health = gates
    return context
  }
}

/// A step that somebody may take with a plan, and what it waits for.
package struct PlanStep: Sendable, Equatable {
  package enum Action: String, Sendable {
    case start, advance, complete, resume, archive, restore
  }

  package let action: Action
  /// The stage it leads to; nil where it leads to none.
  package let to: String?
  /// Whether who asks may take it now.
  package private(set) var isReady = true
  /// For whom it is ready, for people; nil while it waits for something else.
  package private(set) var readyFor: String? = "anybody"
  package fileprivate(set) var waitingOn: [String] = []
  /// Those of `waitingOn` that a person passes with a warning; holds among them with a reason.
  package fileprivate(set) var warnings: [String] = []
  /// What the stage it leads to will use; nil while that cannot be told.
  package fileprivate(set) var projection: Projection?

  fileprivate init(_ action: Action, to stage: String?) {
    self.action = action
    to = stage
  }

  /// Makes it wait for `gates`, and for others than those who approved, as `actor` sees it.
  fileprivate mutating func wait(
    on gates: [String], _ approvals: StepApprovals, _ actor: Actor
  ) {
    guard gates.isEmpty else {
      (isReady, readyFor, waitingOn) = (false, nil, gates)
      return
    }
    let barred = approvals.barred
    guard !barred.isEmpty else { return }
    readyFor = "anybody but \(barred.joined(separator: " and ")), who approved"
    guard case .token(let name) = actor, barred.contains(name) else { return }
    isReady = false
    waitingOn = ["approval: you approved, so another person must go on"]
  }
}
