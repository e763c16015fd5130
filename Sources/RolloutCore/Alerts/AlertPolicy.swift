package import DocumentKit

/// What an alert does to a plan. Pure, as `Lifecycle` and `Judge` are; the desk carries it out.
package enum AlertPolicy {
  package enum Effect: Sendable, Equatable {
    case act(Command)
    case inert(Inertness)
  }

  /// Why an alert does nothing, as it is answered and listed.
  package enum Inertness: String, Sendable {
    case unknownFeature = "unknown feature"
    case notServing = "not serving"
    case olderThanTheStage = "older than the stage"
    /// Paused already, or taken back so lately that the step has had no time to help.
    case held
    /// It acted before, or another of the same did.
    case `repeat`
    /// It is over, says who sent it.
    case resolved
    case unreadable
    case unknownAction = "unknown action"
    /// Something else happened to it, such as that somebody took a look.
    case notFiring = "not firing"
    /// Whether it is firing or over, nobody can say.
    case unknownStatus = "unknown status"
  }

  /// Events of a plan to look through for one that an alert caused before a crash.
  package static let eventsMax = 100

  /// What an alert does to its feature's plan now, at a place on the steady timeline. Where the
  /// wall clock `wasSet` since the stage was entered, the two starts cannot be compared, and it
  /// counts.
  package static func decide(
    _ alert: Alert, _ plan: Plan, now: Instant, wasSet: (_ since: Instant) -> Bool
  ) -> Effect {
    guard plan.isServing else { return .inert(.notServing) }
    if let entered = plan.stageEnteredAt, alert.startsAt < entered.wall, !wasSet(entered.steady) {
      return .inert(.olderThanTheStage)
    }
    switch alert.action {
    case .kill: return .act(.kill)
    case .pause: return plan.status == .active ? .act(.pause) : .inert(.held)
    case .rollback:
      // One cause often raises several alerts: the cooldown gives the first step back time.
      if let ends = plan.cooldownEnds, now < ends { return .inert(.held) }
      return .act(.rollback(to: plan.definition.rollbackDestination.commandDestination(plan)))
    }
  }

  /// The one that speaks for alerts of one feature and action: the youngest, for it is the last to
  /// be older than the stage.
  package static func speaker<Item>(of items: [Item], _ alert: (Item) -> Alert) -> Item? {
    items.max { alert($0).startsAt < alert($1).startsAt }
  }
}

extension Alert {
  /// What is kept with the event that it causes. `id` is its sender's, `count` how many it speaks
  /// for.
  package func evidence(id: String, count: Int) -> Document {
    .object([
      "alert": .object([
        "id": .string(id), "name": .string(name), "starts_at": .string(startsAt.rfc3339),
        "key": .string(dedupeKey), "count": .int(count),
      ])
    ])
  }

  /// Whether an event of its feature's plan is its doing, or that of a repeat.
  package func hasCaused(_ event: PlanEvent) -> Bool {
    event.kind == action.eventKind && event.evidence?["alert"]?["key"]?.string == dedupeKey
  }
}

extension Alert.Action {
  fileprivate var eventKind: PlanEvent.Kind {
    switch self {
    case .rollback: .rolledBack
    case .pause: .paused
    case .kill: .killed
    }
  }
}
