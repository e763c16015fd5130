extension Plan {
  /// What a plan was before it was archived, and when that was.
  package struct Archived: Sendable, Equatable {
    package var was: Status
    package var at: Moment

    package init(was: Status, at: Moment) {
      self.was = was
      self.at = at
    }
  }

  /// How long an archived plan answers as it did when it was completed: code that still asks gets a
  /// week to go.
  package static let farewell = TimeSpan.days(7)

  /// On the steady timeline; nil when it answers as off already.
  package var farewellEnds: Instant? {
    guard status == .archived, let archived, archived.was == .completed else { return nil }
    return archived.at.steady + Self.farewell
  }

  /// Whether an archived plan still answers as a completed one.
  package func bidsFarewell(at now: Instant) -> Bool { farewellEnds.map { now < $0 } ?? false }
}

extension Lifecycle {
  /// Puts a plan away, unless somebody still asks for it and that was not confirmed.
  static func archive(_ plan: inout Plan, _ context: CommandContext) throws(Refusal) {
    try require(
      plan, in: [.draft, .completed, .killed],
      "Only a plan that is done can be archived, so complete or kill this one first; "
        + "\(hint(plan)).")
    let isAsked = !context.askers.isEmpty || context.wasAskedBefore
    guard !isAsked || context.confirm == plan.feature else {
      let after = plan.status == .completed ? "A week after archiving" : "When archived"
      throw .inUse(
        "\(Asker.sentence(plan.feature, context.askers)). \(after) it is off for all of them. "
          + "Remove it from the code first, or confirm with the feature's name: "
          + "--confirm \(plan.feature) (\"confirm\": \"\(plan.feature)\").")
    }
    plan.archived = Plan.Archived(was: plan.status, at: context.now)
    plan.status = .archived
  }

  /// Brings an archived plan back as it was.
  static func unarchive(_ plan: inout Plan) throws(Refusal) {
    try require(plan, in: [.archived], "Only an archived plan can be brought back; \(hint(plan)).")
    // Of those archived before it was kept what they were, none may serve by surprise.
    let known: Plan.Status = plan.stageEnteredAt == nil ? .draft : .killed
    plan.status = plan.archived?.was ?? known
    plan.archived = nil
  }
}
