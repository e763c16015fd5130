/// How a plan stands at a moment: the one source of its picture, for whoever reads it, was
/// overtaken, or repeats a request.
package struct PlanStatus: Sendable, Equatable {
  package let plan: Plan
  /// What the health of its stage lets an advance wait for.
  package let gates: HealthGates
  package let now: Moment
  /// The time as its hours have it.
  package let civil: CivilClock
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

  package init(_ plan: Plan, gates: HealthGates, now: Moment, civil: CivilClock? = nil) {
    self.plan = plan
    self.gates = gates
    self.now = now
    self.civil = civil ?? CivilClock(now: now.wall)
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
      step.schedule = ScheduleStanding(plan, civil)
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
    context.civil = civil
    return context
  }
}
