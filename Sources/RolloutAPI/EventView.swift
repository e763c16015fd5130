package import DocumentKit
package import RolloutCore

/// One line of history.
package struct EventView: Codable, Sendable, Equatable {
  package struct Place: Codable, Sendable, Equatable {
    package var stage: String
    package var status: String
  }

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

  package init(_ stored: StoredEvent) {
    let event = stored.event
    id = stored.id
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
