package import DocumentKit
package import RolloutCore

/// `GET /v1/alerts`: what alerts said, and what came of it.
package struct AlertList: Codable, Sendable {
  package struct Entry: Codable, Sendable {
    package var id: Int
    package var name: String
    package var feature: String
    package var action: String
    package var reason: String
    package var startsAt: String
    package var receivedAt: String
    package var lastReceivedAt: String
    /// How many were received that fared alike.
    package var count: Int
    package var acted: Bool
    package var why: String?

    package init(_ record: AlertRecord) {
      id = record.id
      name = record.alert.name
      feature = record.alert.feature
      action = record.alert.action.rawValue
      reason = record.alert.reason
      startsAt = record.alert.startsAt.rfc3339
      receivedAt = record.alert.receivedAt.rfc3339
      lastReceivedAt = record.lastReceivedAt.rfc3339
      count = record.count
      acted = record.state == .acted
      why = record.why
    }
  }
  package var alerts: [Entry]
  package var next: Nullable<String>

  package init(alerts: [Entry], next: String?) {
    self.alerts = alerts
    self.next = Nullable(next)
  }
}
