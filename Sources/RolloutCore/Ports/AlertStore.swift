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

/// What became of alerts: of one that acted or was resolved, or of all that were turned down alike.
package struct AlertRecord: Sendable, Equatable {
  package enum State: String, Sendable {
    /// Final, whoever sends it again.
    case acted
    /// Final for the token that said so.
    case resolved
    /// Judged again when it comes again.
    case inert
  }

  /// 0 until it is kept.
  package var id = 0
  package var state: State
  /// The last one.
  package var alert: Alert
  /// The token it came with.
  package var sender: String
  package var why: String?
  package var count: Int
  package var lastReceivedAt: Instant

  package init(
    _ state: State, _ alert: Alert, sender: String, why: String? = nil, count: Int = 1
  ) {
    self.state = state
    self.alert = alert
    self.sender = sender
    self.why = why
    self.count = count
    lastReceivedAt = alert.receivedAt
  }
}

/// Keeps what became of alerts, so that a repeat acts once and people can see the others. Throws
/// `StoreError`.
package protocol AlertStore: Sendable {
  /// Those of the keys about this feature and action that need no judgement any more.
  func finalAlerts(
    _ keys: Set<String>, feature: String, action: Alert.Action, sender: String
  ) async throws -> [String: AlertRecord.State]
  /// Keeps them: inert ones are folded into what was kept alike. Bounded for each sender: the
  /// oldest go.
  func keep(_ records: [AlertRecord]) async throws
  /// Newest first, older than `before`; of these features only, where given.
  func alerts(before: Int?, limit: Int, features: Set<String>?) async throws -> [AlertRecord]
}
