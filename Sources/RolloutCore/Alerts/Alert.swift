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
