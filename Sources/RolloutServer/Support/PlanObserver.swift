import RolloutCore

/// Somebody who follows plans. The controller tells every one of them, in the order of what
/// happens to a plan, and waits for none: who has more to do does it later.
protocol PlanObserver: Sendable {
  /// This is the plan that counts from now on, be it on disk or only in force. `listedMembers` is
  /// how many people its open stages name, where they are open to nobody else.
  func follow(_ plan: Plan, listedMembers: Int?)

  /// These features may decide otherwise from now on, although no event says so: members came or
  /// went, or a plan's time was up. `mark` is another whenever what decides besides the plans is.
  func decideAnew(_ features: Set<String>, mark: Int, at now: Instant)

  /// What happened to a plan is on disk, and in force.
  func hear(_ event: StoredEvent)
}

extension PlanObserver {
  func follow(_ plan: Plan, listedMembers: Int?) {}
  func decideAnew(_ features: Set<String>, mark: Int, at now: Instant) {}
  func hear(_ event: StoredEvent) {}
}
