package import DocumentKit
package import RolloutCore

/// One line of history.
package struct EventView: Codable, Sendable, Equatable {
  package struct Place: Codable, Sendable, Equatable {
    package var stage: String
    package var status: String
  }

  /// 0 for what is in force and not on disk yet.
  package var id: Int
  package var feature: String
  package var at: String
  package var version: Int
  package var type: String
  package var actor: String
  package var reason: String
  package var from: Nullable<Place>
  package var to: Place
  package var evidence: Document?
  /// False for what is in force and not on disk yet; nil otherwise.
  package var durable: Bool?

  package init(_ stored: StoredEvent) { self.init(stored.event, id: stored.id) }

  /// Of what is in force and not on disk yet.
  package init(unwritten event: PlanEvent) {
    self.init(event, id: 0)
    durable = false
  }

  private init(_ event: PlanEvent, id: Int) {
    self.id = id
    feature = event.feature
    at = event.at.rfc3339
    version = event.version
    type = event.kind.rawValue
    actor = event.actor.text
    reason = event.reason
    from = Nullable(event.from.map { Place(stage: $0.stage, status: $0.status.rawValue) })
    to = Place(stage: event.to.stage, status: event.to.status.rawValue)
    evidence = event.evidence
  }
}
