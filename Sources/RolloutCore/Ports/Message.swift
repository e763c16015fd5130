/// What somebody outside is to be told: a plan event or a notice.
package enum Message: Sendable, Equatable {
  case event(StoredEvent)
  case notice(StoredNotice)

  /// The same for every attempt, so that receivers can drop repeats.
  package var id: String {
    switch self {
    case .event(let event): "evt_\(event.id)"
    case .notice(let notice): "ntc_\(notice.id)"
    }
  }

  package var feature: String {
    switch self {
    case .event(let event): event.event.feature
    case .notice(let notice): notice.notice.feature
    }
  }

  /// Kinds of events that go before all others: what takes a feature from people, or stops it.
  package static let urgentKinds: Set<String> = [
    PlanEvent.Kind.killed.rawValue, PlanEvent.Kind.rolledBack.rawValue,
    PlanEvent.Kind.held.rawValue,
  ]

  /// The word of its kind: `rolled_back`, `dry_run`.
  package var kind: String {
    switch self {
    case .event(let event): event.event.kind.rawValue
    case .notice(let notice): notice.notice.kind.rawValue
    }
  }
}
