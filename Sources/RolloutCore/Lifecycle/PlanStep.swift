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
  package internal(set) var waitingOn: [String] = []
  /// Those of `waitingOn` that a person passes with a warning; all but the schedule with a reason.
  package internal(set) var warnings: [String] = []
  /// What the stage it leads to will use; nil while that cannot be told.
  package internal(set) var projection: Projection?
  /// When automation may take it; nil for always.
  package internal(set) var schedule: ScheduleStanding?

  init(_ action: Action, to stage: String?) {
    self.action = action
    to = stage
  }

  /// Makes it wait for `gates`, and for others than those who approved, as `actor` sees it.
  mutating func wait(
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
