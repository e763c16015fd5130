package import DocumentKit
package import RolloutCore

/// One thing that happened: a plan's event, or a notice, which changed none.
package struct ActivityView: Codable, Sendable, Equatable {
  /// Its place in the event stream.
  package var id: String
  package var feature: String
  package var at: String
  /// Of the plan: the one that it made, or for a notice the one in force.
  package var version: Int
  package var type: String
  package var actor: String
  package var reason: String
  /// Absent for a notice.
  package var from: EventView.Place?
  package var to: EventView.Place?
  package var evidence: Document?

  package init(_ message: Message) {
    id = message.place.text
    switch message {
    case .event(let stored):
      let event = EventView(stored)
      feature = event.feature
      at = event.at
      version = event.version
      type = event.type
      actor = event.actor
      reason = event.reason
      from = event.from.value
      to = event.to
      evidence = event.evidence
    case .notice(let stored):
      let notice = NoticeView(stored)
      feature = notice.feature
      at = notice.at
      version = notice.planVersion
      type = notice.type
      actor = notice.actor
      reason = notice.reason
      evidence = notice.evidence
    }
  }
}

/// What happened to all plans, newest first.
package struct ActivityList: Codable, Sendable {
  package var activity: [ActivityView]
  package var next: Nullable<String>

  package init(activity: [ActivityView], next: String?) {
    self.activity = activity
    self.next = Nullable(next)
  }
}

/// What a plan's file said at a version.
package struct PlanVersionView: Codable, Sendable {
  package var feature: String
  package var version: Int
  package var definition: Document

  package init(feature: String, version: Int, definition: Document) {
    self.feature = feature
    self.version = version
    self.definition = definition
  }
}
