/// An alert from outside, as received.
package struct Alert: Sendable, Equatable {
  package enum Action: String, Sendable, CaseIterable {
    case rollback, pause, kill
  }

  /// The same for every repeat of one alert.
  package var dedupeKey: String
  package var name: String
  package var feature: String
  package var action: Action
  package var reason: String
  package var startsAt: Instant
  package var receivedAt: Instant

  package init(
    dedupeKey: String, name: String, feature: String, action: Action, reason: String,
    startsAt: Instant, receivedAt: Instant
  ) {
    self.dedupeKey = dedupeKey
    self.name = name
    self.feature = feature
    self.action = action
    self.reason = reason
    self.startsAt = startsAt
    self.receivedAt = receivedAt
  }
}

/// An alert with what became of it. `acted` is nil until it has been judged.
package struct StoredAlert: Sendable, Equatable {
  package var id: Int
  package var alert: Alert
  package var acted: Bool?
  package var why: String?

  package init(id: Int, alert: Alert, acted: Bool?, why: String?) {
    self.id = id
    self.alert = alert
    self.acted = acted
    self.why = why
  }
}

/// Keeps alerts before they are acted on, so that a repeat or a crash acts once.
package protocol AlertStore: Sendable {
  /// The alert's id, and whether it was known (its judgement then tells what became of it).
  func record(_ alert: Alert) async throws -> (stored: StoredAlert, isRepeat: Bool)
  func judge(id: Int, acted: Bool, why: String?) async throws
  /// Newest first, older than `before`, of these features; nil for all.
  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [StoredAlert]
}
